"""The events of a small shop, the reports that are asked of them, and the same reports from one DuckDB."""

import tempfile
from pathlib import Path

import duckdb

import footfall.spark

CLEAN = "FROM footfall.clean_events(events, user_id, item_id, category_id, action, ts, valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04')"
RECEIPT = "FROM footfall.cleaning_report(events, user_id, item_id, category_id, action, ts, valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04')"
BUYS = "WITH buys AS (FROM events WHERE action = 'buy')"
REPORTS = {
    "hours": "FROM footfall.activity(events, user_id, action, ts)",
    "days": "FROM footfall.main.activity(events, user_id, action, ts, by := 'date', purchase := 'buy')",
    "promotion": "FROM footfall.promotion_effect(events, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04')",
    "groups": "from footfall.conversion(\"events\", user_id, concat('a (', category_id, ', b)'), action) -- the best (of all)",
    "steps": "FROM footfall.funnel(events, user_id, action, ts, within := INTERVAL 1 DAY);",
    "cohorts": "FROM footfall.cohorts(events, user_id, ts, period := 'day')",
    "again": f"{BUYS} FROM footfall.repeat_purchase(buys, user_id, ts)",
    "customers": f"{BUYS} FROM footfall.rfm(buys, user_id, ts)",
    "segments": f"{BUYS} FROM footfall.rfm_summary(buys, user_id, ts)",
    "scores": f"{BUYS} FROM footfall.rfm_scores(buys, user_id, ts)",
    "bounds": f"{BUYS} FROM footfall.rfm_thresholds(buys, user_id, ts)",
    "weeks": "FROM footfall.lifecycle(events, user_id, ts)",
    "test": "FROM footfall.compare_groups(events, user_id, user_id % 3, action = 'buy', control := 1)",
    "profile": "WITH users AS (SELECT user_id, count(*) AS n, count(*) % 5 AS days FROM events GROUP BY ALL) FROM footfall.segment_profile(users, n % 3, days, n)",
}
HISTORIES = "FROM footfall.sequences(events, user_id, action, ts)"
PREDICTED = f"SELECT user_id, predict_next(model, actions) AS next FROM ({HISTORIES}), models"
VOCABULARY = "['buy', 'cart', 'fav', 'pv']"
ENCODED = f"""
    SELECT encode_actions({VOCABULARY}, actions) AS tokens, CASE WHEN held_out(CAST(user_id AS VARCHAR), 0.1, 42) THEN 0 ELSE len(actions) END AS n_train
    FROM ({HISTORIES})
"""


class Study:
    """A shop with copies, rows of nobody and rows before the first day, as a file and in one DuckDB."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.file = str(Path(self.folder.name) / "events.parquet")
        self.one = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        self.one.execute(f"LOAD '{Path(footfall.spark.__file__).parent / 'footfall.duckdb_extension'}'")
        self.one.execute(f"""
            CREATE TABLE raw AS FROM footfall.generate_events(users := 200);
            INSERT INTO raw FROM raw LIMIT 50;
            INSERT INTO raw SELECT NULL, item_id, category_id, action, ts FROM raw LIMIT 20;
            INSERT INTO raw SELECT user_id, item_id, category_id, action, ts - INTERVAL 30 DAYS FROM raw LIMIT 20;
            COPY raw TO '{self.file}';
            CREATE VIEW events AS FROM raw;
        """)
        self.receipt = self.rows(self.one.sql(RECEIPT))
        self.one.execute(f"CREATE TABLE clean AS {CLEAN}; CREATE OR REPLACE VIEW events AS FROM clean")

    @staticmethod
    def rows(relation):
        """Names of columns and rows; in order of their text, since some reports have none."""
        return relation.columns, sorted(map(repr, relation.fetchall()))

    def expected(self, text):
        return self.rows(self.one.sql(text))

    def keep(self, spark, partitions=3, **options):
        cluster = footfall.spark.Cluster(spark, **options)
        return cluster.keep(spark.read.parquet(self.file), "user_id", partitions, CLEAN, receipt=RECEIPT)

    def check_reports(self, case, kept):
        """Everything that is merged equals what one DuckDB says."""
        case.assertEqual(self.rows(kept.before["receipt"]), self.receipt)
        for name, relation in kept.reports(**REPORTS).items():
            with case.subTest(report=name):
                case.assertEqual(self.rows(relation), self.expected(REPORTS[name]))

    def check_map(self, case, kept):
        """Histories, the training set packed of them, and what a model says of them, equal those of one DuckDB."""
        self.one.execute(f"CREATE TABLE histories AS {HISTORIES}")
        self.one.execute("CREATE TABLE models AS SELECT model FROM footfall.train(histories, actions, epochs := 1, user_id := user_id)")
        frames = {
            HISTORIES: kept.map(HISTORIES),
            PREDICTED: kept.map(PREDICTED, tables={"models": self.one.table("models")}),
        }
        for text, frame in frames.items():
            with case.subTest(text=text):
                case.assertEqual(self.rows(self.one.from_arrow(frame.toArrow())), self.expected(text))
        packing = f"SELECT pack_sequences(list({{'tokens': tokens, 'n_train': n_train}}), {VOCABULARY}) FROM encoded"
        [[packed]] = self.one.register("encoded", kept.map(ENCODED).toArrow()).execute(packing).fetchall()
        [[expected]] = self.one.execute("SELECT dataset FROM footfall.internal.training_set(histories, actions, user_id := user_id)").fetchall()
        case.assertEqual(packed, expected)


def check_said(case, said, call, *given):
    """A call ends in an error of one line, in which something is said."""
    with case.assertRaises(RuntimeError) as raised:
        call(*given)
    case.assertRegex(str(raised.exception), r"\Afootfall\.spark: .+\Z")
    case.assertIn(said, str(raised.exception))
