"""Models in other programs: what ONNX Runtime gives is what SQL gives, and weights come back from a .safetensors file."""

import json
import re
import unittest

import duckdb
from client import connect, one

try:
    import numpy
    import onnxruntime
    from safetensors import numpy as safetensors
except ImportError:
    onnxruntime = None

TOLERANCE = 1e-6
# Histories of 0 to some dozens of actions.
HISTORIES = """
    CREATE TABLE histories AS
    SELECT user_id, list(action ORDER BY ts, action) AS actions FROM footfall.generate_events(users := 80) GROUP BY user_id
    UNION ALL VALUES (-1, []), (-2, ['buy'])
"""
TRAIN = """
    SELECT model FROM footfall.train(histories, actions, architecture := '{}', epochs := 1, embedding := 5, hidden := 7, layers := {},
        user_id := user_id, learning_rate := 0.02)
"""
POINTS = "SELECT [x, x * x % 97, 1e4 * sin(x)] AS point FROM (SELECT i::DOUBLE AS x FROM range(-60, 200) numbers(i))"


def run(file, **inputs):
    """The outputs of an ONNX file by name."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs))), session.get_modelmeta().custom_metadata_map


@unittest.skipIf(onnxruntime is None, "the packages onnxruntime, numpy and safetensors of tests/requirements.txt are not installed")
class Exchange(unittest.TestCase):
    def setUp(self):
        self.connection = connect()
        self.addCleanup(self.connection.close)

    def trained(self, architecture, layers):
        model = one(self.connection, TRAIN.format(architecture, layers))
        self.connection.execute("SET VARIABLE model = ?", [model])
        return model

    def predicted(self, model="getvariable('model')"):
        """Histories and the probabilities in the order of the vocabulary."""
        return self.connection.execute(
            f"SELECT actions, map_values(predict_next({model}, actions).probabilities) FROM histories ORDER BY user_id"
        ).fetchall()

    def test_networks_predict_the_same_in_onnx_runtime(self):
        self.connection.execute(HISTORIES)
        for architecture, layers in [("rnn", 1), ("gru", 1), ("lstm", 1), ("rnn", 2), ("gru", 2), ("lstm", 3)]:
            with self.subTest(architecture=architecture, layers=layers):
                self.trained(architecture, layers)
                file = one(self.connection, "SELECT to_onnx(getvariable('model'))")
                rows = self.predicted()
                lengths = numpy.array([len(actions) for actions, _ in rows], numpy.int32)
                # What stands behind the end of a history is nobody's business.
                tokens = numpy.full((len(rows), lengths.max()), 1, numpy.int64)
                vocabulary = one(self.connection, "SELECT model_info(getvariable('model')).vocabulary")
                for place, (actions, _) in enumerate(rows):
                    tokens[place, : len(actions)] = [vocabulary.index(action) for action in actions]
                outputs, metadata = run(file, tokens=tokens, lengths=lengths)
                self.assertEqual(json.loads(metadata["vocabulary"]), vocabulary)
                expected = numpy.array([probabilities for _, probabilities in rows])
                self.assertLess(numpy.abs(outputs["probabilities"] - expected).max(), TOLERANCE)
                # The predictions of different histories do differ.
                self.assertGreater(expected.std(axis=0).max(), 1000 * TOLERANCE)

    def test_clusterings_assign_the_same_in_onnx_runtime(self):
        self.connection.execute(f"CREATE TABLE points AS {POINTS}")
        for log in ("false", "true"):
            with self.subTest(log=log):
                self.connection.execute(f"SET VARIABLE clusters = (SELECT kmeans(list(point), 5, {{'log': {log}}}) FROM points)")
                points, clusters, distances = self.connection.execute(
                    "SELECT list(point), list(kmeans_assign(getvariable('clusters'), point)), list(kmeans_distance(getvariable('clusters'), point)) FROM points"
                ).fetchone()
                outputs, _ = run(one(self.connection, "SELECT to_onnx(getvariable('clusters'))"), points=numpy.array(points))
                self.assertEqual(outputs["cluster"].tolist(), clusters)
                self.assertLess(numpy.abs(outputs["distance"] - distances).max(), TOLERANCE)
                self.assertEqual(len(set(clusters)), 5)

    def test_propensities_are_the_same_in_onnx_runtime(self):
        self.connection.execute("CREATE TABLE events AS SELECT *, user_id % 3 AS region, item_id % 50 + 0.5 AS price FROM footfall.generate_events(users := 120)")
        arguments = "events, user_id, action, ts"
        columns = "item := item_id, category := category_id, amount := price, features := {'region': region, 'even': user_id % 2 = 0}"
        model, features = self.connection.execute(
            f"SELECT model, features FROM footfall.train_propensity({arguments}, horizon := INTERVAL 2 DAYS, {columns})"
        ).fetchone()
        self.connection.execute("SET VARIABLE propensity = ?", [model])
        rows = self.connection.execute(f"""
            SELECT inputs, probability
            FROM footfall.propensity_inputs({arguments}, getvariable('propensity'), {columns})
            JOIN footfall.propensity({arguments}, getvariable('propensity'), {columns}) USING (user_id)
            WHERE probability IS NOT NULL
        """).fetchall()
        outputs, metadata = run(
            one(self.connection, "SELECT to_onnx(getvariable('propensity'))"), features=numpy.array([inputs for inputs, _ in rows], numpy.float32)
        )
        self.assertEqual(json.loads(metadata["features"]), features)
        self.assertEqual((metadata["target"], json.loads(metadata["horizon"])), ("buy", {"months": 0, "days": 2, "microseconds": 0}))
        expected = numpy.array([probability for _, probability in rows])
        self.assertLess(numpy.abs(outputs["probability"] - expected).max(), TOLERANCE)
        self.assertGreater(expected.std(), 1000 * TOLERANCE)

    def test_equally_near_centroids_are_told_apart_alike(self):
        self.connection.execute("SET VARIABLE clusters = (SELECT kmeans([[9, 0], [9, 0], [1, 0]]::DOUBLE[][], 2, {'standardise': false}))")
        cluster = one(self.connection, "SELECT kmeans_assign(getvariable('clusters'), [5, 0])")
        outputs, _ = run(one(self.connection, "SELECT to_onnx(getvariable('clusters'))"), points=numpy.array([[5.0, 0.0]]))
        self.assertEqual((cluster, outputs["cluster"].tolist()), (2, [2]))

    def test_weights_come_back_in_another_order_of_actions(self):
        self.connection.execute(HISTORIES)
        for architecture in ("rnn", "gru", "lstm"):
            with self.subTest(architecture):
                tensors = safetensors.load(self.trained(architecture, 2))
                vocabulary = one(self.connection, "SELECT model_info(getvariable('model')).vocabulary")
                order = numpy.random.default_rng(1).permutation(len(vocabulary))
                state_dict = {
                    name: numpy.ascontiguousarray(tensor if name.startswith("rnn.") else tensor[order])
                    for name, tensor in tensors.items()
                    if not name.startswith("baseline.")
                }
                self.connection.execute("SET VARIABLE weights = ?", [safetensors.save(state_dict)])
                self.connection.execute("SET VARIABLE vocabulary = ?", [[vocabulary[place] for place in order]])
                here, there = self.predicted(), self.predicted("from_safetensors(getvariable('weights'), getvariable('vocabulary'))")
                # After an empty history the model of elsewhere knows no frequencies.
                self.assertEqual(there[1], ([], [1 / len(vocabulary)] * len(vocabulary)))
                self.assertEqual(here[2:], there[2:])
                self.assertEqual(here[0], there[0])

    def test_a_footfall_model_is_not_mistaken_for_weights(self):
        self.connection.execute(HISTORIES)
        self.trained("gru", 1)
        with self.assertRaisesRegex(duckdb.Error, re.escape("from_safetensors: argument 'weights' is not a footfall network: it holds tensor 'baseline.counts'; allowed: embedding.weight, rnn.")):
            one(self.connection, "SELECT from_safetensors(getvariable('model'), model_info(getvariable('model')).vocabulary)")


if __name__ == "__main__":
    unittest.main()
