"""Models that somebody has edited: one clear line that names the model, soon, and never another answer.

A .safetensors file is 8 bytes with the length of a header, the header in JSON and the tensors, so a few lines can change
anything in it. The metadata of footfall are JSON within the JSON.
"""

import json
import struct
import time
import unittest

import duckdb

from client import connect, one

# Reading takes milliseconds; this is what a second looks like on a busy machine.
PATIENCE_S = 5
USES = {
    "predict_next": "SELECT predict_next(m, ['pv']) FROM edited",
    "next_state": "SELECT next_state(m, ''::BLOB, 'pv') FROM edited",
    "history_loss": "SELECT history_loss(m, ['pv', 'buy']) FROM edited",
    "model_info": "SELECT model_info(m) FROM edited",
    "evaluate": "FROM footfall.evaluate(histories, actions, (SELECT m FROM edited))",
    "compare_models": "FROM footfall.compare_models(histories, actions, (SELECT m FROM edited), (SELECT model FROM run))",
    "train": "FROM footfall.train(histories, actions, epochs := 1, init := (SELECT m FROM edited))",
}


class EditedModels(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.connection = connect()
        cls.addClassCleanup(cls.connection.close)
        cls.connection.execute("""
            CREATE TABLE histories AS SELECT ['pv', 'buy', 'pv', 'cart'] AS actions FROM range(30);
            CREATE TABLE run AS SELECT model FROM footfall.train(histories, actions, epochs := 1, hidden := 4, embedding := 2);
        """)
        cls.model = one(cls.connection, "SELECT model FROM run")
        (length,) = struct.unpack("<Q", cls.model[:8])
        cls.header = json.loads(cls.model[8 : 8 + length])
        cls.tensors = cls.model[8 + length :]

    def edited(self, change=None, header=None, tensors=None):
        """The model with changed metadata, entries of the header, or tensors."""
        new = json.loads(json.dumps(self.header)) | (header or {})
        if change:
            metadata = json.loads(new["__metadata__"]["footfall"]) | change
            new["__metadata__"] = {"footfall": json.dumps(metadata)}
        text = json.dumps(new).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text + (tensors or self.tensors)

    def assert_refused(self, model, message, uses=USES):
        self.connection.execute("CREATE OR REPLACE TABLE edited AS SELECT ?::BLOB AS m", [model])
        for use in uses:
            with self.subTest(use, message=message):
                start = time.perf_counter()
                with self.assertRaisesRegex(duckdb.InvalidInputException, message) as caught:
                    self.connection.execute(USES[use]).fetchall()
                self.assertLess(time.perf_counter() - start, PATIENCE_S)
                text = str(caught.exception)
                self.assertIn("is not a footfall model", text)
                self.assertNotIn("\n", text)
                self.assertLess(len(text), 1000)

    def test_the_same_header_written_anew_is_the_same_model(self):
        self.connection.execute("CREATE OR REPLACE TABLE edited AS SELECT ?::BLOB AS m", [self.edited()])
        expected = one(self.connection, "SELECT predict_next(model, ['pv']) FROM run")
        self.assertEqual(one(self.connection, USES["predict_next"]), expected)

    def test_actions_in_another_order(self):
        for names, pair in (
            (["pv", "cart", "buy"], "'pv' stands before 'cart'"),
            (["buy", "buy", "pv"], "'buy' stands before 'buy'"),
        ):
            self.assert_refused(self.edited({"vocabulary": names}), pair)

    def test_actions_that_are_none_or_too_many(self):
        self.assert_refused(self.edited({"vocabulary": []}), "its metadata are unreadable", ["predict_next"])
        self.assert_refused(self.edited({"vocabulary": ["a", "b"]}), "sizes in its metadata", ["predict_next"])
        self.assert_refused(self.edited({"vocabulary": ["", "b", "c", "d"]}), "sizes in its metadata", ["predict_next"])
        long = ["a" * 5_000_000, "b", "c"]
        self.assert_refused(self.edited({"vocabulary": long}), "5000002 bytes together", ["predict_next"])
        many = [f"{i:07d}" for i in range(500_000)]
        self.assert_refused(self.edited({"vocabulary": many}), "500000 distinct actions", ["predict_next"])

    def test_weights_of_no_use(self):
        for weight in (1e38, -3e38, float("inf"), float("nan"), 1.1e15):
            tensors = bytearray(self.tensors)
            start, _ = self.header["head.weight"]["data_offsets"]
            struct.pack_into("<f", tensors, start, weight)
            self.assert_refused(self.edited(tensors=bytes(tensors)), "weights beyond ±1e15")

    def test_the_largest_weights_give_numbers(self):
        tensors = bytearray(self.tensors)
        for name, entry in self.header.items():
            if entry.get("dtype") == "F32":
                start, end = entry["data_offsets"]
                for index, place in enumerate(range(start, end, 4)):
                    struct.pack_into("<f", tensors, place, 1e15 * (-1) ** (index // 3))
        self.connection.execute("CREATE OR REPLACE TABLE edited AS SELECT ?::BLOB AS m", [self.edited(tensors=bytes(tensors))])
        self.assertEqual(one(self.connection, "SELECT isfinite(predict_next(m, ['pv', 'buy']).probability) FROM edited"), True)
        self.assertEqual(one(self.connection, "SELECT isfinite(history_loss(m, ['pv', 'buy']).loss) FROM edited"), True)

    def test_headers_that_would_take_long(self):
        keys = {"__metadata__": {f"k{i}": "v" for i in range(200_000)} | self.header["__metadata__"]}
        n = len(self.tensors)
        empty = {f"x{i}": {"dtype": "F32", "shape": [0], "data_offsets": [n, n]} for i in range(100_000)}
        for header in (keys, empty):
            self.connection.execute("CREATE OR REPLACE TABLE edited AS SELECT ?::BLOB AS m", [self.edited(header=header)])
            start = time.perf_counter()
            self.assertEqual(one(self.connection, "SELECT model_info(m).epochs FROM edited"), 1)
            self.assertLess(time.perf_counter() - start, PATIENCE_S)
        many = {"__metadata__": {f"k{i}": "v" for i in range(3_000_000)} | self.header["__metadata__"]}
        self.assert_refused(self.edited(header=many), "its header has more than 33554432 bytes", ["model_info"])


if __name__ == "__main__":
    unittest.main()
