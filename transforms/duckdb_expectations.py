"""The small adapter that lets Great Expectations push its metrics down into DuckDB.

Promise: one SQL statement for all row rules of a file; no row enters Python. Great Expectations decides whether a rule
is met; its result objects can hold patients' values and never leave `judge`.
"""

import os

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache, partial, partialmethod
from typing import Any

import duckdb
import duckdb_engine
from sqlalchemy import types
from sqlalchemy.dialects import registry

from transforms.rules import Rule, suite


class Cursor(duckdb_engine.CursorWrapper):
    """One DuckDB cursor per statement: Great Expectations fetches after it has rolled the connection back."""

    def __init__(self, cursor: Any, connection: Any):
        super().__init__(cursor, connection)
        self._cursor = cursor

    def __del__(self) -> None:
        with contextlib.suppress(duckdb.ConnectionException):  # already closed
            self._cursor.interrupt()


class Connection(duckdb_engine.ConnectionWrapper):
    """A connection whose cursors are real cursors, on the database of the file that is judged now."""

    def cursor(self) -> Cursor:
        return Cursor(_current[0].cursor(), self)


class Dialect(duckdb_engine.Dialect):
    """duckdb-engine with what Great Expectations needs: REGEXP_MATCHES, and column types without pg_collation."""

    supports_statement_cache = True
    DremioDialect = True  # a mark that Great Expectations looks for: regular expressions search, as on pandas

    def get_columns(self, connection: Any, table_name: str, schema: str | None = None, **_: Any) -> list[dict]:
        quote = self.identifier_preparer.quote
        name = ".".join(quote(part) for part in (schema, table_name) if part)
        described = connection.exec_driver_sql(f"describe {name}")
        return [
            {"name": n, "type": getattr(types, t.split("(")[0], types.NullType)(), "nullable": True, "default": None}
            for n, t, *_ in described
        ]


registry.register("judging", __name__, "Dialect")


class ExpectationFault(Exception):
    """Great Expectations could not evaluate a rule, or counts differently from DuckDB: our fault, never the data's."""


_current: list[duckdb.DuckDBPyConnection] = []
VERDICTS_ONLY = {
    "result_format": "BOOLEAN_ONLY"
}  # results with values would hold patients' data, and cost more to make


@dataclass(frozen=True)
class Plan:
    """What Great Expectations makes of rules before it looks at a row: the same for every file of the same columns.

    To plan costs ten times what it costs to judge a small file, so files of one layout share a plan.
    """

    engine: Any
    expectations: list[Any]
    counts: list[Any]  # the metrics that verdicts are made of; all are numbers, and only they depend on rows
    parts: dict[Any, Any]  # what those are computed from: a metric and its SQL expression
    described: dict[Any, Any]


@cache
def _validator() -> Any:
    """One context and one table asset a process."""
    import great_expectations as gx

    # What it would tell of an error can hold a value; its errors become ours, without it.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_sql(
        "lake",
        connection_string="judging://",
        kwargs={"creator": lambda: Connection(duckdb.connect())},  # what the pool holds; cursors go elsewhere
    )
    whole = source.add_table_asset("shaped", table_name="shaped").add_batch_definition_whole_table("whole")
    return context.get_validator(batch_request=whole.build_batch_request())


@lru_cache(maxsize=64)
def _plan(rules: tuple[Rule, ...], names: tuple[tuple[str, str], ...], columns: tuple[tuple[str, str], ...]) -> Plan:
    """The plan of these rules for files of these columns and types."""
    from great_expectations.validator.validation_graph import ValidationGraph

    engine, calculator = _validator().execution_engine, _validator().metrics_calculator
    plan = Plan(engine, suite(rules, dict(names)).expectations, [], {}, {})
    with _described_once(plan.described):
        wanted = [one.get_validation_dependencies(engine, dict(VERDICTS_ONLY)) for one in plan.expectations]
        plan.counts.extend({m.id: m for one in wanted for m in one.get_metric_configurations()}.values())
        graph = calculator.build_metric_dependency_graph(plan.counts, dict(VERDICTS_ONLY))
        ids = {metric.id for metric in plan.counts}
        # Of the counts only the number of rows is asked for beforehand, because the expressions declare that they need it.
        edges = [edge for edge in graph.edges if edge.left.id not in ids or edge.left.metric_name == "table.row_count"]
        parts, failed = ValidationGraph(engine, edges).resolve(dict(VERDICTS_ONLY), show_progress_bars=False)
        if failed:
            raise ExpectationFault("rules could not be planned")
        plan.parts.update({name: None if name in ids else part for name, part in parts.items()})  # of no other file
    return plan


@contextlib.contextmanager
def _described_once(known: dict[Any, Any]) -> Iterator[None]:
    """While it plans and judges, what Great Expectations says of an expectation (its configuration, and the metrics that
    it needs) is remembered: left to itself it says it some seventy times a verdict, each time the same, which is most of
    what judging a small file costs. Counts that do not fit would tell if it mattered."""
    from great_expectations.expectations.expectation import ColumnMapExpectation, Expectation

    describe, depend = Expectation.configuration, ColumnMapExpectation.get_validation_dependencies

    def once(what: Any, one: Any, *more: Any, **named: Any) -> Any:
        if (what, id(one)) not in known:
            known[what, id(one)] = (one, what(one, *more, **named))  # with its expectation, so that no id is used again
        return known[what, id(one)][1]

    Expectation.configuration = property(partial(once, describe.fget))
    ColumnMapExpectation.get_validation_dependencies = partialmethod(partial(once, depend))
    try:
        yield
    finally:
        Expectation.configuration = describe
        ColumnMapExpectation.get_validation_dependencies = depend


def counted(con: duckdb.DuckDBPyConnection, column_of: dict[str, str]) -> dict[str, tuple[int, int]]:
    """Rule -> (rows where it applies, rows that break it), by its column of the view `shaped`; in one pass."""
    if not column_of:
        return {}
    # nullif leaves only what is false: half the price of a filter for each of a hundred rules.
    wanted = ", ".join(f"count({column}), count(nullif({column}, true))" for column in column_of.values())
    row = con.execute(f"select {wanted} from shaped").fetchone() or ()
    return dict(zip(column_of, zip(row[::2], row[1::2], strict=True), strict=True))


def judge(
    con: duckdb.DuckDBPyConnection,
    rules: tuple[Rule, ...],
    column_of: dict[str, str],
    counts: dict[str, tuple[int, int]],
) -> dict[str, bool]:
    """Rule -> is it met, for the view `shaped` of a connection. `counts`: rule -> (checked, failed) as DuckDB counts.

    Raises ExpectationFault when a rule was not evaluated, or when the two engines disagree on a count.
    """
    if not rules:
        return {}
    _current[:] = [con]
    verdicts = _verdicts(con, rules, column_of)
    for rule in rules:
        checked, failed = counts[rule.id]
        if verdicts[rule.id] != (checked == 0 or (checked - failed) / checked >= rule.mostly):
            raise ExpectationFault(f"rule {rule.id}: two engines count its failures differently")
    return verdicts


def _verdicts(con: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...], column_of: dict[str, str]) -> dict[str, bool]:
    """Rule -> is it met, as Great Expectations says."""
    columns = tuple((name, kind) for name, kind, *_ in con.execute("describe shaped").fetchall())
    try:
        plan = _plan(rules, tuple(sorted(column_of.items())), columns)
        with _described_once(plan.described):
            metrics = plan.engine.resolve_metrics(plan.counts, plan.parts, VERDICTS_ONLY)
            results = [one.metrics_validate(metrics, dict(VERDICTS_ONLY), plan.engine) for one in plan.expectations]
    except Exception as error:  # noqa: BLE001  whatever it is, its message can hold a value
        for rule in rules if len(rules) > 1 else ():  # one by one, so that the one at fault is named
            _verdicts(con, (rule,), column_of)
        which = f"rule {rules[0].id}" if len(rules) == 1 else f"{len(rules)} rules together"
        raise ExpectationFault(f"{which} could not be evaluated: {type(error).__name__}") from None
    found = {one.expectation_config.meta["rule"]: bool(one.success) for one in results}
    if found.keys() != {rule.id for rule in rules}:
        raise ExpectationFault(f"{len(rules)} rules in force, {len(found)} evaluated")
    return found
