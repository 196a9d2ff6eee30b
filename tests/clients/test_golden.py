"""Models of earlier versions predict what they always did, and every DuckDB gives the same results."""

import hashlib
import json
import math
import os
import subprocess
import sys
import unittest
from pathlib import Path

import golden
from client import connect, one

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
DUCKDBS = os.environ.get("FOOTFALL_DUCKDBS", "").split(os.pathsep)
# Processors round sums of products differently: 32-bit floats agree to about six digits.
TOLERANCE = 1e-5
# Where a small network gives thousands of histories nearly the same probability, those six digits leave open which
# of them is the larger: 0.4675, 0.5095 and 0.5186 were seen of one network whose probabilities agree to eight digits, with other
# instruction sets and other ways to divide. Baselines only count, and have no such freedom.
NETWORK_AUC_TOLERANCE = 0.06
# One result of each numerical stage on the golden events: reports, scores, clusters, trained weights.
STAGES = {
    "rfm": "FROM footfall.rfm(events, user_id, ts) ORDER BY customer_id",
    "funnel": "SELECT * EXCLUDE (chart) FROM footfall.funnel(events, user_id, action, ts)",
    "segment": "FROM footfall.segment(customers, user_id, [n_events, n_buys], k := 3) ORDER BY id",
    "choose_k": "SELECT * EXCLUDE (chart) FROM footfall.choose_k(customers, [n_events, n_buys], k_to := 4) ORDER BY k",
    "gmm": "SELECT gmm(list([n_events, n_buys]::DOUBLE[] ORDER BY user_id), 2) AS mixture FROM customers",
    "train": """
        SELECT * EXCLUDE (seconds, model), md5(model) AS model
        FROM footfall.train(histories, actions, epochs := 2, hidden := 6, layers := 2, dropout := 0.2, user_id := user_id)""",
}


def differences(found, recorded, path="", tolerance=TOLERANCE):
    """Where a JSON value differs from the recorded one, numbers by more than the tolerance; it may have more fields."""
    if isinstance(recorded, dict) and isinstance(found, dict) and recorded.keys() <= found.keys():
        ranks = {"auc": NETWORK_AUC_TOLERANCE} if recorded.get("predictor") == "model" else {}
        return [
            place
            for key in recorded
            for place in differences(found[key], recorded[key], f"{path}.{key}", ranks.get(key, TOLERANCE))
        ]
    if isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        return [
            place for index, pair in enumerate(zip(found, recorded)) for place in differences(*pair, f"{path}[{index}]")
        ]
    if isinstance(recorded, float) and isinstance(found, (int, float)):
        same = math.isclose(found, recorded, rel_tol=tolerance, abs_tol=tolerance)
    else:
        same = found == recorded
    return [] if same else [f"{path}: {found} instead of {recorded}"]


def digest():
    """Every result to the last bit, as one line per stage."""
    with connect() as connection:
        results = {"golden": json.dumps(golden.predictions(connection, GOLDEN))}
        for name, sql in STAGES.items():
            # DuckDB writes a DOUBLE so that it reads back as the same bits.
            results[name] = one(connection, f"SELECT string_agg(result::VARCHAR, chr(10)) FROM ({sql}) AS result")
    return {name: hashlib.md5(text.encode()).hexdigest() for name, text in results.items()}


class Golden(unittest.TestCase):
    def test_golden_models_predict_what_was_recorded(self):
        recorded = json.loads((GOLDEN / "predictions.json").read_text())
        with connect() as connection:
            found = golden.predictions(connection, GOLDEN)
        self.assertEqual(differences(found, recorded), [])

    def test_golden_models_of_format_2_find_their_held_back_part(self):
        recorded = json.loads((GOLDEN / "splits.json").read_text())
        with connect() as connection:
            found = golden.splits(connection, GOLDEN)
        self.assertEqual(differences(found, recorded), [])

    def test_golden_models_of_items_say_what_was_recorded(self):
        recorded = json.loads((GOLDEN / "items.json").read_text())
        with connect() as connection:
            found = golden.of_items(connection, GOLDEN)
        self.assertEqual(differences(found, recorded), [])

    def test_a_golden_network_of_items_says_what_was_recorded(self):
        recorded = json.loads((GOLDEN / "items_and_network.json").read_text())
        with connect() as connection:
            found = golden.of_items(connection, GOLDEN, golden.ITEMS_AND_NETWORK)
        self.assertEqual(differences(found, recorded), [])

    def test_a_golden_model_is_judged_by_a_baseline_that_it_does_not_carry(self):
        judged = (
            "SELECT model_info(model).own_history, map_from_entries(list((predictor, log_loss))) FROM models,"
            " footfall.evaluate(histories, actions, (SELECT model FROM models WHERE name = '{0}'), part := 'all')"
            " WHERE name = '{0}' GROUP BY model"
        )
        for load, names in ((golden.predictions, golden.ARCHITECTURES), (golden.splits, golden.SPLITS)):
            with connect() as connection:
                load(connection, GOLDEN)
                for name in names:
                    weights, log_losses = connection.execute(judged.format(name)).fetchone()
                    self.assertEqual(weights, {"decay": 0.98, "pseudo_counts": 20.0}, name)
                    # It knows each user, and the users of the generator differ.
                    self.assertLess(log_losses["own_history"], log_losses["markov_3"], name)

    def test_a_golden_model_can_be_trained_on(self):
        with connect() as connection:
            golden.predictions(connection, GOLDEN)
            for name in golden.ARCHITECTURES:
                epochs = one(
                    connection,
                    "SELECT model_info(model).epochs FROM footfall.train(histories, actions, epochs := 1, threads := 1,"
                    f" user_id := user_id, init := (SELECT model FROM models WHERE name = '{name}'))",
                )
                self.assertEqual(epochs, 9, name)

    # The other versions are asked once, while the first has its turn.
    @unittest.skipUnless(DUCKDBS[0] == os.environ["FOOTFALL_DUCKDB"], "compared by the first version")
    def test_every_duckdb_gives_the_same_bits(self):
        own = digest()
        for duckdb in DUCKDBS[1:]:
            process = subprocess.run(
                [sys.executable, __file__, "--digest"],
                env={**os.environ, "PYTHONPATH": duckdb},
                capture_output=True,
                text=True,
            )
            self.assertEqual(process.returncode, 0, process.stderr)
            self.assertEqual(json.loads(process.stdout), own, duckdb)


if __name__ == "__main__":
    if sys.argv[1:] == ["--digest"]:
        print(json.dumps(digest()))
    else:
        unittest.main()
