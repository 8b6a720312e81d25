"""review.py: borderline pairs go to reviewers; what they decide is honoured until what they judged has changed."""

import csv
import stat

import pytest

from tests import lakes
from tests.lakes import PERIOD
from tests.synthetic import deliver
from transforms import keys, ledger
from transforms.__main__ import main
from transforms.lake import UsageError
from transforms.link import link
from transforms.review import VALUES, export, import_decisions
from transforms.rotate import needed, rotate
from transforms.standard import load


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Two hospitals that know one person nearly alike, one of them without a number."""
    lakes.hasten(monkeypatch)
    monkeypatch.setenv("LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("KEYS", str(tmp_path / "keys"))
    standard, lake = load(), lakes.new_lake(tmp_path)

    def send(name: str, **changed: str) -> None:
        first: dict[str, str] = {}

        def known(layout, rows):
            if not first:
                first.update(rows[0])
            for row in rows:
                row.update({"GIVEN_NAME": "Oliver", "FAMILY_NAME": "Smith", "DATE_OF_BIRTH": "21/04/1960", "SEX": "1",
                            "POSTCODE": "ZT1 1AA", "GP_PRACTICE": "Y00001"} | changed)  # fmt: skip
            return rows

        provider = name.split()[0]
        deliver(lake.path("landing"), provider, PERIOD, {"pas_patient": 1}, name=name, edit=known)

    send("ZZ1")
    send("ZZ2", NHS_NUMBER="", POSTCODE="ZT9 9AA", DATE_OF_BIRTH="21/05/1960")
    lakes.run(standard, lake)
    link(standard, lake)
    return standard, lake, send


def listed(path):
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def decide(path, verdict: str) -> None:
    rows = listed(path)
    assert rows
    with open(path, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(row | {"decision": verdict} for row in rows)


def people(lake) -> int:
    con = lakes._connect(load(), lake)
    return con.execute(f"select count(*) from read_parquet('{lake.path('linked', 'person.parquet')}')").fetchone()[0]


def test_a_pair_between_the_thresholds_is_listed_side_by_side_for_its_reader_alone(made, tmp_path):
    standard, lake, _ = made
    assert people(lake) == 2
    assert export(standard, lake, tmp_path / "out") == 1
    target = tmp_path / "out" / "review.csv"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    [row] = listed(target)
    assert {row["birth_date_a"], row["birth_date_b"]} == {"1960-04-21", "1960-05-21"}
    assert {f"{name}_{side}" for name in VALUES for side in "ab"} <= set(row)


def test_what_is_decided_is_honoured_until_it_is_decided_otherwise(made, tmp_path):
    standard, lake, _ = made
    target = tmp_path / "review.csv"
    for verdict, together in (("together", 1), ("apart", 2), ("together", 1), ("undo", 2)):
        target.unlink(missing_ok=True)
        export(standard, lake, tmp_path)
        if not listed(target):  # it is judged: judge what was listed before
            target.write_bytes((tmp_path / "before.csv").read_bytes())
        (tmp_path / "before.csv").write_bytes(target.read_bytes())
        decide(target, verdict)
        assert main(["review", "--import", str(target)]) == 0
        assert link(standard, lake)["person"] == together, verdict
        assert export(standard, lake, tmp_path) == (verdict == "undo")
    assert [entry["together"] for entry in ledger.entries(lake) if entry["event"] == "judged"] == [1, 0, 1, 0]


def test_a_decision_about_values_that_have_changed_is_none_and_is_asked_again(made, tmp_path):
    standard, lake, send = made
    export(standard, lake, tmp_path)
    decide(tmp_path / "review.csv", "together")
    import_decisions(lake, tmp_path / "review.csv")
    assert link(standard, lake)["person"] == 1
    send("ZZ2 again", NHS_NUMBER="", POSTCODE="ZT9 9AB", DATE_OF_BIRTH="21/05/1960")
    lakes.run(standard, lake)
    assert link(standard, lake)["person"] == 2
    assert export(standard, lake, tmp_path) == 1


def test_nothing_that_was_judged_is_kept_but_keys(made, tmp_path):
    standard, lake, _ = made
    export(standard, lake, tmp_path)
    decide(tmp_path / "review.csv", "apart")
    import_decisions(lake, tmp_path / "review.csv")
    kept = lake.path("judged", "000001.parquet").read_bytes() + ledger.log_path(lake).read_bytes()
    for value in (b"Oliver", b"Smith", b"1960", b"ZT1"):
        assert value not in kept


@pytest.mark.parametrize("column", ["decision", "record_key_a", "values_key_b"])
def test_a_file_that_is_not_right_changes_nothing_and_says_no_value(made, tmp_path, column):
    standard, lake, _ = made
    export(standard, lake, tmp_path)
    decide(tmp_path / "review.csv", "together")
    rows = listed(tmp_path / "review.csv")
    with open(tmp_path / "review.csv", "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(row | {column: "Quetzaline"} for row in rows)
    with pytest.raises(UsageError, match="line 2") as refused:
        import_decisions(lake, tmp_path / "review.csv")
    assert "Quetzaline" not in str(refused.value)
    assert not list(lake.path("judged").iterdir())


def test_a_decision_outlasts_the_key_that_its_records_were_named_with(made, tmp_path):
    standard, lake, _ = made
    export(standard, lake, tmp_path)
    decide(tmp_path / "review.csv", "together")
    import_decisions(lake, tmp_path / "review.csv")
    old = keys.key_id(keys.load(lake, "pseudonym"))
    rotate(lake, "pseudonym")
    lakes.run(standard, lake)
    assert link(standard, lake)["person"] == 1
    assert needed(lake) == {f"pseudonym-{old}.key": "decisions of reviewers"}
    assert export(standard, lake, tmp_path) == 0
