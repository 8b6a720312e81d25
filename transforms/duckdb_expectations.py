"""The small adapter that lets Great Expectations push its metrics down into DuckDB.

Promise: one SQL statement for all row rules of a file; no row enters Python. Great Expectations decides whether a rule
is met; its result objects can hold patients' values and never leave `judge`.
"""

import os

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import contextlib
import logging
from collections.abc import Iterator
from functools import cache
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


@cache
def _batch_definition() -> Any:
    """One context and one table asset a process: making them costs more than judging a small file."""
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_sql(
        "lake",
        connection_string="judging://",
        kwargs={"creator": lambda: Connection(duckdb.connect())},  # what the pool holds; cursors go elsewhere
    )
    return source.add_table_asset("shaped", table_name="shaped").add_batch_definition_whole_table("whole")


@cache
def _suite(rules: tuple[Rule, ...], names: tuple[tuple[str, str], ...]) -> Any:
    return suite(rules, dict(names))


@contextlib.contextmanager
def _configured_once() -> Iterator[None]:
    """While a file is judged, an expectation is described once: left to itself Great Expectations describes each one some
    seventy times, which is a third of what judging a small file costs. The counts below would tell if it mattered."""
    from great_expectations.expectations.expectation import Expectation

    describe, known = Expectation.configuration, {}

    def configuration(self: Any) -> Any:
        if id(self) not in known:
            known[id(self)] = (self, describe.fget(self))  # kept with its expectation, so that no id is used again
        return known[id(self)][1]

    Expectation.configuration = property(configuration)
    try:
        yield
    finally:
        Expectation.configuration = describe


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
    batch = _batch_definition().get_batch()
    names = tuple(sorted(column_of.items()))
    # Verdicts only: result objects with values would hold patients' data, and take twice as long to make.
    with _configured_once():
        result = batch.validate(_suite(rules, names), result_format="BOOLEAN_ONLY")
    mostly = {rule.id: rule.mostly for rule in rules}
    verdicts = {}
    for one in result.results:
        rule = one.expectation_config.meta["rule"]
        if one.exception_info.get("raised_exception", True):
            raise ExpectationFault(f"rule {rule} could not be evaluated")
        checked, failed = counts[rule]
        verdicts[rule] = bool(one.success)
        if verdicts[rule] != (checked == 0 or (checked - failed) / checked >= mostly[rule]):
            raise ExpectationFault(f"rule {rule}: two engines count its failures differently")
    if len(verdicts) != len(rules):
        raise ExpectationFault(f"{len(rules)} rules in force, {len(verdicts)} evaluated")
    return verdicts
