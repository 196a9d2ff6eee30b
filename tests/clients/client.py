"""What the client tests share."""

import os

import duckdb

EXTENSION = os.environ["FOOTFALL_EXTENSION"]
LOAD = f"LOAD '{EXTENSION}'"


def connect(database=":memory:", load=True, **options):
    """A connection that may load the unsigned binary, and has."""
    connection = duckdb.connect(str(database), config={"allow_unsigned_extensions": "true"}, **options)
    if load:
        connection.execute(LOAD)
    return connection


def one(connection, sql):
    """The single value of a query."""
    return connection.execute(sql).fetchone()[0]


def is_ours(turn):
    """Whether this DuckDB takes this turn, where long tests are dealt out to the DuckDBs of a run; FOOTFALL_EVERYTHING takes all."""
    versions = os.environ["FOOTFALL_DUCKDBS"].split(os.pathsep)
    return "FOOTFALL_EVERYTHING" in os.environ or turn % len(versions) == versions.index(os.environ["FOOTFALL_DUCKDB"])
