"""national.py, objecting.py: the national opt-out, applied by the provider who says when, or by a check that expires."""

import dataclasses
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests import lakes
from tests.lakes import PERIOD, events
from tests.synthetic import deliver, person
from transforms import engine, keys, ledger, national, objecting, objection_state, publish
from transforms.__main__ import main
from transforms.lake import Lake, UsageError
from transforms.link import link
from transforms.objecting import CHECKED, DECLARED
from transforms.standard import Standard, load
from transforms.status import objections_report


def day(n: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=n):%Y-%m-%d}"


def with_ways(without_number: str = "kept", **ways: str) -> Standard:
    """The standard, with other ways for some providers."""
    standard = load()
    rows = [
        row | {"national_opt_out": ways.get(row["provider"], row["national_opt_out"])}
        for row in standard.tables["agreements"]
    ]
    objections = standard.settings["objections"]
    told = objections | {"national": objections["national"] | {"without_number": without_number}}
    return dataclasses.replace(
        standard, tables=standard.tables | {"agreements": rows}, settings=standard.settings | {"objections": told}
    )


STANDARD = with_ways(ZZ2=CHECKED, ZP001=DECLARED)


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    lakes.hasten(monkeypatch)


def declare(sent, on: str) -> None:
    (sent.path / "_READY").write_text(json.dumps({"opt_out_applied_on": on}))


def blank_number(layout: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    # Somebody whom nobody else knows: by their own name and birth date they would be known again.
    rows[0] |= {"NHS_NUMBER": "", "GIVEN_NAME": "Nobody", "FAMILY_NAME": "Elsewhere", "DATE_OF_BIRTH": "02/03/1933"}
    return rows


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Lake:
    """People 0 to 9 at ZZ1, 5 to 14 at ZZ2, where the first is somebody without a number, and 12 to 21 at a practice."""
    lake = lakes.new_lake(tmp_path_factory.mktemp("national"))
    with pytest.MonkeyPatch.context() as patch:
        lakes.hasten(patch)
        deliver(lake.path("landing"), "ZZ1", PERIOD, {"pas_patient": 10})
        deliver(lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 10}, first_person=5, edit=blank_number)
        deliver(lake.path("landing"), "ZP001", PERIOD, {"emis_patient": 10}, first_person=12)
        lakes.run(STANDARD, lake)
        link(STANDARD, lake)
    return lake


@pytest.fixture
def lake(first: Lake, tmp_path: Path, monkeypatch) -> Lake:
    shutil.copytree(first.root, tmp_path / "lake", symlinks=True)
    monkeypatch.setenv("LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("KEYS", str(first.keys))
    return Lake(tmp_path / "lake", first.keys)


def left_out(lake: Lake, standard: Standard = STANDARD) -> dict[str, int]:
    with engine.connect(lake) as con:
        objecting.add_linked(con, standard, lake)
        return {reason: counts["people"] for reason, counts in objecting.add_objecting(con, standard, lake).items()}


def permit(lake: Lake, *people: int, expires: str = "", confirmed: bool = False, text: str = "") -> dict:
    path = lake.root.parent / "permitted.csv"
    path.write_text(text or "".join(f"{person(one).nhs_number}\n" for one in people))
    return national.import_permitted(STANDARD, lake, path, expires or day(14), confirmed)


def test_where_the_law_does_not_ask_for_it_nobody_is_left_out(lake):
    assert left_out(lake, load()) == {}
    assert "national" not in objections_report(load(), lake)


def test_unchecked_people_are_left_out_and_whoever_has_no_number_stays(lake):
    # Of ZZ2 those of 6 to 14 have a number; of the practice, which did not declare, 12 to 21.
    assert left_out(lake) == {"national": 16}
    assert left_out(lake, with_ways("left_out", ZZ2=CHECKED, ZP001=DECLARED)) == {"national": 17}
    said = objections_report(STANDARD, lake)
    assert (
        "to be checked for 2 submissions (ZP001/2026-09, ZZ2/2026-09); there is no permitted list: their people are left out"
        in said
    )


def test_a_declared_date_is_enough(lake):
    sent = deliver(lake.path("landing"), "ZP001", PERIOD, {"emis_patient": 11}, first_person=12, name="again")
    declare(sent, "2026-09-30")
    lakes.run(STANDARD, lake)
    link(STANDARD, lake)
    assert left_out(lake) == {"national": 9}


def test_what_a_provider_whose_numbers_are_checked_declares_counts_for_nothing(lake):
    sent = deliver(
        lake.path("landing"), "ZZ2", PERIOD, {"pas_patient": 11}, first_person=5, name="again", edit=blank_number
    )
    declare(sent, "2026-09-30")
    lakes.run(STANDARD, lake)
    assert "ZZ2/2026-09" in {name for _, _, name in objecting.to_check(STANDARD, lake)}


def test_numbers_go_out_for_exactly_those_who_are_to_be_checked(lake, tmp_path):
    target = tmp_path / "out.csv"
    assert national.export(STANDARD, lake, target) == 16
    assert target.read_text().split() == sorted(person(one).nhs_number for one in range(6, 22))
    assert target.stat().st_mode & 0o777 == 0o600
    assert events(lake, "objection")[-1]["n_numbers"] == 16
    assert not list(lake.path(".work").glob("*/*"))


def test_who_objects_already_is_not_asked_about(lake, tmp_path):
    from transforms import objections

    folder = lake.path("objections", "ZL90", "a")
    folder.mkdir(parents=True)
    (folder / "who.csv").write_text(f"nhs_number\n{person(7).nhs_number}\n")
    (folder / "_READY").touch()
    objections.receive(STANDARD, lake)
    assert national.export(STANDARD, lake, tmp_path / "out.csv") == 15
    permit(lake, *range(6, 22))
    assert left_out(lake) == {"objection": 1}  # a permitted number does not outweigh it


@pytest.mark.parametrize("where", ["lake/out.csv", "there", "nowhere/out.csv"])
def test_numbers_go_to_a_new_file_outside_the_lake_only(lake, tmp_path, where):
    (tmp_path / "there").touch()
    before = len(ledger.entries(lake))
    with pytest.raises(UsageError):
        national.export(STANDARD, lake, tmp_path / where)
    assert len(ledger.entries(lake)) == before


def test_only_the_permitted_stay(lake):
    permit(lake, *range(6, 20))
    assert left_out(lake) == {"national": 2}
    assert events(lake, "objection")[-1]["n_numbers"] == 14
    kept = lake.path("objected", "permitted", "1.parquet")
    names = duckdb.sql(f"select name_key from read_parquet('{kept}')").fetchall()
    assert len(names) == 14 and not any(person(6).nhs_number in name for (name,) in names)
    permit(lake, *range(6, 19))
    assert left_out(lake) == {"national": 3}


def test_after_its_last_day_a_list_permits_nobody_and_a_release_is_due(lake, monkeypatch):
    permit(lake, *range(6, 22), expires=day(3))
    assert left_out(lake) == {}
    before = objecting.objecting_fingerprint(STANDARD, lake)
    monkeypatch.setattr(objection_state, "today", lambda: day(3))
    assert (left_out(lake), objecting.objecting_fingerprint(STANDARD, lake)) == ({}, before)
    monkeypatch.setattr(objection_state, "today", lambda: day(4))
    assert left_out(lake) == {"national": 16}
    assert objecting.objecting_fingerprint(STANDARD, lake) != before
    assert f"the permitted list ended on {day(3)}: their people are left out" in objections_report(STANDARD, lake)


@pytest.mark.parametrize("expires", ["", "soon", day(-1), day(22)])
def test_a_list_needs_a_last_day_that_is_near(lake, expires):
    path = lake.root.parent / "permitted.csv"
    path.write_text(person(6).nhs_number)
    with pytest.raises(UsageError, match="--expires"):
        national.import_permitted(STANDARD, lake, path, expires, False)


def test_a_bad_line_is_named_without_its_value_and_nothing_is_imported(lake):
    with pytest.raises(UsageError) as caught:
        permit(lake, text=f"{person(6).nhs_number}\n9990000070\nabc\n")
    assert "2 lines" in str(caught.value) and "line 2, 3" in str(caught.value)
    assert "9990000070" not in str(caught.value)
    assert objection_state.read_state(lake).permitted == {}


def test_an_empty_list_is_refused_unless_it_is_meant(lake):
    with pytest.raises(UsageError, match="--confirm"):
        permit(lake, text="nhs_number\n")
    permit(lake, text="nhs_number\n", confirmed=True)
    assert left_out(lake) == {"national": 16}


def test_a_heading_spaces_and_further_columns_are_passed_over(lake):
    number = person(6).nhs_number
    permit(
        lake,
        text=f"\ufeffNHS_NUMBER,x\r\n{number[:3]} {number[3:6]} {number[6:]},1\r\n\r\n{person(7).nhs_number},2\r\n",
    )
    assert events(lake, "objection")[-1]["n_numbers"] == 2


def test_a_list_that_was_changed_or_lost_stops_publishing(lake):
    permit(lake, 6)
    lake.path("objected", "permitted", "1.parquet").unlink()
    with pytest.raises(objection_state.ObjectionsLost, match="import the permitted list again"):
        publish.publish(STANDARD, lake)
    permit(lake, 6)
    assert left_out(lake) == {"national": 15}


def test_the_release_is_without_them(lake):
    permit(lake, *range(6, 20))
    assert publish.publish(STANDARD, lake)["people"] == 21
    assert events(lake, "published")[-1]["removed"]["national"]["people"] == 2


def test_the_commands_say_what_they_did(lake, tmp_path, capsys):
    """The shipped agreements ask for no check."""
    assert main(["objections", "--export-national", str(tmp_path / "out.csv")]) == 0
    assert "nothing to do" in capsys.readouterr().out
    (tmp_path / "in.csv").write_text(person(6).nhs_number)
    assert main(["objections", "--import-permitted", str(tmp_path / "in.csv")]) == 2
    assert main(["objections", "--import-permitted", str(tmp_path / "in.csv"), "--expires", day(5)]) == 0
    assert "permitted 1" in capsys.readouterr().out


def test_without_the_key_no_number_goes_out_or_in(lake, tmp_path, first):
    keyless = Lake(lake.root, tmp_path / "keys")
    shutil.copytree(first.keys, keyless.keys)
    (keyless.keys / "pseudonym.key").write_text("ab" * keys.LENGTH)
    before = len(ledger.entries(lake))
    with pytest.raises(keys.KeyFault):
        national.export(STANDARD, keyless, tmp_path / "out.csv")
    with pytest.raises(keys.KeyFault):
        permit(keyless, 6)
    assert not (tmp_path / "out.csv").exists()
    assert len(ledger.entries(lake)) == before
