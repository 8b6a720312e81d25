"""A stage's run -> the data sets that it reads and makes, as a catalogue of lineage names them.

Promise: a name is stage/provider/period/layout, and the table where a stage has several; counts are those that Parquet's
own footers and the results of rules hold. No row is read but those of results/rule_result, which are counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from transforms import ledger, release
from transforms.arrivals import read_state
from transforms.lake import Lake, Submission

# What a stage reads and makes. Those over one submission have files of their own in each; the others read whole tables.
READS = {"ingest": ("received",), "validate": ("bronze",), "feedback": ("results",), "harmonise": ("validated",),
         "link": ("harmonised",), "publish": ("harmonised", "linked", "results"), "compare": ("results", "releases"),
         "scorecards": ("results", "compared")}  # fmt: skip
MAKES = {"ingest": ("bronze",), "validate": ("validated", "quarantine", "results"), "feedback": ("provider",),
         "harmonise": ("harmonised",), "link": ("linked",), "publish": ("releases",), "compare": ("compared",),
         "scorecards": ("provider",)}  # fmt: skip


@dataclass(frozen=True)
class Contents:
    """One data set: its name, rows and bytes where they are known, release where it has one, and what rules found in it."""

    name: str
    n_rows: int | None = None
    n_bytes: int | None = None
    n_files: int | None = None
    version: str = ""
    verdicts: tuple[dict[str, Any], ...] = field(default=(), hash=False)

    def as_input(self, namespace: str, producer: str) -> Any:
        from openlineage.client import event_v2, facet_v2

        facets: dict[str, Any] = {}
        if (self.n_rows, self.n_bytes) != (None, None):
            facets["inputStatistics"] = facet_v2.input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
                self.n_rows, self.n_bytes, self.n_files, producer=producer
            )
        return event_v2.InputDataset(namespace, self.name, facets=self._version(producer), inputFacets=facets)

    def as_output(self, namespace: str, producer: str) -> Any:
        from openlineage.client import event_v2, facet_v2

        about: dict[str, Any] = self._version(producer)
        facets: dict[str, Any] = {}
        if (self.n_rows, self.n_bytes) != (None, None):
            facets["outputStatistics"] = facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                self.n_rows, self.n_bytes, self.n_files, producer=producer
            )
        if self.verdicts:
            module = facet_v2.data_quality_assertions_dataset
            listed = [module.Assertion(row["rule"], bool(row["is_met"]), params={"checked": row["checked"], "failed": row["failed"]})
                      for row in self.verdicts]  # fmt: skip
            about["dataQualityAssertions"] = module.DataQualityAssertionsDatasetFacet(listed, producer=producer)
        return event_v2.OutputDataset(namespace, self.name, facets=about, outputFacets=facets)

    def _version(self, producer: str) -> dict[str, Any]:
        from openlineage.client import facet_v2

        module = facet_v2.dataset_version_dataset
        return {"version": module.DatasetVersionDatasetFacet(self.version, producer=producer)} if self.version else {}


def inputs(lake: Lake, stage: str, submission: Submission | None) -> list[Contents]:
    """What a stage is to read. Of what lies in landing nothing is known before it was received."""
    return [one for part in READS.get(stage, ()) for one in _listed(lake, part, submission)]


def outputs(lake: Lake, stage: str, submission: Submission | None, ledger_lines: int) -> list[Contents]:
    """What is there after a stage; of receiving, what the ledger says since that line."""
    if stage == "receive":
        entries = [entry for entry in ledger.entries(lake)[ledger_lines:] if entry["event"] == "seen"]
        return [_received(f"{e['provider']}/{e['period']}", file) for e in entries for file in e["files"]]
    return [one for part in MAKES.get(stage, ()) for one in _listed(lake, part, submission)]


def _received(submission: str, file: dict[str, Any]) -> Contents:
    return Contents(f"received/{submission}/{file['layout']}", file["n_rows"], file["n_bytes"], 1)


def _listed(lake: Lake, part: str, submission: Submission | None) -> Iterator[Contents]:
    if part == "received" and submission:
        newest = {file.layout: file for one in read_state(lake).arrivals.get(submission, []) for file in one.files}
        yield from (_received(str(submission), vars(file)) for _, file in sorted(newest.items()))
    elif part == "provider":
        yield Contents(f"provider/{submission}" if submission else "provider")
    elif part == "releases":
        yield from _release(lake)
    elif submission:
        yield from _files(lake, part, submission)
    else:
        yield from _tables(lake, part)


def _files(lake: Lake, part: str, submission: Submission) -> Iterator[Contents]:
    """The newest file of each table and layout of one submission."""
    place = f"*/provider={submission.provider}/period={submission.period}/*.parquet"
    newest = {(p.parts[-4], p.stem.partition("-")[2] or p.stem): p for p in sorted(lake.path(part).glob(place))}
    for (table, layout), path in sorted(newest.items()):
        named = f"{part}/{submission}/{layout}" + ("" if table in (layout, layout.split("-")[-1]) else f"/{table}")
        listed: list[dict[str, Any]] = []
        if (part, table) == ("results", "rule_result"):
            listed = pq.read_table(path, columns=["rule", "checked", "failed", "is_met"]).to_pylist()
        n_rows, n_bytes = pq.read_metadata(path).num_rows, path.stat().st_size
        yield Contents(named, n_rows, n_bytes, 1, verdicts=tuple(listed))


def _tables(lake: Lake, part: str) -> Iterator[Contents]:
    """Every table of a stage, its files together."""
    found: dict[str, list[Path]] = {}
    for path in sorted([*lake.path(part).glob("*.parquet"), *lake.path(part).glob("*/**/*.parquet")]):
        found.setdefault(path.relative_to(lake.path(part)).parts[0].removesuffix(".parquet"), []).append(path)
    for table, paths in sorted(found.items()):
        yield Contents(f"{part}/{table}", None, sum(path.stat().st_size for path in paths), len(paths))


def _release(lake: Lake) -> Iterator[Contents]:
    """The two areas of the release that is read. How many rows the open one has is in its manifest."""
    if number := release.current_number(lake):
        for area in ("open", "protected"):
            size = lake.path("current", area, f"{area}.duckdb").stat().st_size
            yield Contents(f"releases/{area}", None, size, 1, version=str(number))
