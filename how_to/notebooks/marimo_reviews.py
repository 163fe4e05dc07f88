"""A marimo notebook: a registered connection, and one that plans whole statements.

A simulator answers where OPENROUTER_API_KEY is not set. `marimo edit marimo_reviews.py`, or `python marimo_reviews.py`.
"""

import marimo

app = marimo.App()


@app.cell
def _():
    import os

    import duckdb
    import marimo as mo
    import polars as pl

    import duck_or

    simulated = "sk-or-v1-simulated"
    if (os.environ.get("OPENROUTER_API_KEY") or simulated) == simulated:
        from duck_or.simulator import Simulator

        simulator = Simulator().start()
        os.environ.update(
            OPENROUTER_API_KEY=simulated,
            OPENROUTER_BASE_URL=simulator.base_url,
            OPENROUTER_MODEL="fake/model",
            DUCK_OR_CACHE="none",
        )

    con = duckdb.connect()
    session = duck_or.register(con)
    planned = duck_or.connect()
    return con, mo, pl, planned, session


@app.cell
def _(pl):
    reviews = pl.DataFrame(
        {"id": [1, 2], "review": ["Boils quickly: praise.", "The lid broke: a complaint."]}
    )
    return (reviews,)


@app.cell
def _(con, mo, reviews):
    kinds = mo.sql(
        "SELECT id, classify(review, labels := ['praise', 'complaint']) AS kind FROM reviews ORDER BY id",
        engine=con,
    )
    print(kinds.rows())
    return (kinds,)


@app.cell
def _(kinds, mo, planned):
    planned.execute("CREATE OR REPLACE TABLE found AS FROM kinds")  # mo.sql shows it no data frames
    counted = mo.sql(
        "SELECT kind, count(*) AS n, any_value(prompt('What is ' || kind)) IS NOT NULL AS told FROM found "
        "GROUP BY kind ORDER BY kind",
        engine=planned,
    )
    print(counted.rows())
    return


@app.cell
def _(planned):
    planned.sql("SELECT i, prompt('number ' || i) AS said FROM range(100) t(i)")
    return


@app.cell
def _(session):
    session.stats()
    return


if __name__ == "__main__":
    app.run()
