#!/usr/bin/env python3
"""Run the SQL tests: sqllogictest files, in DuckDB's dialect, against one or more DuckDB versions.

    python3 tests/run_sql.py --duckdb DIR --extension build/footfall.duckdb_extension [FILE ...]

DIR is a folder that holds an unpacked `duckdb` wheel; given several times, the files run once per
folder, each file in a process of its own, so that a crash is a failure and not the end.
Without FILE, every `tests/sql/**/*.test` runs. `--macros` puts the macros of `sql/` as they are now
over those in the binary, so that a change of one is tested without a build.

Every file starts in a fresh in-memory database. LOAD takes longer than most files: on Linux it is done once
for each version, in a database without threads of its own, which a fork would lose, and every file goes on
with a copy of that process, and with DuckDB's own number of threads. Directives, which DuckDB's own runner (duckdb_sqllogictest) takes too:

    require footfall                start with the extension loaded
    statement ok [CON]              the SQL below, up to an empty line, must succeed
    statement error [CON]           it must fail; after `----` comes a part of the message
    query TYPES [SORT] [LABEL] [CON]
                                    rows after `----`, tab-separated or one value per line; one
                                    letter per column, T, I or R, which compares with a relative
                                    tolerance of 1e-6, others as text; SORT is nosort, rowsort or
                                    valuesort; results under the same LABEL must be equal
    require-env NAME                skip the file unless NAME is set; ${NAME} is then its value
    load PATH [readonly]            go on with the database file PATH, the extension loaded again
    restart                         close the database and open it again
    foreach NAME WORD... / loop NAME FROM TO / endloop
                                    repeat what is between with ${NAME} replaced; TO is exclusive
    # text                          a comment

CON, a word that begins with `con`, is one more connection to the same database. An expected value
or message written `<REGEX>:pattern` must match the pattern in full (messages: anywhere).
__TEST_DIR__ is a folder for the files of a test, here an empty one of its own. What DuckDB's runner does
otherwise is refused: a variable in a label or in what is expected, and a directive of one line that
touches the next line.
FOOTFALL_DATA defaults to ../shared/data beside the repository where that exists, and FOOTFALL_EXTENSION to
the binary.
"""

import argparse
import functools
import math
import multiprocessing
import multiprocessing.connection
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ONE_LINE = ("require", "require-env", "load", "restart", "foreach", "loop", "endloop")
SORTS = ("nosort", "rowsort", "valuesort")
TOLERANCE = 1e-6
# The settings with which DuckDB works in the caller's thread alone; the second is in DuckDB 2.
NO_THREADS = {"threads": "1", "async_threads": "0"}


class Skip(Exception):
    """The file asks for something that is not here."""


class Failure(Exception):
    """A test, or the way it is written, is wrong at `line`."""

    def __init__(self, line, text):
        super().__init__(text)
        self.line = line


class Record:
    """One directive: its words, the lines below it, and those after `----` (None without one)."""

    def __init__(self, line, words, sql, expected):
        self.line, self.words, self.sql, self.expected = line, words, sql, expected


def parse(text):
    """Cut a file into records; an empty line ends each."""
    records, lines, i = [], text.split("\n"), 0
    while i < len(lines):
        start, words = i + 1, lines[i].split()
        i += 1
        if not words or words[0].startswith("#"):
            continue
        sql, expected = [], None
        if words[0] in ("statement", "query"):
            while i < len(lines) and lines[i].strip():
                if lines[i] == "----" and expected is None:
                    expected = []
                else:
                    (sql if expected is None else expected).append(lines[i])
                i += 1
        elif words[0] in ONE_LINE and i < len(lines) and lines[i].strip() and not lines[i].startswith("#"):
            raise Failure(start, f"{words[0]} needs an empty line or a comment below it")
        records.append(Record(start, words, "\n".join(sql), expected))
    return records


def unroll(records, variables):
    """Yield (record, variables in force), with loops repeated."""
    i = 0
    while i < len(records):
        record = records[i]
        i += 1
        if record.words[0] not in ("foreach", "loop"):
            yield record, variables
            continue
        depth, end = 1, i
        while depth:
            if end == len(records):
                raise Failure(record.line, "a loop without endloop")
            depth += {"foreach": 1, "loop": 1, "endloop": -1}.get(records[end].words[0], 0)
            end += 1
        name = record.words[1]
        values = [substitute(word, variables, record.line) for word in record.words[2:]]
        if record.words[0] == "loop":
            values = range(int(values[0]), int(values[1]))
        for value in values:
            yield from unroll(records[i : end - 1], {**variables, name: str(value)})
        i = end


def substitute(text, variables, line):
    def value(match):
        name = match[1] or match[0]
        if name not in variables:
            raise Failure(line, f"unknown variable {match[0]}; there are {', '.join(variables)}")
        return variables[name]

    return re.sub(r"\$\{(\w+)\}|__TEST_DIR__", value, text)


class Session:
    """The database of one test file and its connections."""

    def __init__(self, duckdb, extension, macros, timeout):
        self.duckdb, self.extension, self.macros, self.timeout = duckdb, extension, macros, timeout
        self.path, self.readonly, self.root, self.connections = ":memory:", False, None, {}

    def open(self, load=True):
        """Opens the database; with `load` it has the extension, and no threads until `reset_threads`."""
        self.close()
        config = {"allow_unsigned_extensions": "true"} | (self.no_threads if load else {})
        self.root = self.duckdb.connect(self.path, read_only=self.readonly, config=config)
        if load:
            self.root.execute(f"LOAD '{self.extension}'")
            for file in sorted((ROOT / "sql").glob("[0-9]*.sql")) if self.macros else []:
                self.root.execute(re.sub(r"^CREATE MACRO", "CREATE OR REPLACE MACRO", file.read_text(), flags=re.M))

    @functools.cached_property
    def no_threads(self):
        with self.duckdb.connect() as connection:
            known = connection.execute("SELECT name FROM duckdb_settings()").fetchall()
        return {name: number for name, number in NO_THREADS.items() if (name,) in known}

    def reset_threads(self):
        for name in self.no_threads:
            self.root.execute(f"RESET {name}")

    def close(self):
        for connection in [*self.connections.values(), self.root]:
            if connection is not None:
                connection.close()
        self.connections, self.root = {}, None

    def connection(self, name):
        if name is None:
            return self.root
        if name not in self.connections:
            self.connections[name] = self.root.cursor()
        return self.connections[name]

    def rows(self, sql, name):
        """Run one statement and give its rows as text, interrupting it at the time limit."""
        connection = self.connection(name)
        timer = threading.Timer(self.timeout, connection.interrupt)
        timer.start()
        try:
            # DuckDB itself turns values into text, so that nothing depends on Python's types.
            if re.match(r"\s*(\(|(SELECT|FROM|WITH|VALUES|DESCRIBE|SHOW|SUMMARIZE)\b)", sql, re.I):
                body = sql.strip().rstrip(";")
                sql = f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (\n{body}\n)"
            result = connection.execute(sql)
            return [[as_text(value) for value in row] for row in result.fetchall()]
        finally:
            timer.cancel()


def as_text(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value).replace("\n", "\\n")
    return text if text else "(empty)"


def same(actual, expected, kind):
    if expected.startswith("<REGEX>:"):
        return re.fullmatch(expected[len("<REGEX>:") :], actual) is not None
    if actual == expected:
        return True
    if kind != "R":
        return False
    try:
        return math.isclose(float(actual), float(expected), rel_tol=TOLERANCE, abs_tol=1e-12)
    except ValueError:
        return False


def by_rows(values, n_columns):
    return [values[i : i + n_columns] for i in range(0, len(values), n_columns)]


def check_query(record, rows, expected, types, sort):
    n_columns = len(types)
    if rows and len(rows[0]) != n_columns:
        raise Failure(record.line, f"{len(rows[0])} columns, but the types are {types}")
    wanted = [line.split("\t") for line in expected]
    if n_columns > 1 and all(len(row) == 1 for row in wanted) and len(wanted) % n_columns == 0:
        wanted = by_rows([row[0] for row in wanted], n_columns)
    if sort == "rowsort":
        rows, wanted = sorted(rows), sorted(wanted)
    elif sort == "valuesort":
        rows = by_rows(sorted(v for row in rows for v in row), n_columns)
        wanted = by_rows(sorted(v for row in wanted for v in row), n_columns)
    equal = len(rows) == len(wanted) and all(
        len(r) == len(w) and all(map(same, r, w, types)) for r, w in zip(rows, wanted)
    )
    if not equal:
        show = lambda table: "\n".join("\t".join(row) for row in table) or "(no rows)"
        raise Failure(record.line, f"{record.sql}\nexpected\n{show(wanted)}\nactual\n{show(rows)}")


def split_query_words(record):
    """`query TYPES [SORT] [LABEL] [CON]` -> (types, sort, label, connection)."""
    if len(record.words) < 2:
        raise Failure(record.line, "query needs a letter per column")
    if not set(record.words[1]) <= set("TIR"):
        raise Failure(record.line, f"the types are {record.words[1]}; there are T, I and R")
    sort = label = connection = None
    for word in record.words[2:]:
        if word in SORTS and sort is None:
            sort = word
        elif word.startswith("con"):
            connection = word
        else:
            label = word
    return record.words[1], sort, label, connection


def run_record(session, record, variables, labels):
    fill = lambda text: substitute(text, variables, record.line)
    sql = fill(record.sql)
    expected, kind = record.expected, record.words[0]
    if any("${" in text for text in [*(expected or []), *(record.words if kind == "query" else [])]):
        raise Failure(record.line, "DuckDB's runner replaces a variable in SQL only; write <REGEX>:(one|other)")
    record = Record(record.line, [fill(word) for word in record.words], sql, expected)
    if kind == "statement":
        run_statement(session, record, sql, expected)
    elif kind == "query":
        types, sort, label, connection = split_query_words(record)
        if expected is None and label is None:
            raise Failure(record.line, "query needs ---- and the expected rows, or a label")
        try:
            rows = session.rows(sql, connection)
        except session.duckdb.Error as error:
            raise Failure(record.line, f"{sql}\nfailed: {error}") from None
        if expected is not None:
            check_query(record, rows, expected, types, sort)
        if label is not None:
            rows = rows if sort in (None, "nosort") else sorted(rows)
            first = labels.setdefault(label, rows)
            check_query(record, rows, ["\t".join(row) for row in first], types, None)
    elif kind in ("load", "restart"):
        if kind == "load":
            session.path, session.readonly = record.words[1], "readonly" in record.words[2:]
        session.open()
        session.reset_threads()
    else:
        raise Failure(record.line, f"unknown directive {kind}")


def run_statement(session, record, sql, expected):
    outcome = record.words[1] if len(record.words) > 1 else ""
    connection = record.words[2] if len(record.words) > 2 else None
    if outcome not in ("ok", "error"):
        raise Failure(record.line, "a statement is ok or error")
    try:
        session.rows(sql, connection)
        message = None
    except session.duckdb.Error as error:
        message = str(error)
    if outcome == "ok":
        if message is not None:
            raise Failure(record.line, f"{sql}\nfailed: {message}")
        return
    # An error that may be any error hides the wrong ones.
    if not expected:
        raise Failure(record.line, "statement error needs ---- and a part of the message")
    if message is None:
        raise Failure(record.line, f"{sql}\nsucceeded; expected the error\n" + "\n".join(expected))
    wanted = "\n".join(expected)
    if wanted.startswith("<REGEX>:"):
        found = re.search(wanted[len("<REGEX>:") :], message, re.S)
    else:
        found = wanted in message
    if not found:
        raise Failure(record.line, f"{sql}\nexpected the error\n{wanted}\nactual\n{message}")


def run_file(path, session):
    records = parse(path.read_text())
    variables = {}
    for record in records:
        if record.words[0] == "require-env":
            name = record.words[1]
            if not os.environ.get(name):
                raise Skip(f"{name} is not set")
            variables[name] = os.environ[name]
    load = any(record.words == ["require", "footfall"] for record in records)
    with tempfile.TemporaryDirectory(prefix="footfall_") as folder:
        variables["__TEST_DIR__"] = folder
        try:
            if not load or session.root is None:
                session.open(load)
            session.reset_threads()
            labels = {}
            for record, current in unroll(records, variables):
                if record.words[0] not in ("require-env", "require"):
                    run_record(session, record, current, labels)
        finally:
            session.close()


def outcome_of(path, session):
    """What a file comes to, `passed`, `failed` or `skipped`, and what there is to say about it."""
    name, start = os.path.relpath(path, ROOT), time.monotonic()
    try:
        run_file(Path(path), session)
        return "passed", f"{name}: passed in {time.monotonic() - start:.2f} s"
    except Skip as reason:
        return "skipped", f"{name}: skipped, {reason}"
    except Failure as failure:
        return "failed", f"{name}:{failure.line}: {failure}\n"
    except session.duckdb.Error as error:
        return "failed", f"{name}: the extension did not load: {error}\n"


def run_apart(path, arguments, session, sender):
    """In a process of its own: a file in the loaded `session`, or in one of its own where there is none."""
    sender.send(outcome_of(path, session or new_session(arguments)))


def new_session(arguments):
    sys.path.insert(0, arguments.duckdb[0])
    import duckdb

    return Session(duckdb, arguments.extension, arguments.macros, arguments.timeout)


def outcomes(arguments, context, session):
    """What each file comes to, as they end; as many run at a time as there are processors."""
    waiting, running = list(reversed(arguments.files)), {}
    while waiting or running:
        while waiting and len(running) < os.cpu_count():
            path = waiting.pop()
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=run_apart, args=(path, arguments, session, sender))
            process.start()
            sender.close()
            running[receiver] = path, process
        for receiver in multiprocessing.connection.wait(list(running)):
            path, process = running.pop(receiver)
            try:
                outcome = receiver.recv()
            except EOFError:
                outcome = None
            process.join()
            receiver.close()
            crash = "failed", f"{os.path.relpath(path, ROOT)}: the process ended with {process.exitcode} under {arguments.duckdb[0]}\n"
            yield outcome if outcome and process.exitcode == 0 else crash


def n_threads():
    """The threads of this process."""
    return len(os.listdir("/proc/self/task"))


def worker(arguments):
    """Run the files on one version; the last line counts them."""
    data = ROOT.parent / "shared" / "data"
    if data.is_dir():
        os.environ.setdefault("FOOTFALL_DATA", str(data))
    os.environ["FOOTFALL_EXTENSION"] = arguments.extension
    loaded = new_session(arguments)
    # Elsewhere libraries of the system forbid a fork, or there is none.
    can_fork = sys.platform == "linux"
    if can_fork:
        before = n_threads()
        loaded.open()
        if n_threads() > before:
            raise SystemExit(f"DuckDB {loaded.duckdb.__version__} has threads that {NO_THREADS} do not end, and that a fork would lose")
    counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
    for kind, text in outcomes(arguments, multiprocessing.get_context("fork" if can_fork else "spawn"), loaded if can_fork else None):
        counts[kind] += 1
        if kind != "passed" or arguments.verbose:
            print(text, flush=True)
    print(f"DuckDB {loaded.duckdb.__version__}: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))
    return 1 if counts["failed"] else 0


def run_on(duckdb, arguments):
    """Runs the files on one version, in a process of its own; how many passed, failed and were skipped."""
    command = [sys.executable, __file__, "--duckdb", duckdb, "--worker", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = ""
    for line in process.stdout:
        print(line, end="", flush=True)
    process.wait()
    counts = re.fullmatch(r"DuckDB \S+: (\d+) passed, (\d+) failed, (\d+) skipped\n", line)
    if counts is None:
        print(f"the process ended with {process.returncode} under {duckdb}")
        return 0, 1, 0
    return tuple(map(int, counts.groups()))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--duckdb", action="append", required=True, metavar="DIR")
    parser.add_argument("--extension", required=True, metavar="PATH")
    parser.add_argument("--macros", action="store_true", help="take the macros of sql/ as they are now")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one statement")
    parser.add_argument("--verbose", action="store_true", help="print passed files too")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    arguments.extension = str(Path(arguments.extension).resolve())
    if arguments.worker:
        return worker(arguments)

    files = arguments.files or sorted(map(str, (ROOT / "tests" / "sql").glob("**/*.test")))
    options = ["--extension", arguments.extension, "--timeout", str(arguments.timeout)]
    options += ["--macros"] * arguments.macros + ["--verbose"] * arguments.verbose
    totals = [sum(counts) for counts in zip(*(run_on(duckdb, [*options, *files]) for duckdb in arguments.duckdb))]
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
