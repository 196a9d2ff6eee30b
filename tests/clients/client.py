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
