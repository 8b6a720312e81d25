"""A built release -> site/: an index page that leads to what there is, providers side by side, and the standard's pages.

Promise: what is missing stands as prominently as what is there; every number on it is in the open area already.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import duckdb

from transforms.analysts import analysts, columns_of
from transforms.changes import MOST_LABELS
from transforms.community import communities
from transforms.document import document, sayer
from transforms.engine import characteristics, rows_of
from transforms.explore import explore
from transforms.export import SCHEMA_FILE
from transforms.lake import write_text
from transforms.regional import regional
from transforms.render import render
from transforms.scorecard import not_collected
from transforms.standard import Standard

Facts = dict[str, Any]
NO_CHANGES: Facts = {"since_release": None, "moved": []}
READ = {
    "metric",
    "metric_value",
    "gap",
    "trend",
    "signal",
    "period",
    "place",
    "label",
    "impact",
}  # by the pages of metrics
ABOUT = "about"  # the open table that says only which release this is


def site(
    standard: Standard,
    release_folder: Path,
    facts: Facts,
    same_pages: Path | None = None,
    protected: list[Facts] | None = None,
) -> int:
    """Write site/ of a release whose open area is built; `facts` are its release.json.

    `same_pages`: the standard's pages of another release, which would be the same in this one. `protected`: what the tables of
    the protected mart are made of (analysts.columns_of). Returns the number of pages.
    """
    open_folder = Path(release_folder) / "open"
    about = {
        "release": facts.get("release"),
        "latest_period": str(facts.get("latest_period") or ""),
        "is_invented": bool(facts.get("is_invented")),
        "standard_version": standard.version,
    }
    tables, n_hidden, shown, compared, catalogue = _read_open(open_folder, standard, str(about["latest_period"]))
    changes = facts.get("changes") or NO_CHANGES
    text = render(
        "site.html",
        **about,
        made_on=str(facts.get("made_at", ""))[:10],
        disclosure=facts.get("disclosure") or standard.settings["disclosure"],
        tables=tables,
        n_hidden=n_hidden,
        changes=changes,
        moved=[
            row | {key: in_words(standard, row["characteristic"], row[key]) for key in ("was", "becomes")}
            for row in changes["moved"]
        ],
        most_labels=MOST_LABELS,
        sensitive=[row["characteristic"] for row in characteristics(standard) if row["suppression"] == "sensitive"],
        metrics=catalogue,
        has_pages={table["name"] for table in tables} >= READ,
        systems=list(dict.fromkeys(row["system"] for row in standard.codes)),
        **missing(standard, shown),
    )
    write_text(Path(release_folder) / "site" / "index.html", text)
    titles = {name: layout["title"] for name, layout in standard.layouts.items()}
    beside = render("providers.html", **about | compared, titles=titles)
    write_text(Path(release_folder) / "site" / "providers.html", beside)
    pages = Path(release_folder) / "site" / "standard"
    if same_pages is None:
        n_pages = document(standard, pages)
    else:
        shutil.copytree(same_pages, pages, copy_function=os.link)  # a finished release is never written to
        n_pages = len(list(pages.rglob("*.html")))
    write_text(pages / SCHEMA_FILE.name, SCHEMA_FILE.read_text(encoding="utf-8"))
    return (
        2 + n_pages + _write_marts(standard, open_folder, Path(release_folder) / "site", about, facts, protected or [])
    )


def _write_marts(
    standard: Standard, open_folder: Path, folder: Path, about: Facts, facts: Facts, protected: list[Facts]
) -> int:
    """The pages of metrics and communities, and those for analysts. Returns how many."""
    with duckdb.connect(str(open_folder / "open.duckdb"), read_only=True) as con:
        there = {row[0] for row in con.execute("select table_name from duckdb_tables()").fetchall()}
        disclosure = facts.get("disclosure") or standard.settings["disclosure"]
        n_pages = analysts(folder, about, {"open": columns_of(con, "open"), "protected": protected}, disclosure)
        if there >= READ:
            n_pages += explore(con, standard, folder, about) + communities(con, standard, folder, about)
    return n_pages


def in_words(standard: Standard, characteristic: str, said: str) -> str:
    """A code with its detail, or a status with its reason, as a reader calls it."""
    system = standard.characteristics()[characteristic]
    rows = [row for row in standard.codes if row["system"] == system]
    labels = {row["code"]: row["label"] for row in rows if row["kind"] not in ("absence", "detail")}
    details = {row["code"]: row["label"] for row in rows if row["kind"] == "detail"}
    code, _, detail = said.partition(" + ")
    if code in labels:
        return f"“{labels[code]}”" + (f" ({details.get(detail, detail)})" if detail else "")
    status, _, reason = said.partition(": ")
    words = sayer(standard)(reason)
    return status.replace("_", " ") + (f" ({words[:1].lower()}{words[1:].rstrip('.')})" if words else "")


def missing(standard: Standard, shown: set[str]) -> Facts:
    """What a reader might look for and not find: providers that are silent or held back, items that a feed has not."""
    agreed = {row["provider"] for row in standard.tables["agreements"]}
    return {
        "silent": [row for row in standard.tables["providers"] if row["code"] in agreed and row["code"] not in shown],
        "no_agreement": [row for row in standard.tables["providers"] if row["code"] not in agreed],
        "proposed": sum(row.get("status") == "proposed" for row in standard.codes),
        "not_collected": [
            {"title": layout["title"], "layout": layout.name, "topics": not_collected([layout], standard)}
            for layout in standard.layouts.values()
        ],
    }


def _read_open(folder: Path, standard: Standard, latest: str) -> tuple[list[Facts], int, set[str], Facts, list[Facts]]:
    """The open tables with what their comments say, how many cells are hidden, which providers are in them, how these
    compare, and the metrics."""
    con = duckdb.connect(str(folder / "open.duckdb"), read_only=True)
    try:
        found = con.execute("select table_name, comment from duckdb_tables() order by table_name").fetchall()
        tables = [_table(con, folder, name, comment or "") for name, comment in found if name != ABOUT]
        status = "select table_name from duckdb_columns() where column_name = 'cell_status'"
        with_status = [row[0] for row in con.execute(status).fetchall()]
        hidden = sum(
            con.execute(f"""select count(*) from "{name}" where cell_status <> 'shown'""").fetchone()[0]
            for name in with_status
        )
        scored = any(table["name"] == "rule_score" for table in tables)
        shown = (
            {row[0] for row in con.execute("select distinct provider from rule_score").fetchall()} if scored else set()
        )
        catalogue = (
            rows_of(con, "from metric order by status, title")
            if any(table["name"] == "metric" for table in tables)
            else []
        )
        return tables, hidden, shown, regional(con, standard, latest), catalogue
    finally:
        con.close()


def _table(con: duckdb.DuckDBPyConnection, folder: Path, name: str, comment: str) -> Facts:
    n_rows = con.execute(f'select count(*) from "{name}"').fetchone()[0]
    files = [f"{name}.{kind}" for kind in ("parquet", "csv") if (folder / f"{name}.{kind}").exists()]
    return {"name": name, "comment": comment, "n_rows": n_rows, "files": files}
