"""The peers of benches/engine.rs: the same tasks in PyTorch eager and ONNX Runtime.

Reads tasks from standard input and answers each with the seconds of one pass, like
benches/engine.rs; <engine> is `padded`, `packed` (train), `torch` or `onnx` (predict, one).
`peak <threads>` answers with the best measured matrix product in GFLOP/s, `versions` with
the versions in use. Needs torch, onnx and onnxruntime.
"""

import functools
import statistics
import sys
import tempfile
import time
import warnings

import numpy as np
import onnxruntime
import torch

VOCABULARY = 5


class Network(torch.nn.Module):
    def __init__(self, cell, embedding, hidden, layers, dropout, vocabulary=VOCABULARY):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocabulary, embedding)
        self.rnn = getattr(torch.nn, cell.upper())(embedding, hidden, layers, batch_first=True, dropout=dropout)
        self.head = torch.nn.Linear(hidden, vocabulary)

    def forward(self, tokens, last):
        """Distribution after the token `last` of each row of (sequences, steps)."""
        # Given a start state, the exported network takes any number of rows.
        start = torch.zeros(self.rnn.num_layers, tokens.shape[0], self.rnn.hidden_size)
        start = (start, start) if isinstance(self.rnn, torch.nn.LSTM) else start
        outputs = self.rnn(self.embedding(tokens), start)[0]
        index = last[:, None, None].expand(-1, 1, outputs.shape[2])
        return torch.softmax(self.head(outputs.gather(1, index)[:, 0]), -1)


@functools.cache
def read(file):
    with open(file) as text:
        return [[torch.tensor([int(c) for c in line]) for line in batch.split()] for batch in text.read().split("\n\n")]


def train_padded(network, batch):
    tokens = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True, padding_value=VOCABULARY - 1)
    targets = torch.nn.utils.rnn.pad_sequence([s[1:] for s in batch], batch_first=True, padding_value=-100)
    logits = network.head(network.rnn(network.embedding(tokens[:, :-1]))[0])
    loss = torch.nn.functional.cross_entropy(
        logits.reshape(-1, VOCABULARY), targets.reshape(-1), reduction="sum", ignore_index=-100)
    loss.backward()


def train_packed(network, batch):
    pack = functools.partial(torch.nn.utils.rnn.pack_sequence, enforce_sorted=False)
    tokens = pack([s[:-1] for s in batch])
    embedded = torch.nn.utils.rnn.PackedSequence(network.embedding(tokens.data), *tokens[1:])
    logits = network.head(network.rnn(embedded)[0].data)
    torch.nn.functional.cross_entropy(logits, pack([s[1:] for s in batch]).data, reduction="sum").backward()


def train(network, batches, step):
    network.train()
    started = time.perf_counter()
    for batch in batches:
        network.zero_grad(set_to_none=True)
        step(network, batch)
    return time.perf_counter() - started


def by_length(sequences, size):
    """Padded token batches of nearly equal lengths with the places of the last tokens."""
    ordered = sorted(sequences, key=len)
    for start in range(0, len(ordered), size):
        part = ordered[start:start + size]
        tokens = torch.nn.utils.rnn.pad_sequence(part, batch_first=True)
        yield tokens, torch.tensor([len(s) - 1 for s in part])


def onnx_session(network, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.zeros(3, 4, dtype=torch.long), torch.zeros(3, dtype=torch.long)), file.name,
            input_names=["tokens", "last"], dynamo=False,
            dynamic_axes={"tokens": {0: "rows", 1: "steps"}, "last": {0: "rows"}})
        return onnxruntime.InferenceSession(file.name, options, providers=["CPUExecutionProvider"])


def predictor(engine, network, threads):
    network.eval()
    if engine == "onnx":
        session = onnx_session(network, threads)
        return lambda tokens, last: session.run(None, {"tokens": tokens.numpy(), "last": last.numpy()})
    return network


@torch.inference_mode()
def predict(run, batches, size=512):
    started = time.perf_counter()
    for batch in batches:
        for tokens, last in by_length(batch, size):
            run(tokens, last)
    return time.perf_counter() - started


@torch.inference_mode()
def predict_one(run, batches):
    seconds = []
    for sequence in [s for batch in batches for s in batch]:
        started = time.perf_counter()
        run(sequence[None], torch.tensor([len(sequence) - 1]))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def peak(n=2048):
    a, b = torch.randn(n, n), torch.randn(n, n)
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - started)
    return 2 * n**3 / min(seconds) / 1e9


@functools.cache
def network_of(cell, embedding, hidden, layers, dropout):
    torch.manual_seed(1)
    return Network(cell, int(embedding), int(hidden), int(layers), float(dropout))


@functools.cache
def predictor_of(engine, network, threads):
    return predictor(engine, network, threads)


def main():
    for line in sys.stdin:
        task, *words = line.split()
        if task == "versions":
            answer = f"PyTorch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}, NumPy {np.__version__}"
        elif task == "peak":
            torch.set_num_threads(int(words[0]))
            answer = peak()
        else:
            engine, cell, embedding, hidden, layers, dropout, threads, file = words
            torch.set_num_threads(int(threads))
            network = network_of(cell, embedding, hidden, layers, dropout)
            if task == "train":
                answer = train(network, read(file), train_padded if engine == "padded" else train_packed)
            else:
                run = predictor_of(engine, network, int(threads))
                answer = (predict if task == "predict" else predict_one)(run, read(file))
        print(answer, flush=True)


if __name__ == "__main__":
    main()
