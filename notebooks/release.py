"""The current release in a notebook: pick a metric and a place, see the groups, the gaps, and what is hidden.

Open it with `.venv/bin/marimo edit notebooks/release.py`; as a plain script it runs through and prints nothing. LAKE names the
lake (default ./lake). Only the open area is read.
"""

import marimo

app = marimo.App(width="medium", app_title="Health equity in the Midlands")


@app.cell
def setup():
    import os
    from pathlib import Path

    import duckdb
    import marimo as mo

    lake = Path(os.environ.get("LAKE", "lake"))
    con = duckdb.connect(str(lake / "open" / "open.duckdb"), read_only=True)
    [(release, latest, notice)] = con.execute("select release, latest_period, notice from about").fetchall()
    mo.md(
        f"# Release {release}\n\nData up to {latest}. {notice} Numbers that are not shown are hidden, and never zero."
    )
    return con, mo


@app.cell
def pick_a_metric(con, mo):
    titles = con.execute(
        "select title, metric from metric where metric in (select metric from metric_value) order by title"
    ).fetchall()
    metric = mo.ui.dropdown(dict(titles), value=titles[0][0], label="Metric")
    metric  # noqa: B018  what stands last in a cell is shown
    return (metric,)


@app.cell
def pick_a_place(con, metric, mo):
    listed = con.execute(
        """select distinct coalesce(p.name, v.place) as name, v.place from metric_value as v left join place as p using (place_kind, place)
           where v.metric = ? and v.place_kind in ('region', 'icb_of_residence') order by v.place_kind desc, name""",
        [metric.value],
    ).fetchall()
    place = mo.ui.dropdown(dict(listed), value=listed[0][0], label="Place")
    place  # noqa: B018
    return (place,)


@app.cell
def groups(con, metric, mo, place):
    found = con.execute(
        """select v.breakdown, v.category, v.cell_status, v.numerator, v.denominator, v.value, v.value_low, v.value_high,
                  g.value as gap, g.is_more_than_chance
           from metric_value as v
           left join (from gap where kind_of_gap = 'absolute') as g using (metric, period, place_kind, place, breakdown, category)
           join period as p on p.period = v.period and p.grain in ('year', 'day')
           where v.metric = ? and v.place = ? and v.breakdown in ('everyone', 'ethnic_group', 'deprivation_quintile')
           qualify dense_rank() over (order by p.ends_on desc) = 1
           order by v.breakdown, v.category""",
        [metric.value, place.value],
    ).df()
    mo.ui.table(found, selection=None)
    return (found,)


@app.cell
def hidden(found, mo):
    n_hidden = int((found["cell_status"] != "shown").sum())
    mo.md(f"{n_hidden} of {len(found)} numbers of this table are hidden, because few people stand behind them.")
    return


if __name__ == "__main__":
    app.run()
