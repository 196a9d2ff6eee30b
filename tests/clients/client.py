"""What the client tests share."""

import os

import duckdb

EXTENSION = os.environ["FOOTFALL_EXTENSION"]
LOAD = f"LOAD '{EXTENSION}'"


def connect(database=":memory:", load=True, **options):
    """A connection that may load the unsigned binary, and has."""
    connection = duckdb.connect(str(database), config={"allow_unsigned_extensions": "true"}, **options)
    if load:
        # On a busy machine LOAD takes so long that DuckDB would draw a bar into what a program prints.
        connection.execute("SET enable_progress_bar = false")
        load_alone(connection)
    return connection


def load_alone(connection):
    """LOAD in the caller's thread: where another one works, the Python client keeps a processor busy with waiting for it."""
    try:
        n_threads = one(connection, "SELECT current_setting('threads')")
        connection.execute("SET threads = 1")
    except duckdb.Error:
        # The configuration is locked.
        connection.execute(LOAD)
        return
    try:
        connection.execute(LOAD)
    finally:
        connection.execute(f"SET threads = {n_threads}")


def one(connection, sql):
    """The single value of a query."""
    return connection.execute(sql).fetchone()[0]


def is_ours(turn):
    """Whether this DuckDB takes this turn, where long tests are dealt out to the DuckDBs of a run; FOOTFALL_EVERYTHING takes all."""
    versions = os.environ["FOOTFALL_DUCKDBS"].split(os.pathsep)
    return "FOOTFALL_EVERYTHING" in os.environ or turn % len(versions) == versions.index(os.environ["FOOTFALL_DUCKDB"])
