"""A model is a value: it outlives the connection and opens in Python."""

import json
import tempfile
import unittest
from pathlib import Path

from client import connect, one

try:
    import safetensors
except ImportError:
    safetensors = None

TRAIN = """
    CREATE TABLE models AS
    SELECT '{architecture}' AS name, arg_min(model, validation_loss) AS model
    FROM footfall.train(histories, actions, architecture := '{architecture}', epochs := 2, embedding := 5,
        hidden := 7, layers := 2, user_id := user_id)
"""
# A history per user is enough to see that two models predict the same.
PREDICT = "SELECT list(predict_next(model, actions) ORDER BY user_id)::VARCHAR FROM models, histories"
# Gates per hidden unit, stacked in the rows of PyTorch's weights.
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


class Model(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.database = self.folder / "shop.duckdb"

    def trained(self, architecture):
        connection = connect(self.database)
        connection.execute(
            "CREATE TABLE histories AS SELECT user_id, list(action ORDER BY ts, action) AS actions"
            " FROM footfall.generate_events(users := 60) GROUP BY user_id"
        )
        connection.execute(TRAIN.format(architecture=architecture))
        return connection

    def test_a_stored_model_predicts_the_same_after_reopening(self):
        with self.trained("lstm") as connection:
            before = one(connection, PREDICT)
        with connect(self.database, read_only=True) as connection:
            self.assertEqual(one(connection, PREDICT), before)
            self.assertEqual(one(connection, "SELECT model_info(model).hidden FROM models"), 7)
        # Without the extension the BLOB is still there to be copied.
        with connect(self.database, load=False) as connection:
            self.assertEqual(one(connection, "SELECT typeof(model) FROM models"), "BLOB")

    def test_training_goes_on_from_a_stored_model(self):
        self.trained("gru").close()
        with connect(self.database) as connection:
            epochs = one(
                connection,
                "SELECT max(model_info(model).epochs) FROM footfall.train(histories, actions, epochs := 1,"
                " user_id := user_id, init := (SELECT model FROM models))",
            )
            self.assertEqual(epochs, one(connection, "SELECT model_info(model).epochs FROM models") + 1)

    @unittest.skipIf(safetensors is None, "the package safetensors of tests/requirements.txt is not installed")
    def test_a_model_file_opens_in_safetensors(self):
        for architecture, n_gates in GATES.items():
            with self.subTest(architecture):
                self.database = self.folder / f"{architecture}.duckdb"
                path = self.folder / f"{architecture}.safetensors"
                with self.trained(architecture) as connection:
                    connection.execute(f"COPY (SELECT model FROM models) TO '{path}' (FORMAT BLOB)")
                    vocabulary = one(connection, "SELECT model_info(model).vocabulary FROM models")
                content = path.read_bytes()
                tensors = {name: tensor for name, tensor in safetensors.deserialize(content)}
                self.assertEqual(vocabulary, ["buy", "cart", "fav", "pv"])
                self.assertEqual(tensors["rnn.weight_ih_l0"]["shape"], [n_gates * 7, 5])
                self.assertEqual(tensors["rnn.weight_hh_l1"]["shape"], [n_gates * 7, 7])
                self.assertEqual(tensors["embedding.weight"]["shape"][1], 5)
                weights = [tensor for name, tensor in tensors.items() if name.startswith(("embedding.", "rnn.", "head."))]
                self.assertEqual({tensor["dtype"] for tensor in weights}, {"F32"})
                header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
                self.assertIn(architecture, json.dumps(header["__metadata__"]))

    def test_a_model_file_comes_back(self):
        path = self.folder / "model.safetensors"
        with self.trained("rnn") as connection:
            connection.execute(f"COPY (SELECT model FROM models) TO '{path}' (FORMAT BLOB)")
            before = one(connection, PREDICT)
            connection.execute(f"CREATE OR REPLACE TABLE models AS SELECT content AS model FROM read_blob('{path}')")
            self.assertEqual(one(connection, PREDICT), before)


if __name__ == "__main__":
    unittest.main()
