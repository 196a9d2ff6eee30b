"""Our models in PyTorch and PyTorch's in SQL: the same weights give the same probabilities.

    python tests/peers/test_torch.py        (FOOTFALL_EXTENSION names the binary)

Run by `make test-peers`; `make test` uses values that were recorded from PyTorch.
"""

import os
import unittest

import duckdb
import numpy as np
import safetensors
import safetensors.numpy
import torch

EXTENSION = os.environ.get("FOOTFALL_EXTENSION", "build/footfall.duckdb_extension")
LAYERS = 2
CASES = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
VOCABULARY = ["buy", "cart", "fav", "pv"]


class Network(torch.nn.Module):
    """The architecture of footfall.train, in PyTorch."""

    def __init__(self, architecture, vocabulary, embedding, hidden, layers):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocabulary, embedding)
        self.rnn = CASES[architecture](embedding, hidden, layers, batch_first=True)
        self.head = torch.nn.Linear(hidden, vocabulary)

    def forward(self, tokens):
        outputs, _ = self.rnn(self.embedding(tokens))
        return torch.softmax(self.head(outputs), -1)


class SameWeightsSameProbabilities(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        cls.connection.execute(f"LOAD '{EXTENSION}'")
        cls.connection.execute(
            "CREATE TABLE histories AS SELECT u AS user_id, list_transform(range(1 + u % 50), "
            "lambda i: ['buy', 'cart', 'fav', 'pv'][1 + (hash(u * 100 + i) % 4)::INT]) AS actions FROM range(200) r(u)"
        )

    def model(self, architecture):
        return self.connection.execute(
            "SELECT arg_max(model, epoch) FROM footfall.train(histories, actions, "
            f"architecture := '{architecture}', epochs := 2, embedding := 6, hidden := 10, layers := {LAYERS})"
        ).fetchone()[0]

    def predictions(self, model):
        rows = self.connection.execute(
            "SELECT actions, map_values(predict_next(?::BLOB, actions).probabilities) FROM histories", [model]
        ).fetchall()
        return [row[0] for row in rows], np.array([row[1] for row in rows])

    def expected(self, network, histories):
        with torch.no_grad():
            tokens = [torch.tensor([[VOCABULARY.index(action) for action in history]]) for history in histories]
            return np.array([network(sequence)[0, -1].numpy() for sequence in tokens])

    def test_torch_loads_our_models(self):
        for architecture in CASES:
            with self.subTest(architecture):
                model = self.model(architecture)
                weights = safetensors.numpy.load(model)
                network = Network(architecture, len(VOCABULARY), 6, 10, LAYERS)
                state = {name: torch.tensor(weights[name]) for name in network.state_dict()}
                network.load_state_dict(state, strict=True)
                histories, found = self.predictions(model)
                np.testing.assert_allclose(found, self.expected(network, histories), atol=1e-5)

    def test_our_functions_read_weights_from_torch(self):
        for architecture in CASES:
            with self.subTest(architecture):
                torch.manual_seed(3)
                network = Network(architecture, len(VOCABULARY), 6, 10, LAYERS)
                model = self.model(architecture)
                tensors = safetensors.numpy.load(model)
                tensors.update({name: tensor.numpy() for name, tensor in network.state_dict().items()})
                path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"footfall_peer_{os.getpid()}.safetensors")
                with open(path, "wb") as file:
                    file.write(model)
                with safetensors.safe_open(path, "numpy") as file:
                    metadata = file.metadata()
                os.remove(path)
                replaced = safetensors.numpy.save(tensors, metadata)
                histories, found = self.predictions(replaced)
                np.testing.assert_allclose(found, self.expected(network, histories), atol=1e-5)


if __name__ == "__main__":
    unittest.main()
