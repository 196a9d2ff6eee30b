"""footfall, a DuckDB extension for shop events and orders, as a package.

    import footfall
    con = footfall.connect("shop.duckdb")
    con.sql("FROM footfall.generate_events(users := 1000)").show()
    footfall.run(con, "CREATE TABLE run AS FROM footfall.train(histories, actions)")     # ends on Ctrl-C

One file serves every DuckDB from 1.4 on.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, overload

import duckdb

if sys.platform != "win32":
    import fcntl

__all__ = ["connect", "load", "path", "run"]
__version__ = version("footfall")

_PACKAGE = Path(__file__).resolve().parent
# Where DuckDB looks for what is installed and for whom it trusts; ours must look in the same places as the caller's.
_PLACES = ("home_directory", "extension_directory", "extension_directories", "extension_repository_directory")
_Result = TypeVar("_Result")


def path() -> str:
    """The file that `LOAD` takes where unsigned extensions are allowed: `LOAD '…'`."""
    return str(_PACKAGE / "footfall.duckdb_extension")


def connect(
    database: str | Path = ":memory:", read_only: bool = False, config: dict[str, Any] | None = None
) -> duckdb.DuckDBPyConnection:
    """`duckdb.connect` with the extension loaded.

    DuckDB before 2.0 knows no signatures but its own: there the connection is opened with allow_unsigned_extensions.
    """
    config = dict(config or {})
    if _is_before_2(duckdb.__version__):
        config["allow_unsigned_extensions"] = "true"
    con = duckdb.connect(str(database), read_only, config)
    try:
        load(con)
    except BaseException:
        con.close()
        raise
    return con


def load(con: duckdb.DuckDBPyConnection) -> None:
    """Load the extension into the database of a connection, for all of its connections.

    From DuckDB 2.0 on no option is needed. The file in the wheel is signed, with a key that was made when the wheel was and
    exists nowhere any more. The first call copies the file to where DuckDB installs extensions (`~/.duckdb`) and has DuckDB
    trust that key, as the repository that `duckdb_extension_repositories()` shows; nothing is set in your database.

    Raises `RuntimeError`, which says what to pass, on DuckDB before 2.0 when the connection was opened without
    allow_unsigned_extensions, and later where extension repositories are forbidden.
    """
    if _value(con, "SELECT current_setting('allow_unsigned_extensions')::BOOLEAN"):
        con.execute(f"LOAD {_quoted(path())}")
        return
    duckdb_version = _value(con, "SELECT library_version FROM pragma_version()")
    if _is_before_2(duckdb_version):
        raise RuntimeError(
            f"footfall: DuckDB {duckdb_version} loads extensions that are not its own only where told to: open the connection with"
            " duckdb.connect(…, config={'allow_unsigned_extensions': 'true'}), or with footfall.connect(…), which does so"
        )
    if _value(con, "SELECT current_setting('allow_extension_repositories')") == "forbidden":
        raise RuntimeError(
            "footfall: allow_extension_repositories is 'forbidden' in this database; it loads from the wheel's own repository where"
            " that is 'undecided' (the default) or 'allowed'"
        )
    con.execute(f"LOAD footfall FROM {_installed(con, duckdb_version)}")


@overload
def run(con: duckdb.DuckDBPyConnection, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]: ...
@overload
def run(
    con: duckdb.DuckDBPyConnection, sql: str, parameters: Any = None, *, fetch: Callable[[duckdb.DuckDBPyConnection], _Result]
) -> _Result: ...
def run(
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any = None,
    *,
    fetch: Callable[[duckdb.DuckDBPyConnection], Any] = duckdb.DuckDBPyConnection.fetchall,
) -> Any:
    """Execute statements so that Ctrl-C, and the stop button of a notebook, end them within about two seconds.

    `fetch` makes the result from the connection: `fetch=lambda con: con.df()` gives a data frame, and the rows are the
    default. An interrupted call raises `KeyboardInterrupt` once the query has let go; the connection goes on.

    DuckDB's own `execute` does not do that: on 1.5 the call ends and the query goes on, on 2.0 nothing ends. So the query
    has a thread of its own, and this one waits for it.
    """
    # DuckDB finds a data frame by its name in the frame that calls execute: the thread is given the caller's names.
    caller = sys._getframe(1)
    names = {**caller.f_locals, "__con": con, "__sql": sql, "__parameters": parameters}
    query: Future[Any] = Future()

    def work() -> None:
        if query.set_running_or_notify_cancel():
            try:
                query.set_result(fetch(eval("__con.execute(__sql, __parameters)", caller.f_globals, names)))
            except BaseException as error:
                query.set_exception(error)

    try:
        threading.Thread(target=work, name="footfall").start()
        while not query.done():
            wait([query], timeout=0.1)
    except BaseException:
        # A query that has not begun does not begin. One that is about to forgets an interrupt, so there are many.
        query.cancel()
        while not query.done():
            con.interrupt()
            wait([query], timeout=0.1)
        raise
    return query.result()


def _is_before_2(duckdb_version: str) -> bool:
    return int(duckdb_version.lstrip("v").split(".")[0]) < 2


def _value(con: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = con.execute(sql).fetchone()
    return row and row[0]


def _quoted(text: str | Path) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _installed(con: duckdb.DuckDBPyConnection, duckdb_version: str) -> str:
    """The name of the wheel's repository, from which the extension is installed.

    Done in a database of our own: the caller's may be in a transaction, or its configuration locked.
    """
    key = (_PACKAGE / "public_key.txt").read_text().strip()
    repository = "footfall_wheel_" + hashlib.sha256(key.encode()).hexdigest()[:12]
    config = {name: value for name in _PLACES if (value := _value(con, f"SELECT current_setting('{name}')"))}
    with _one_at_a_time(), duckdb.connect(config={**config, "allow_extension_repositories": "allowed"}) as own:
        try:
            own.execute(f"LOAD footfall FROM {repository}")
        except duckdb.Error:
            _install(own, repository, key, duckdb_version)
    return repository


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Keeps processes that load for the first time at once from installing into one another; not on Windows."""
    with open(_PACKAGE / "py.typed") as lock:
        if sys.platform != "win32":
            # Not every network file system knows locks.
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(own: duckdb.DuckDBPyConnection, repository: str, key: str, duckdb_version: str) -> None:
    # A repository has a folder for each version; which one runs is known only here, and the wheel's may be read-only.
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, duckdb_version, _value(own, "SELECT platform FROM pragma_platform()"))
        place.mkdir(parents=True)
        shutil.copy(path(), place)
        own.execute(f"CREATE OR REPLACE EXTENSION REPOSITORY {repository} WITH PREFIX {_quoted(folder)} USING PUBLIC KEY '{key}'")
        own.execute(f"FORCE INSTALL footfall FROM {repository}")
