"""Reports and predictions through SQLAlchemy.

    pip install footfall duckdb-engine
    python sql/recipes/with_sqlalchemy.py [DATABASE]

Each connection of the pool loads the extension. Named arguments (`users := 200`) are no parameters of SQLAlchemy's, whose names follow the colon at once;
a model is bound like any other value.
"""

import sys

import footfall
import sqlalchemy
from sqlalchemy import text


def engine(database=":memory:"):
    made = sqlalchemy.create_engine(f"duckdb:///{database}", connect_args={"config": {"allow_unsigned_extensions": "true"}})
    sqlalchemy.event.listen(made, "connect", lambda connection, _: connection.execute(f"LOAD '{footfall.path()}'"))
    return made


def main(database=":memory:"):
    with engine(database).begin() as connection:
        connection.execute(text("CREATE OR REPLACE TABLE events AS FROM footfall.generate_events(users := 200, seed := 42)"))
        funnel = connection.execute(text("SELECT step, users FROM footfall.funnel(events, user_id, action, ts, steps := :steps)"), {"steps": ["pv", "cart", "buy"]}).all()
        connection.execute(text("CREATE OR REPLACE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts)"))
        connection.execute(text("CREATE OR REPLACE TABLE run AS FROM footfall.train(histories, actions, epochs := 1, hidden := 8, user_id := user_id)"))
        model = connection.execute(text("FROM footfall.best_model(run)")).scalar_one()
        told = connection.execute(
            text("SELECT action, probability FROM (SELECT unnest(predict_next(CAST(:model AS BLOB), :actions)))"), {"model": model, "actions": ["pv", "cart"]}
        ).one()
    return funnel, told


if __name__ == "__main__":
    for rows in main(*sys.argv[1:]):
        print(rows)
