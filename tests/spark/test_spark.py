"""The adaptor on Apache Spark, with executors in the driver and beside it, of another DuckDB, and killed in their work.

    FOOTFALL_DUCKDBS=DIR:DIR python tests/spark/test_spark.py

The driver has the DuckDB of PYTHONPATH, the executors beside it the first of FOOTFALL_DUCKDBS.
"""

import os
import shutil
import sys
import unittest
from pathlib import Path
from unittest import mock

import duckdb
from pyspark.sql import SparkSession

import footfall.spark
from study import REPORTS, Study, check_said

DRIVERS = str(Path(duckdb.__file__).parents[1])
OLDEST = os.environ["FOOTFALL_DUCKDBS"].split(os.pathsep)[0]


def setUpModule():
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        raise unittest.SkipTest("no Java")
    # Else the JVM would hand ours to every executor.
    os.environ.pop("PYTHONPATH", None)
    os.environ["PYSPARK_PYTHON"] = sys.executable


def killing(generation):
    """`_counted` of a task that kills an ancestor, or itself, in its first attempt on the second partition."""
    counted = footfall.spark._counted

    def kill_and_count(con, calls):
        from pyspark import TaskContext

        process = os.getpid()
        for _ in range(generation):
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        if TaskContext.get().attemptNumber() == 0 and TaskContext.get().partitionId() == 1:
            os.kill(process, 9)
        yield from counted(con, calls)

    return mock.patch.object(footfall.spark, "_counted", kill_and_count)


class Session(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.study = Study()

    def start(self, master, duckdb_folder, **settings):
        builder = SparkSession.builder.master(master).config("spark.executorEnv.PYTHONPATH", duckdb_folder)
        for name, value in {"ui_enabled": "false", "log_level": "OFF", "ui_showConsoleProgress": "false", **settings}.items():
            builder = builder.config(f"spark.{name.replace('_', '.')}", value)
        spark = builder.getOrCreate()
        self.addCleanup(spark.stop)
        return spark

    def test_executors_in_the_driver(self):
        # One worker is killed while it counts; of four attempts.
        kept = self.study.keep(self.start("local[2,4]", DRIVERS, sql_session_timeZone="America/New_York"))
        with killing(0):
            self.study.check_reports(self, kept)
        self.study.check_map(self, kept)

    def test_executors_of_another_duckdb(self):
        spark = self.start("local-cluster[2,1,1024]", OLDEST, executor_memory="512m")
        kept = self.study.keep(spark)
        versions = {row.version for row in kept.map("SELECT library_version AS version FROM pragma_version()").collect()}
        self.assertEqual(versions, {f"v{Path(OLDEST).name}"})
        self.study.check_reports(self, kept)
        # The executor goes, with what it kept.
        with killing(2):
            self.assertEqual(self.study.rows(kept.report(REPORTS["steps"])), self.study.expected(REPORTS["steps"]))

    def test_executors_without_duckdb(self):
        spark = self.start("local[1]", "", executor_pyspark_memory="1g")
        check_said(self, "memory_limit", footfall.spark.Cluster, spark)
        spark.stop()
        check_said(self, "has no duckdb; install it there", self.study.keep, self.start("local[1]", ""))

    def test_results_too_large_for_the_driver(self):
        kept = self.study.keep(self.start("local[1]", DRIVERS, driver_maxResultSize="16k"))
        check_said(self, "larger than spark.driver.maxResultSize; raise it", lambda: kept.reports(**REPORTS))


if __name__ == "__main__":
    unittest.main(warnings="ignore")
