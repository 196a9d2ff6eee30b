"""The reports of footfall where the events are in Spark: Apache Spark 4, classic and Connect, and Sail.

    cluster = footfall.spark.Cluster(spark)
    events = cluster.keep(frame, "user_id", 200, "FROM footfall.clean_events(events, user_id, item_id, category_id, action, ts)")
    events.report("FROM footfall.funnel(events, user_id, action, ts)").show()
    histories = events.map("FROM footfall.sequences(events, user_id, action, ts)")

Every task is a DuckDB that sees the rows of its users as the table `events`; what the tasks counted is merged on the driver, to the
numbers of one DuckDB over all. Executors need duckdb, 1.4 or later, and nothing of ours. What goes wrong is a `RuntimeError` of
one line, before a job starts where possible; within a frame of `map` the line is in Spark's own error.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
import tempfile
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Mapping, NoReturn

import duckdb
import pyarrow as pa
import pyspark
from pyspark import StorageLevel, cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import StructType

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # Executors get the functions themselves, and need no wheel of ours.

_SAYS = "footfall.spark: "
_MEANINGS = {
    "JAVA_GATEWAY_EXITED": "Spark finds no Java; install Java 17, or connect to a server: SparkSession.builder.remote('sc://…')",
    "No module named 'duckdb'": "Python on an executor has no duckdb; install it there, 1.4 or later",
    "handle add artifacts": "this server takes no files; give Cluster(extension = a path that every executor has)",
    "spark.driver.maxResultSize": "what the tasks give is larger than spark.driver.maxResultSize; raise it, or ask for fewer reports at once",
}
# What a partition gives: its Parquet in chunks where `report` is '', and what it counted for a report as Arrow.
_ROWS = pa.schema([("report", pa.string()), ("chunk", pa.int32()), ("bytes", pa.binary())])
_SPARK_ROWS, _CHUNK_BYTES, _BATCH_ROWS = from_arrow_schema(_ROWS), 32 << 20, 1 << 16
_UTC = {"timezone": "UTC"} if "timezone" in (to_arrow_schema.__kwdefaults__ or {}) else {}
_SPARK_TYPES = "boolean tinyint smallint integer bigint float double decimal varchar blob date timestamp list struct map null".split()
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/""", re.S)
_REPORT = re.compile(r"\s*(?:WITH\b.*\0\s*)?(?P<call>FROM\s+footfall\.(?:main\.)?(?P<name>\w+)\s*(?P<given>\0+))[\s;]*", re.S | re.I)  # Of a text with brackets masked.


def _fail(message: str) -> NoReturn:
    raise RuntimeError(_SAYS + message)


@contextmanager
def _one_line() -> Iterator[None]:
    """Turns an error into what a task of ours said, or into the line of a trace that names the exception, or into its first."""
    try:
        yield
    except Exception as error:
        text = str(error).strip() or type(error).__name__
        line = re.search(f"{_SAYS}(.*)", text) or re.search(r"^[: ]*((?:\w+\.)*\w*(?:Error|Exception): .*)", text, re.M) or re.match("(.*)", text)
        meant = [meaning for sign, meaning in _MEANINGS.items() if sign in text] + [line[1]]  # type: ignore[index]
        raise RuntimeError(_SAYS + meant[0]) from None


class Cluster:
    """A session of Spark, the active or a new one where none is given; `duckdb` is the database on the driver.

    extension: the file `footfall.duckdb_extension` at a path that every executor has; without it, the wheel's is sent to them.
    memory_limit: what the DuckDB of a task may use, beside the JVM. It has as many threads as `spark.task.cpus` says.
    """

    @_one_line()
    def __init__(self, spark: SparkSession | None = None, extension: str | None = None, memory_limit: str = "1GB") -> None:
        spark = spark or SparkSession.builder.getOrCreate()
        if spark.conf.get("spark.executor.pyspark.memory", None) not in (None, "", "0"):
            _fail("spark.executor.pyspark.memory bounds addresses, which DuckDB does not survive; allowed: unset, and memory_limit here")
        path = os.path.abspath(extension or os.path.join(os.path.dirname(__file__), "footfall.duckdb_extension"))
        settings = ("memory_limit", memory_limit), ("threads", spark.conf.get("spark.task.cpus", "1")), ("preserve_insertion_order", "false")
        self._place, self._numbers = (path, not extension, settings), itertools.count()
        self.duckdb: duckdb.DuckDBPyConnection = _open(path, False, ())[0].cursor()
        known = self.duckdb.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE schema_name = 'partial' ORDER BY 1")
        self._known = [name for [name] in known.fetchall()]
        if not extension:
            spark.addArtifacts(path, file=True)

    @_one_line()
    def keep(self, frame: DataFrame, key: str, partitions: int, sql: str = "FROM events", **reports: str) -> Kept:
        """Brings all rows of a `key` into one of the `partitions` and keeps what `sql` makes of each, on the executors' disks.

        frame: rows as one DuckDB would read them; one to ten million a partition are a good size.
        sql: a query over `events`, the rows of a partition; what it gives is `events` from then on.
        reports: as in `Kept.reports`, but of the rows before `sql`, counted in the same pass; they are in `Kept.before`.
        """
        calls = self._tried(schema := to_arrow_schema(frame.schema, **_UTC), reports)
        with self._rehearsal(schema) as con, tempfile.TemporaryDirectory() as folder:
            kept = pa.table(con.sql(f"FROM read_parquet('{_write(con, sql, folder)}')")).schema

        def load(con: Any, folder: str, batches: Iterator[pa.RecordBatch]) -> Any:
            rows = pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in batches))
            return con.register("ff_rows", rows).execute("CREATE TEMP TABLE events AS FROM ff_rows")

        def body(con: Any, folder: str) -> Iterator[pa.RecordBatch]:
            yield from _counted(con, calls)
            with open(_write(con, sql, folder), "rb") as file:
                chunks = enumerate(iter(lambda: file.read(_CHUNK_BYTES), b""))
                yield from (pa.record_batch([[""], [chunk], [part]], _ROWS) for chunk, part in chunks)

        rows = frame.repartition(partitions, frame[key]).mapInArrow(_task(self._place, {}, load, body), _SPARK_ROWS).persist(StorageLevel.DISK_ONLY)
        return Kept(self, rows, kept, self._merged(rows.where("report <> ''"), calls))

    def _rehearsal(self, schema: pa.Schema) -> duckdb.DuckDBPyConnection:  # A row of NULLs finds the mistakes before a job starts.
        con = self.duckdb.cursor().register("ff_rows", schema.empty_table())
        return con.execute("CREATE TEMP TABLE events AS FROM ff_rows; INSERT INTO events DEFAULT VALUES")

    def _tried(self, schema: pa.Schema, texts: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        calls = {name: _halves(text, self._known) for name, text in texts.items()}
        with self._rehearsal(schema) as con:
            for partial, merged in calls.values():
                con.register("report_parts", pa.table(con.sql(partial))).execute(f"EXPLAIN {merged}")
        return calls

    def _merged(self, rows: DataFrame, calls: dict[str, tuple[str, str]]) -> dict[str, duckdb.DuckDBPyRelation]:
        parts, done = {name: [] for name in calls}, {}  # type: ignore[var-annotated]
        for row in rows.collect():
            parts[row.report].append(pa.ipc.open_stream(bytes(row.bytes)).read_all())
        for (name, (_, merged)), number in zip(calls.items(), self._numbers):
            self.duckdb.register("report_parts", pa.concat_tables(parts[name], promote_options="permissive"))
            self.duckdb.execute(f"CREATE TEMP TABLE report_{number} AS {merged}")
            done[name] = self.duckdb.table(f"report_{number}")
        return done


class Kept:
    """Partitions kept on the executors; `before` holds the reports that `Cluster.keep` was asked for, as relations."""

    def __init__(self, cluster: Cluster, rows: DataFrame, schema: pa.Schema, before: dict[str, duckdb.DuckDBPyRelation]) -> None:
        self._cluster, self._rows, self._schema, self.before = cluster, rows, schema, before

    def report(self, text: str) -> duckdb.DuckDBPyRelation:
        """The report of all events, as a relation on the driver; see `reports`."""
        return self.reports(report=text)["report"]

    @_one_line()
    def reports(self, **texts: str) -> dict[str, duckdb.DuckDBPyRelation]:
        """Several reports in one pass, by the names that they are given; texts as for one DuckDB, `[WITH …] FROM footfall.funnel(events, …)`."""
        calls = self._cluster._tried(self._schema, texts)
        return self._cluster._merged(self._mapped({}, lambda con, folder: _counted(con, calls), _SPARK_ROWS), calls)

    @_one_line()
    def map(self, text: str, tables: Mapping[str, Any] | None = None) -> DataFrame:
        """What a query gives of each partition, as a frame of Spark, made when Spark asks for it.

        tables: small tables by the names that the query has for them, such as a model in one row: of Arrow, of pandas, relations.
        """
        given = {name: pa.table(table) for name, table in (tables or {}).items()}
        with self._cluster._rehearsal(self._schema) as con:
            for name, table in given.items():
                con.register(name, table)
            relation = con.sql(f"FROM ({text.strip().rstrip(';')}\n)")
            for name, kind in zip(relation.columns, relation.types):
                if not _is_known(kind):
                    _fail(f"map: column '{name}' is {kind}, which Spark does not have; write CAST({name} AS …), for example to VARCHAR")
            # DuckDB before 2.0 takes a bare NULL for an INTEGER, and executors may have another than the driver.
            result = json.loads(re.sub('ype":"void"', 'ype":"integer"', from_arrow_schema(pa.table(relation).schema).json()))
        wanted = to_arrow_schema(schema := StructType.fromJson(result), **_UTC)
        return self._mapped(given, lambda con, folder: pa.table(con.sql(text)).cast(wanted).to_batches(_BATCH_ROWS), schema)

    def drop(self) -> None:
        """Gives back what is kept on the executors."""
        self._rows.unpersist()

    def _mapped(self, tables: dict[str, pa.Table], body: Callable[..., Any], schema: Any) -> DataFrame:
        return self._rows.where("report = ''").mapInArrow(_task(self._cluster._place, tables, _load_kept, body), schema)


def _halves(text: str, known: list[str]) -> tuple[str, str]:
    """What a partition runs of a report, and what the driver does."""
    masked = _QUOTED.sub(lambda part: (" " if part[0][0] in "-/" else "_") * len(part[0]), text)
    while masked != (masked := re.sub(r"\([^()]*\)", lambda part: "\0" * len(part[0]), masked)):
        pass
    found = _REPORT.fullmatch(masked)
    if not found or found["name"].lower() not in known:
        allowed = f"FROM footfall.R(events, …) for R {', '.join(known)}, with a WITH before it if need be; anything else by map()"
        _fail(f"'{' '.join(text.split())[:80]}' is not a bare report; allowed: {allowed}")
    name, given = found["name"].lower(), text[found.start("given") + 1 : found.end("given") - 1]
    comma = _QUOTED.sub(lambda part: "_" * len(part[0]), given + ",").find(",")
    return f"{text[: found.start('call')]}FROM footfall.partial.{name}({given})", f"FROM footfall.merged.{name}(report_parts{given[comma:]})"


def _open(extension: str, ships: bool, settings: tuple[tuple[str, str], ...]) -> tuple[Any, Any]:
    """The DuckDB of this process, and its folder. Workers live on, and LOAD takes as long as half a million events."""
    import duckdb  # The executor's, which may have none.

    if ships:
        extension = pyspark.SparkFiles.get(os.path.basename(extension))
    opened = vars(duckdb).setdefault("_footfall", {})  # Beside DuckDB's own, since our module is made anew for every task.
    if (extension, settings) not in opened:
        folder = tempfile.TemporaryDirectory(prefix="footfall-", dir=os.path.dirname(extension) if ships else None)
        try:
            con = duckdb.connect(config={"allow_unsigned_extensions": "true", "temp_directory": folder.name, **dict(settings)})
            con.execute("LOAD '{}'; SET python_enable_replacements = false".format(extension.replace("'", "''")))
        except duckdb.Error as error:
            _fail(f"DuckDB {duckdb.__version__} cannot open footfall: {str(error).splitlines()[0]}")
        opened[extension, settings] = con, folder
    return opened[extension, settings]


def _task(place: Any, tables: dict[str, pa.Table], load: Callable[..., Any], body: Callable[..., Any]) -> Callable[..., Any]:
    def task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with _one_line():
            database, spill = _open(*place)
            with tempfile.TemporaryDirectory(dir=spill.name) as folder, database.cursor() as con:
                for name, table in tables.items():
                    con.register(name, table)
                if load(con, folder, batches):
                    yield from body(con, folder)

    return task


def _load_kept(con: Any, folder: str, batches: Iterator[pa.RecordBatch]) -> Any:
    files: list[str] = []
    for batch in batches:
        for chunk, part in zip(batch.column("chunk").to_pylist(), batch.column("bytes")):
            # Some engines hand several partitions to one task, and none to another.
            if chunk == 0:
                files.append(f"{folder}/{len(files)}.parquet")
            with open(files[-1], "ab") as file:
                file.write(part.as_buffer())
    return files and con.execute(f"CREATE TEMP TABLE events AS FROM read_parquet({files})")


def _write(con: Any, sql: str, folder: str) -> str:
    path = f"{folder}/kept.parquet"
    con.execute(f"COPY ({sql.strip().rstrip(';')}\n) TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 500000)")
    return path


def _counted(con: Any, calls: dict[str, tuple[str, str]]) -> Iterator[pa.RecordBatch]:
    for name, (partial, _) in calls.items():
        table, sink = pa.table(con.sql(partial)), pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
            stream.write_table(table)
        yield pa.record_batch([[name], [0], [sink.getvalue().to_pybytes()]], _ROWS)


def _is_known(kind: Any) -> bool:
    inner = kind.children if kind.id in ("list", "struct", "map") else []
    return (kind.id in _SPARK_TYPES or kind.id == "timestamp with time zone") and all(_is_known(one) for _, one in inner)
