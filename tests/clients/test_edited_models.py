"""Models and datasets that somebody has edited: one clear line that names the argument, soon, and never another answer.

A .safetensors file is 8 bytes with the length of a header, the header in JSON and the tensors, so a few lines can change
anything in it. The metadata of footfall are JSON within the JSON.
"""

import json
import struct
import time
import unittest

import duckdb

from client import connect, one

# Reading takes milliseconds; what was to be caught took minutes, and the machines that run tests are busy.
PATIENCE_S = 20
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
        self.assert_refused(self.edited({"vocabulary": []}), "it has no actions", ["predict_next"])
        self.assert_refused(self.edited({"vocabulary": ["a", "b"]}), "sizes in its metadata", ["predict_next"])
        self.assert_refused(self.edited({"vocabulary": ["", "b", "c", "d"]}), "sizes in its metadata", ["predict_next"])
        long = ["a" * 5_000_000, "b", "c"]
        self.assert_refused(self.edited({"vocabulary": long}), "5000002 bytes together", ["predict_next"])
        many = [f"{i:07d}" for i in range(500_000)]
        self.assert_refused(self.edited({"vocabulary": many}), "500000 distinct actions", ["predict_next"])

    def test_a_model_of_a_later_format(self):
        self.connection.execute("CREATE OR REPLACE TABLE edited AS SELECT ?::BLOB AS m", [self.edited({"format_version": 3})])
        with self.assertRaisesRegex(duckdb.InvalidInputException, "format version 3, and this footfall reads versions up to 2"):
            self.connection.execute(USES["predict_next"]).fetchall()

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


TRAIN_START = "SELECT octet_length(train_start(d, {hidden: 2, embedding: 2, architecture: 'rnn'}).state) FROM edited"


def dataset(offsets=None, text=None, ids=None, tokens=(0, 1, 0), token_type="U8", lengths=(3,), offset_type="U32", **change):
    """A dataset in format 2, whose entries are tensors: one training history."""
    data, header = bytearray(), {}

    def add(name, dtype, numbers):
        letter = {"U8": "B", "U16": "H", "U32": "I", "U64": "Q", "I64": "q"}[dtype]
        numbers = list(numbers)
        start = len(data)
        data.extend(struct.pack(f"<{len(numbers)}{letter}", *numbers))
        header[name] = {"dtype": dtype, "shape": [len(numbers)], "data_offsets": [start, len(data)]}

    if ids is not None:
        add("vocabulary.ids", "I64", ids)
    if offsets is not None:
        add("vocabulary.offsets", offset_type, offsets)
    if text is not None:
        add("vocabulary.text", "U8", text)
    add("lengths", "U32", lengths)
    add("n_train", "U32", lengths)
    add("tokens", token_type, tokens)
    header["__metadata__"] = {"footfall_dataset": json.dumps({"format_version": 2} | change)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def of_names(*names, **options):
    encoded = [name.encode() for name in names]
    offsets = [0]
    for name in encoded:
        offsets.append(offsets[-1] + len(name))
    return dataset(offsets, b"".join(encoded), **options)


class EditedDatasets(unittest.TestCase):
    """Names and numbers as tensors: right, or refused with one line."""

    @classmethod
    def setUpClass(cls):
        cls.connection = connect()
        cls.addClassCleanup(cls.connection.close)

    def start(self, bytes_):
        self.connection.execute("CREATE OR REPLACE TABLE edited AS SELECT ?::BLOB AS d", [bytes_])
        start = time.perf_counter()
        try:
            return one(self.connection, TRAIN_START)
        finally:
            self.assertLess(time.perf_counter() - start, PATIENCE_S)

    def assert_refused(self, bytes_, message):
        with self.subTest(message), self.assertRaisesRegex(duckdb.InvalidInputException, message) as caught:
            self.start(bytes_)
        text = str(caught.exception)
        self.assertIn("argument 'dataset' ", text)
        self.assertNotIn("\n", text)
        self.assertLess(len(text), 1000)

    def test_names_in_tensors_are_names(self):
        expected = self.start(dataset(vocabulary=["", "b", "ä"]))
        self.assertEqual(self.start(of_names("", "b", "ä")), expected)
        long = "x" * 1_000_000
        self.assertGreater(self.start(of_names("", long)), len(long))

    def test_entries_that_are_none(self):
        three = [0, 1, 2, 3]
        for bytes_, message in (
            (of_names("pv", "cart", "buy"), "'pv' stands before 'cart'"),
            (of_names("buy", "buy", "pv"), "'buy' stands before 'buy'"),
            (of_names("", ""), "'' stands before ''"),
            (dataset([0, 1, 2, 4], b"abc"), "do not fit their text"),
            (dataset([0, 1, 2, 2**32 - 1], b"abc"), "do not fit their text"),
            (dataset([0, 2**32 - 1, 2, 3], b"abc"), "do not fit their text"),
            (dataset([0, 2, 1, 3], b"abc"), "do not fit their text"),
            (dataset([1, 2, 3, 3], b"abc"), "do not fit their text"),
            (dataset([], b""), "do not fit their text"),
            (dataset(three, "aä".encode()), "do not fit their text"),
            (dataset(three, b"ab\xff"), "is not UTF-8"),
            (dataset([0], b""), "0 distinct actions"),
            (dataset(three, b"abc", offset_type="U64"), "has type U64 instead of U32"),
            (dataset(three), "'vocabulary.text' is missing"),
            (dataset(), "'vocabulary.offsets' is missing"),
            (dataset(ids=[]), "0 distinct actions"),
            (dataset(ids=[2, 1, 3]), "2 stands before 1"),
            (dataset(ids=[2**63 - 1, 2**63 - 1]), "9223372036854775807 stands before 9223372036854775807"),
            (dataset(three, b"abc", format_version=3), "format version 3"),
            (of_names("a", "b", tokens=[0, 2, 0]), "a token outside the vocabulary"),
        ):
            self.assert_refused(bytes_, message)

    def test_numbers_are_no_actions(self):
        self.assert_refused(dataset(ids=[-(2**63), 2**63 - 1]), "is one of 2 numbers; allowed: one of at most 254 named actions")

    def test_many_entries(self):
        names = [f"{i:07d}" for i in range(1_000_000)]
        last = [0, 999_999, 0]
        self.assert_refused(of_names(*names, tokens=last, token_type="U32"), "is one of 1000000 distinct actions")
        self.assert_refused(of_names(*names, tokens=last, token_type="U32", lengths=(4,)), "do not fit the tokens")
        self.assert_refused(of_names(*names, tokens=[0, 1_000_000], token_type="U32", lengths=(2,)), "a token outside the vocabulary")
        self.assert_refused(of_names(*names, token_type="U8"), "has type U8 instead of U32")
        self.assert_refused(of_names(*names[:300], tokens=[0, 299, 0], token_type="U16"), "is one of 300 distinct actions")
        self.assert_refused(of_names(*names[:-1], names[-2], token_type="U32"), "'0999998' stands before '0999998'")
        self.assert_refused(dataset(ids=range(1_000_000), tokens=last, token_type="U32"), "is one of 1000000 numbers")


if __name__ == "__main__":
    unittest.main()
