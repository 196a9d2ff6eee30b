"""The adaptor on Sail: what it merges equals one DuckDB, and what it refuses is said in one line. Needs no Java."""

import os
import sys
import unittest
from pathlib import Path

import pyarrow as pa
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

import footfall.spark
from study import Study, check_said

EXTENSION = str(Path(footfall.spark.__file__).parent / "footfall.duckdb_extension")
NOT_A_REPORT = "is not a bare report; allowed: FROM footfall.R"


class Sail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        server = SparkConnectServer()
        server.start()
        cls.addClassCleanup(server.stop)
        cls.spark = SparkSession.builder.remote(f"sc://localhost:{server.listening_address[1]}").getOrCreate()
        cls.addClassCleanup(cls.spark.stop)
        cls.study = Study()
        cls.kept = cls.study.keep(cls.spark, extension=EXTENSION)

    def test_reports_equal_those_of_one_duckdb(self):
        self.study.check_reports(self, self.kept)

    def test_frames_equal_what_one_duckdb_gives(self):
        self.study.check_map(self, self.kept)

    def test_mistakes_are_one_line_before_a_job_starts(self):
        # A frame that cannot be read: a job would say so.
        kept = footfall.spark.Kept(self.kept._cluster, self.spark.sql("SELECT raise_error('a job has started')"), self.kept._schema, {})
        mistakes = {
            "FROM footfall.funel(events, user_id, action, ts)": NOT_A_REPORT,
            "SELECT count(*) FROM footfall.funnel(events, user_id, action, ts)": NOT_A_REPORT,
            "FROM footfall.funnel(events, user_id, action, ts) LIMIT 1": NOT_A_REPORT,
            "FROM footfall.funnel(events, user_id, action, ts), events": NOT_A_REPORT,
            "FROM footfall.sessions(events, user_id, ts)": NOT_A_REPORT,
            "FROM footfall.funnel(events, user_id, deed, ts)": 'Referenced column "deed" not found',
            "FROM footfall.funnel(kept, user_id, action, ts)": "Table with name kept does not exist",
            "FROM footfall.activity(events, user_id, action, ts, by := 'fortnight')": "argument 'by' is 'fortnight'; allowed: ",
            "FROM footfall.funnel(events, user_id, action, ts, stepps := ['pv'])": "Binder Error: ",
        }
        for text, said in mistakes.items():
            with self.subTest(text=text):
                check_said(self, said, kept.report, text)

    def test_types_that_spark_lacks_are_named(self):
        for sql, kind in {"sum(user_id)": "HUGEINT", "hash(user_id)": "UBIGINT", "[{'a': max(ts) - min(ts)}]": "STRUCT(a INTERVAL)[]"}.items():
            with self.subTest(sql=sql):
                said = f"map: column 'x' is {kind}, which Spark does not have; write CAST(x AS …), for example to VARCHAR"
                check_said(self, said, self.kept.map, f"SELECT {sql} AS x FROM events GROUP BY user_id")

    def test_a_frame_of_nothing_known(self):
        """DuckDB 2.0 has a type for NULL, DuckDB before says INTEGER; Spark is told the latter."""
        self.assertEqual(self.kept.map("SELECT NULL AS a, [NULL] AS b FROM events LIMIT 1").dtypes, [("a", "int"), ("b", "array<int>")])

    def test_what_a_task_says_comes_to_the_driver(self):
        late = "FROM footfall.funnel(events, user_id, action, ts, steps := ['pv', CASE WHEN (SELECT count(*) FROM events) > 1 THEN error('too late') ELSE 'buy' END])"
        check_said(self, "too late", self.kept.report, late)

    def test_a_user_in_two_partitions_is_refused(self):
        """An engine whose repartition does nothing would count him twice."""
        cluster, rows = self.kept._cluster, self.kept._rows
        twice = footfall.spark.Kept(cluster, rows.union(rows), self.kept._schema, {})
        check_said(self, "in two parts, who would count twice", twice.report, "FROM footfall.funnel(events, user_id, action, ts)")

    def test_an_extension_that_is_none(self):
        check_said(self, "cannot open footfall: ", footfall.spark.Cluster, self.spark, "/nowhere/footfall.duckdb_extension")
        check_said(self, "cannot open footfall: ", footfall.spark.Cluster, self.spark, __file__)

    def test_a_server_that_takes_no_files_says_so(self):
        check_said(self, "this server takes no files; give Cluster(extension = ", footfall.spark.Cluster, self.spark)

    def test_tables_of_arrow(self):
        frame = self.kept.map("SELECT DISTINCT number FROM numbers, events", tables={"numbers": pa.table({"number": [7]})})
        self.assertEqual({row.number for row in frame.collect()}, {7})


if __name__ == "__main__":
    result = unittest.main(warnings="ignore", exit=False).result
    sys.stderr.flush()
    # Tasks of the server may still run in threads of this process; Python ends such a thread within C++, which aborts.
    os._exit(not result.wasSuccessful())
