"""The same results under every setting that a session can make, and in spite of every name that a user can give.

Every function of `footfall.main` is called twice, with all its parameters (CALLS of test_matrix) and with the defaults,
on a table with what a setting could change: users and actions that differ by case or an accent, NULLs, ties, shares.
The expected rows are those of a session without settings. A setting is made before LOAD, where DuckDB could keep it in
the macros, and is in force while they run; `AFTER` holds those that hinder LOAD or name what LOAD brings.

The settings come from `duckdb_settings()`: flags are turned over, numbers made small and large, texts take the values
in `TEXTS`. To stay within a minute or two, settings that are not in `ALONE` are made a dozen at a time, dealt out by
the hash of their names; in a group that fails each is tried by itself, so that the failure names it. And the DuckDBs of a
run take turns: each asks every call without a setting, and its share of the calls under every setting.
FOOTFALL_EVERYTHING=1 asks all calls of each, and tries each setting by itself from the beginning (half an hour for a version).
"""

import concurrent.futures
import hashlib
import itertools
import multiprocessing
import os
import pickle
import re
import tempfile
import unittest
from pathlib import Path

import duckdb

from client import is_ours, load_alone
from test_matrix import CALLS, RELATIONS, RESULTS, catalogue

GROUP_SIZE = 12
EVERYTHING = "FOOTFALL_EVERYTHING" in os.environ

# The columns are those that CALLS names.
SETUP = """
    CREATE TABLE shop AS
    SELECT
        ['Ada', 'ada', 'Bob', 'Zoë', 'zoe', 'ZOE', NULL][(i * i + i // 7) % 7 + 1] AS user_id, i * 5 % 11 AS item_id, i % 3 AS category_id,
        ['pv', 'cart', 'pv', 'buy', 'Buy', 'fav', 'pv', 'buy'][i * 3 % 8 + 1] AS action,
        TIMESTAMP '2017-11-25 23:30:00' + to_hours(CAST(i * 17 % 200 AS INTEGER)) AS ts,
        CASE WHEN i % 13 > 0 THEN (i * 7 % 40 - 3) / 8 END AS price,
        ['Red', 'red', 'Blue', NULL][i % 4 + 1] AS colour, i AS line
    FROM range(240) numbers(i);
    CREATE TABLE marked (user_id VARCHAR COLLATE NOCASE, action VARCHAR COLLATE NOCASE, ts TIMESTAMP, price DOUBLE);
    INSERT INTO marked SELECT user_id, action, ts, price FROM shop;
    CREATE TABLE histories AS
    SELECT user_id, list(action ORDER BY ts ASC, line ASC) AS actions, list(ts ORDER BY ts ASC, line ASC) AS times
    FROM shop WHERE user_id IS NOT NULL GROUP BY user_id;
    CREATE TABLE runs AS FROM footfall.train(histories, actions, epochs := 2, hidden := 2, embedding := 2, validation := 0.4, user_id := user_id);
    CREATE TABLE made AS
    SELECT
        dataset,
        train_start(dataset, {hidden: 2, embedding: 2, epochs: 1}).state AS state,
        (SELECT arg_max(model, epoch) FROM runs) AS model,
        kmeans([[1, 2], [3, 4], [9, 9]]::DOUBLE[][], 2) AS clustering,
        gmm([[1, 2], [3, 4], [9, 9], [8, 8]]::DOUBLE[][], 2) AS mixture,
        (SELECT model FROM footfall.fit_clv(shop, user_id, ts, amount := price)) AS clv,
        bought.model AS propensity,
        (SELECT model FROM footfall.train_items(histories, actions, split := 'leave_last_out')) AS item_model,
        propensity_model_info(bought.model, 'x').plan AS plan,
        propensity_rows(
            {'at': [5], 'action': [0::UTINYINT], 'item': [1::UBIGINT], 'category': [1::UBIGINT], 'amount': [9.5::DOUBLE]}, [], 'Ada',
            propensity_model_info(bought.model, 'x').plan, [6], [7], 'x'
        ) AS "rows"
    FROM footfall.internal.training_set(histories, actions, validation := 0.5)
    CROSS JOIN footfall.train_propensity(shop, user_id, action, ts, target := 'pv', horizon := INTERVAL 1 DAY, item := item_id, amount := price) AS bought;
    SET VARIABLE model = (SELECT model FROM made);
    SET VARIABLE propensity = (SELECT propensity FROM made);
"""
VALUES = ("dataset", "state", "model", "clustering", "mixture", "clv", "propensity", "item_model", "plan", "rows")

# What CALLS does not ask: text where a setting could change how it is compared.
MORE_CALLS = {
    "conversion by text": "footfall.conversion(shop, user_id, colour, action, top := 2)",
    "conversion of all groups": "footfall.conversion(shop, user_id, colour, action, top := NULL)",
    "funnel by text": "footfall.funnel(shop, user_id, action, ts, by := colour, per := colour)",
    "segment by text": "footfall.segment(shop, user_id, [item_id, price], k := 3, log := true)",
    "segment_profile by text": "footfall.segment_profile(shop, colour, item_id, line, monetary := price)",
    "sequences with ties": "footfall.sequences(shop, user_id, action, date_trunc('day', ts), tie_break := colour)",
    "rfm of a collation": "footfall.rfm(marked, user_id, ts, amount := price)",
    "funnel of a collation": "footfall.funnel(marked, user_id, action, ts)",
    "sequences of a collation": "footfall.sequences(marked, user_id, action, ts)",
    "clean_events of a collation": "footfall.clean_events(marked, user_id, price, price, action, ts)",
    "cleaning_report of a collation": "footfall.cleaning_report(marked, user_id, price, price, action, ts)",
    "activity of a week": "footfall.activity(shop, user_id, action, ts, by := 'hour_of_week')",
    "cohorts of weeks": "footfall.cohorts(shop, user_id, ts, week_start := 'wednesday')",
    "evaluate": "footfall.evaluate(histories, actions, getvariable('model'), user_id := user_id)",
    "train_propensity": "footfall.train_propensity(shop, user_id, action, ts, target := 'pv', horizon := INTERVAL 1 DAY, item := colour, amount := price)",
    "propensity_report": "footfall.propensity_report(shop, user_id, action, ts, getvariable('propensity'), item := item_id, amount := price)",
    "training_set of these histories": "footfall.internal.training_set(histories, actions, user_id := user_id)",
    "compare_models": "footfall.compare_models(histories, actions, (SELECT arg_min(model, epoch) FROM runs), getvariable('model'), part := 'all')",
}  # fmt: skip
# What has nothing to do with a relation or a setting, what gives a number of the process, and what needs more than the defaults
# on these histories.
NOT_CALLED = (
    "footfall_devices", "footfall_version", "kmeans_choose_piece", "kmeans_piece", "outliers_piece", "train_piece", "clv_piece", "clv_forecast_piece",
    "read_forecast", "propensity_piece", "item_rules_piece", "evaluate_items_piece", "train_items_piece", "propensity_report", "train_propensity", "study", "report", "model_study"
)  # fmt: skip
NO_DEFAULT = {
    f"{name} by default"
    for name in (
        "bought_together", "class_report", "clv_report", "compare_models", "compare_recommenders", "confusion", "evaluate", "evaluate_items", "growth",
        "propensity", "propensity_inputs", "reliability", "roc", "train_items",
    )
}
# Whose rows come in no particular order.
UNORDERED = re.compile(
    "(class_report|clean_events|clv( |$)|compare_models|confusion|evaluat|generate_events|orders|item_rules|outliers|propensity|read_taobao|reliability|rfm( |$)|roc( |$)|segment( |$)|sequences|sessions)"
)

# The values of settings that are texts, where they are not paths, addresses, names and credentials.
TEXTS = {
    "Calendar": ["buddhist", "japanese"],
    "TimeZone": ["Asia/Shanghai", "America/St_Johns"],
    "default_collation": ["NOCASE", "NOACCENT", "NFC"],
    "default_null_order": ["NULLS_FIRST", "NULLS_FIRST_ON_ASC_LAST_ON_DESC", "NULLS_LAST_ON_ASC_FIRST_ON_DESC"],
    "default_order": ["DESC"],
    "lambda_syntax": ["ENABLE_SINGLE_ARROW", "DISABLE_SINGLE_ARROW"],
    "dialect_compatibility_mode": ["SPARK"],
    "preserve_identifier_case": ["lowercase", "uppercase", "false"],
    "regex_match_operator_semantics": ["full"],
    # Not 'combine': with it DuckDB 1.4 and 1.5 miscount by themselves, SELECT count(*) OVER (ORDER BY i // 2) FROM range(12) t(i).
    "debug_window_mode": ["separate"],
    "debug_verify_vector": ["DICTIONARY_OPERATOR", "CONSTANT_OPERATOR", "NESTED_SHUFFLE", "SEQUENCE_OPERATOR"],
    "enable_profiling": ["no_output"],
    "explain_output": ["ALL"],
    "force_compression": ["rle", "dictionary"],
    "memory_limit": ["64MB", "1GB"],
    "max_memory": ["64MB"],
    "operator_memory_limit": ["1MB"],
    "perfect_ht_threshold": ["0"],
    "pin_threads": ["off"],
    "streaming_buffer_size": ["1KB"],
    "storage_block_prefetch": ["NEVER"],
    "table_function_identifier_conversion": ["ERROR", "DISABLED"],
    "show_behavior": ["describe"],
    "arrow_output_version": ["1.4"],
    "temp_directory": ["", "/proc/nowhere"],
    "null_order": ["NULLS_FIRST"],
    "checkpoint_threshold": ["1KB"],
    "wal_autocheckpoint": ["1KB"],
    "allow_parser_override_extension": ["FALLBACK", "STRICT"],
    "default_transaction_invalidation_policy": ["SYNTACTIC_ERRORS_DO_NOT_INVALIDATE"],
    "validate_external_file_cache": ["NO_VALIDATION"],
    "external_file_cache_request_sizing": ["GRID"],
    "checkpoint_on_detach": ["ENABLED", "DISABLED"],
}  # fmt: skip
# What is asked by itself: either it has changed results of ours or it forbids something.
ALONE = re.compile(
    r"SET (GLOBAL )?(Calendar|TimeZone|default_collation|default_null_order|default_order|null_order|integer_division|old_implicit_casting"
    r"|ieee_floating_point_ops|dialect_compatibility_mode|preserve_identifier_case|memory_limit|max_memory|max_expression_depth"
    r"|lock_configuration|disable_timestamptz_casts|operator_memory_limit|search_path|debug_verify_vector|errors_as_json)\b|PRAGMA"
)
# No setting of a session's work: they end it, or write outside the database.
LEFT_OUT = {
    "access_mode", "allow_unsigned_extensions", "duckdb_api", "enable_external_access", "log_query_path", "logging_storage", "profile_output",
    "profiling_output", "max_execution_time", "external_threads", "standard_vector_size", "enable_progress_bar", "block_allocator_memory",
    "debug_checkpoint_scan_sleep_ms", "debug_checkpoint_abort", "progress_bar_time",
}  # fmt: skip
AFTER = [
    "SET enable_external_access = false",
    "SET disabled_filesystems = 'LocalFileSystem'",
    "SET search_path = 'main,pg_catalog'",
    "SET search_path = 'settings.main,footfall.main,footfall.internal'",
    "PRAGMA enable_verification",
    "PRAGMA verify_parallelism",
    "PRAGMA disable_optimizer",
    "SET lock_configuration = true",
]

# Where a setting forbids the work: the setting, the calls, the message, and why nothing can be done about it.
FORBIDDEN = [
    ("enable_external_access|disabled_filesystems", "read_taobao|malformed_lines", "Permission Error", "no file may be read"),
    ("memory_limit|max_memory|operator_memory_limit", "", "Out of Memory", "DuckDB's own share of the work does not fit"),
    ("max_expression_depth", "", "Max expression depth", "a macro is deeper than the user allows"),
    ("preserve_identifier_case = 'uppercase'", "train_start", "option 'EMBEDDING' is unknown", "the caller's own unquoted option is changed"),
    ("debug_force_no_cross_product", "", "Query requires a cross-product", "an option is a row beside the others"),
    ("expression_rewriter", "", "NumericValueUnionToValue", "without it DuckDB 1.4 cannot compare a text with a constant: SELECT a = 'pv' FROM t"),
    ("enable_verification", "train(_epoch)?( |$)", " statement differs from original result", "DuckDB runs each twice and compares the seconds that they took"),
    (
        "disable_timestamptz_casts", "", "Casting from TIMESTAMP to TIMESTAMP WITH TIME ZONE",
        "local_time must be able to take both, and DuckDB looks at either branch when it plans",
    ),
]  # fmt: skip


def calls(connection):
    """The SQL of each call, by its label."""
    functions, queries = catalogue(connection), {}
    for name, (positional, named) in CALLS.items():
        # A report is made of its parts.
        if name in NOT_CALLED or "." in name:
            continue
        schema, function_type, _ = functions[name]
        for label, options in {name: named, f"{name} by default": {}}.items():
            if label == name or positional and positional[0] in RELATIONS and label not in NO_DEFAULT:
                arguments = ", ".join([*positional, *(f"{key} := {value}" for key, value in options.items())])
                queries[label] = f"{'FROM' if function_type == 'table_macro' else 'SELECT'} footfall.{schema}.{name}({arguments})"
    return queries | {label: f"FROM {call}" for label, call in MORE_CALLS.items()}


def plain(value):
    """A value without what a clock says, its numbers to ten digits: the order of a sum is another test's business."""
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key != "seconds"}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def answers(connection, folder, queries):
    """What each call gives: its rows, or the error."""
    results = {}
    for value in VALUES:
        connection.execute(f'SET VARIABLE "{value}" = (SELECT "{value}" FROM made)')
    for label, sql in queries.items():
        try:
            connection.execute(sql.replace("{folder}", folder))
            clocks = [place for place, column in enumerate(connection.description) if column[0].lower() == "seconds"]
            rows = [repr(plain([item for place, item in enumerate(row) if place not in clocks])) for row in connection.fetchall()]
            results[label] = sorted(rows) if UNORDERED.match(label) else rows
        except duckdb.Error as error:
            results[label] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return results


def is_forbidden(statements, label, message):
    return any(
        re.search(setting, statement) and re.match(call, label) and re.search(words, message)
        for statement in statements
        for setting, call, words, _ in FORBIDDEN
    )


def session(folder, statements, before):
    """The settings that could be made, and what differs under them."""
    connection = duckdb.connect(f"{folder}/settings.duckdb", read_only=True, config={"allow_unsigned_extensions": "true"})
    try:
        if not before:
            load_alone(connection)
        made = []
        for statement in statements:
            try:
                connection.execute(statement)
                made.append(statement)
            except duckdb.Error:
                pass
        if not made:
            return made, []
        if before:
            try:
                load_alone(connection)
            except duckdb.Error as error:
                return made, [] if is_forbidden(made, "LOAD", str(error)) else [f"LOAD: {error}"]
        queries = {label: sql for turn, (label, sql) in enumerate(calls(connection).items()) if is_ours(turn)}
        expected = pickle.loads(Path(folder, "expected").read_bytes())
        return made, list(differences(expected, answers(connection, folder, queries), made))
    finally:
        connection.close()


def differences(expected, results, statements):
    for label, result in results.items():
        if result == expected[label] or isinstance(result, str) and is_forbidden(statements, label, result):
            continue
        if isinstance(result, str) or isinstance(expected[label], str):
            yield f"{label}: {str(result)[:300]}"
        else:
            was, is_ = next((pair for pair in itertools.zip_longest(expected[label], result) if pair[0] != pair[1]), (None, None))
            yield f"{label}: {len(expected[label])} rows, {len(result)} with the setting; the first that differs was {was} and is {is_}"


def values_of(name, value, kind):
    """The values to try of a setting, as SQL."""
    if name in TEXTS:
        return [f"'{text}'" for text in TEXTS[name]]
    if kind == "BOOLEAN":
        return ["false" if str(value).lower() in ("true", "1") else "true"]
    if re.fullmatch("U?(TINY|SMALL|BIG)?INT|U?INTEGER", kind):
        return ["50", "1000000"] if name == "max_expression_depth" else ["1", "3"] if "threads" in name else ["0", "1", "1000000"]
    return ["0", "1"] if kind in ("DOUBLE", "FLOAT") else []


def settings():
    """The statements that make one setting each."""
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT name, value, input_type, scope FROM duckdb_settings() ORDER BY name ASC").fetchall()
        try:
            optimizers = [name for (name,) in connection.execute("SELECT name FROM duckdb_optimizers() ORDER BY name ASC").fetchall()]
        except duckdb.Error as error:
            raise AssertionError(f"no list of optimizers: {error}")
    statements = [
        f"SET {'' if scope == 'LOCAL' else 'GLOBAL '}{name} = {text}"
        for name, value, kind, scope in rows
        if name not in LEFT_OUT
        for text in values_of(name, value, kind)
    ]
    return statements, optimizers


def dealt(statements, size):
    """Groups of about one size; no two settings of a group have the same name."""
    ordered = sorted(statements, key=lambda statement: hashlib.sha256(statement.encode()).hexdigest())
    groups = [[] for _ in range(-(-len(ordered) // size))]
    for statement in ordered:
        name = statement.split(" = ")[0]
        free = [group for group in groups if all(other.split(" = ")[0] != name for other in group)] or [[]]
        group = min(free, key=len)
        group.append(statement)
        if group not in groups:
            groups.append(group)
    return groups


def sessions():
    """Each session: its settings, and whether they are made before LOAD."""
    statements, optimizers = settings()
    together = [statement for statement in statements if not EVERYTHING and not ALONE.match(statement)]
    yield from ((group, True) for group in dealt(together, GROUP_SIZE))
    yield from (([statement], True) for statement in statements if statement not in together)
    size = 1 if EVERYTHING else GROUP_SIZE
    for first in range(0, len(optimizers), size):
        yield [f"SET disabled_optimizers = '{','.join(optimizers[first:first + size])}'"], True
    yield from (([statement], False) for statement in AFTER)


class Settings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        with duckdb.connect(f"{cls.folder}/settings.duckdb", config={"allow_unsigned_extensions": "true"}) as connection:
            load_alone(connection)
            connection.execute(SETUP + RESULTS)
            connection.execute(f"COPY (SELECT 1, 10, 100, 'pv', 1511614800) TO '{cls.folder}/events.csv' (HEADER false)")
        with duckdb.connect(f"{cls.folder}/settings.duckdb", read_only=True, config={"allow_unsigned_extensions": "true"}) as connection:
            load_alone(connection)
            cls.expected = answers(connection, cls.folder, calls(connection))
        Path(cls.folder, "expected").write_bytes(pickle.dumps(cls.expected))

    def test_every_call_gives_rows(self):
        wrong = {
            label: result
            for label, result in self.expected.items()
            if isinstance(result, str) or not result and label != "malformed_lines"
        }
        self.assertEqual(wrong, {})

    def test_no_setting_changes_a_result(self):
        n_made = n_sessions = 0
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), mp_context=context) as workers:
            waiting = {workers.submit(session, self.folder, *one): one for one in sessions()}
            while waiting:
                done, _ = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    statements, before = waiting.pop(future)
                    made, wrong = future.result()
                    n_sessions += 1
                    n_made += len(made)
                    if wrong and len(made) > 1:
                        n_made -= len(made)
                        waiting |= {workers.submit(session, self.folder, [one], before): ([one], before) for one in made}
                    elif wrong:
                        with self.subTest(settings=statements, before_load=before):
                            self.fail("\n".join(wrong[:10]))
        print(f"\nsettings: {n_made} in {n_sessions} sessions, {sum(map(is_ours, range(len(self.expected))))} of {len(self.expected)} calls in each")


class Names(unittest.TestCase):
    def test_no_table_is_taken_for_a_part_of_a_macro(self):
        """DuckDB 1.4 refuses a relation that is called as any CTE around the place where it is read, so all bear a prefix."""
        definition = re.compile(
            r"^\s*(?:WITH (?:RECURSIVE )?)?(\w+)(?:\([\w, ]+\))? AS (?:NOT MATERIALIZED |MATERIALIZED )?\((?!PARTITION)", re.MULTILINE
        )
        for path in sorted(Path(__file__).parents[2].glob("sql/[0-9]*.sql")):
            for statement in re.split("^(?=CREATE MACRO|COMMENT ON MACRO)", path.read_text(), flags=re.MULTILINE):
                if not statement.startswith("CREATE MACRO"):
                    continue
                for name in definition.findall(statement):
                    with self.subTest(file=path.name, name=name):
                        self.assertRegex(name, "^(ff_|footfall__)")


if __name__ == "__main__":
    print(f"DuckDB {duckdb.__version__}")
    unittest.main()
