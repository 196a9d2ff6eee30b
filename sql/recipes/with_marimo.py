"""Reports in marimo, whose cells run again when what they read changes.

    pip install footfall marimo
    marimo edit sql/recipes/with_marimo.py
"""

import marimo

app = marimo.App()


@app.cell
def connect():
    import footfall
    import marimo as mo

    con = footfall.connect()
    con.execute("CREATE TABLE events AS FROM footfall.generate_events(users := 200, seed := 42)")
    return con, mo


@app.cell
def choose(mo):
    last = mo.ui.dropdown(["cart", "fav", "buy"], value="buy", label="the last step")
    last
    return (last,)


@app.cell
def funnel(con, last):
    con.execute("CREATE OR REPLACE TABLE steps AS FROM footfall.funnel(events, user_id, action, ts, steps := ['pv', ?])", [last.value])
    steps = con.execute("SELECT action, users FROM steps ORDER BY step ASC").fetchall()
    return (steps,)


@app.cell
def show(con, mo, steps):
    [(svg,)] = con.execute("SELECT chart_svg(chart) FROM footfall.funnel_chart(steps)").fetchall()
    mo.vstack([mo.ui.table([{"action": action, "users": users} for action, users in steps]), mo.Html(svg)])
    return (svg,)


if __name__ == "__main__":
    app.run()
