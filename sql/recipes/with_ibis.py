"""Reports and predictions as expressions of Ibis.

    pip install footfall "ibis-framework[duckdb]"
    python sql/recipes/with_ibis.py [DATABASE]

A macro that gives rows is a table of `con.sql`, which goes on as any expression; a function is declared once with `ibis.udf.scalar.builtin`. Nothing runs
until the rows are asked for, in one query of DuckDB.
"""

import sys

import footfall
import ibis


@ibis.udf.scalar.builtin(signature=(("binary", "array<string>"), "struct<action: string, probability: float32, probabilities: map<string, float32>>"))
def predict_next(model, actions):
    """The function of this name in the database."""


def main(database=":memory:"):
    con = ibis.duckdb.from_connection(footfall.connect(database))
    con.raw_sql("CREATE OR REPLACE TABLE events AS FROM footfall.generate_events(users := 200, seed := 42)")
    purchases = con.table("events").filter(ibis._.action == "buy")
    con.create_view("orders", purchases, overwrite=True)
    customers = con.sql("FROM footfall.rfm(orders, user_id, ts)")
    often = customers.filter(ibis._.frequency > 1).group_by("f").agg(customers=ibis._.count()).order_by("f")

    con.raw_sql("CREATE OR REPLACE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts)")
    con.raw_sql("CREATE OR REPLACE TABLE run AS FROM footfall.train(histories, actions, epochs := 1, hidden := 8, user_id := user_id)")
    told = con.table("histories").cross_join(con.sql("FROM footfall.best_model(run)"))
    told = told.mutate(next=predict_next(told.model, told.actions))
    likely = told.select("user_id", action=told.next.action, probability=told.next.probability).order_by("user_id").limit(3)
    return often.to_pyarrow(), likely.to_pyarrow()


if __name__ == "__main__":
    for rows in main(*sys.argv[1:]):
        print(rows.to_pylist())
