"""Whether what is there is what was written: the ledger's chain, and the tables of the current release."""

import duckdb

from transforms import keys, ledger, release
from transforms.engine import connect
from transforms.lake import Lake, UsageError
from transforms.withdraw import numbers


def verify(lake: Lake) -> str:
    """A report. Raises LedgerDamaged at the first wrong line, UsageError when a table differs from its manifest."""
    report = [f"ledger: {ledger.verify(lake)} lines, each follows from the one before"]
    manifest = release.current_manifest(lake)
    if not manifest:
        return "\n".join([*report, "no release yet"])
    if manifest.get("engine") != f"duckdb {duckdb.__version__}":
        said = (
            f"made with {manifest.get('engine') or 'another engine'}, whose hashes may differ: publish again to compare"
        )
        return "\n".join([*report, f"release {manifest['release']}: {said}"])
    con = connect(lake)
    con.execute(f"attach '{lake.path('current')}/open/open.duckdb' as open (read_only)")
    number = int(release.current_number(lake) or 0)
    secret = keys.held(lake, "protected", release.key_of(lake, number)).hex()
    expected = dict(manifest["tables"])
    if number in numbers(lake):
        path = f"{lake.path('current')}/protected/protected.duckdb"
        con.execute(f"attach '{path}' as protected (read_only, encryption_key '{secret}')")
        expected |= release.protected_manifest(lake)["tables"]
    else:
        report.append(f"release {number}: its protected mart was withdrawn for an objection: publish again")
    wrong = [table for table, said in expected.items() if release.content_hash(con, table) != said]
    con.close()
    if wrong:
        raise UsageError(f"release {manifest['release']}: not what was published: {', '.join(wrong)}")
    return "\n".join([*report, f"release {manifest['release']}: {len(expected)} tables are what was published"])
