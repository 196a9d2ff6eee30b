"""ADBC: Arrow in and out, a model as a bound BLOB, and the types of a prediction."""

import os
import unittest

import _duckdb
import adbc_driver_manager.dbapi
import pyarrow

EXTENSION = os.environ["FOOTFALL_EXTENSION"]


class Adbc(unittest.TestCase):
    def setUp(self):
        # The library within DuckDB's wheel is a driver.
        self.connection = adbc_driver_manager.dbapi.connect(
            driver=_duckdb.__file__, entrypoint="duckdb_adbc_init", db_kwargs={"path": ":memory:", "allow_unsigned_extensions": "true"}, autocommit=True
        )
        self.addCleanup(self.connection.close)
        self.cursor = self.connection.cursor()
        self.addCleanup(self.cursor.close)
        self.cursor.execute(f"LOAD '{EXTENSION}'")

    def table(self, sql, parameters=None):
        self.cursor.execute(sql, parameters)
        return self.cursor.fetch_arrow_table()

    def test_events_go_in_as_arrow_and_predictions_come_out(self):
        events = self.table("SELECT user_id, action, ts FROM footfall.generate_events(users := 60)")
        # A cursor that has ingested does nothing else in DuckDB's driver.
        with self.connection.cursor() as ingesting:
            ingesting.adbc_ingest("events", events, mode="create")
        self.cursor.execute("CREATE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts)")
        self.cursor.execute("CREATE TABLE run AS FROM footfall.train(histories, actions, epochs := 1, hidden := 4, user_id := user_id)")
        [model] = self.table("SELECT model FROM run")["model"].to_pylist()
        told = self.table("SELECT next, footfall.top(next.probabilities, 2) AS likeliest FROM (SELECT predict_next(?::BLOB, ['pv']) AS next)", [model])
        self.assertEqual(told.schema.field("next").type.field("probabilities").type, pyarrow.map_(pyarrow.string(), pyarrow.float32()))
        self.assertEqual(told.schema.field("likeliest").type.value_type.field("probability").type, pyarrow.float64())
        [next_action], [likeliest] = told["next"].to_pylist(), told["likeliest"].to_pylist()
        self.assertEqual(len(likeliest), 2)
        self.assertEqual(likeliest[0], {"action": next_action["action"], "probability": next_action["probability"]})
        self.assertEqual(dict(next_action["probabilities"])[next_action["action"]], next_action["probability"])

    def test_an_error_is_ours(self):
        with self.assertRaisesRegex(Exception, "footfall.top: argument 'probabilities'"):
            self.table("SELECT footfall.top(1)")


if __name__ == "__main__":
    unittest.main()
