"""standards/demo -> landing/: the deliveries of invented providers about invented people, and demo/: the truth about them.

Promise: the same seed writes the same bytes; where the landing already holds them nothing is changed; where it holds other
demo data nothing is written. Every number is of the 999 range, which is never issued; every postcode, name and provider is invented.

What is wrong in the extracts, as in real ones (share of rows where it can happen; standards/demo/faults.csv has every rate):

    missing_value           trust index 6 % (ZZ6 3 %), practice list 30 %, emergency 6 %, each of the services 6 %;
                            trust index, language 3 % (ZZ2 40 %), interpreter 3 % (ZZ3 45 %), carer 4 % (ZZ1 40 %);
                            services, where they ask for it: language 20 %, interpreter 25 %, carer 30 %
    unconfirmed_carer       trust index 8 % of carers (ZZ8 55 %)
    different_value         trust index 4 %, practice list 3 %, GP entries 3 % (both systems)
    general_value           trust index 5 %, practice list 6 %, GP entries 5 %
    group_value             of these, in practice lists and GP entries, those that name only the group
    misused_99              trust index 3 %, trust index of ZZ5 28 %, emergency 3 %, mental health 3 %, FHIR 3 %
    misused_z               trust index 3 %, trust index of ZZ6 22 %, emergency 3 %, community 3 %
    refusal                 social care 6 %, charity 6 %
    not_asked               charity 5 %
    own_words               charity 40 %
    lower_case_code         trust index 2 %
    trailing_space          trust index 2 %, practice list 1 %
    spaced_99               of these in the trust index, 99 with the space
    local_second_character  trust index 1 %, trust index of ZZ1 25 %
    local_list_code         trust index of ZZ3 30 %
    lone_9                  trust index 0.4 %
    unrecognised_value      trust index 0.6 %, practice list 0.4 %, emergency, mental health and FHIR 0.6 %,
                            social care and charity 3 %
    x_in_hes                outpatients 6 %, stays 6 %
    later_refusal           GP entries 2 %
    spreadsheet_code        GP entries 0.4 %
    unrecognised_language   trust index 0.4 %
    missing_nhs_number      trust index 4 % (ZZ4 20 %), practice list 0.5 % (both systems), mental health, community and FHIR 4 %,
                            social care 10 %, charity 60 %
    malformed_nhs_number    trust index 0.8 %, practice list 0.1 %
    placeholder_nhs_number  trust index 0.1 %
    borrowed_nhs_number     trust index 0.2 %, practice list 0.05 %
    spaced_nhs_number       trust index of ZZ4 50 %
    missing_postcode        trust index 1 %, practice list 0.2 %
    old_address             trust index 2 %, practice list 1 %
    postcode_spelling       trust index 3 %
    future_birth_date       trust index 0.08 %
    wrong_date_order        trust index of ZZ8 60 %
    unreadable_date_order   of these, what no calendar has
    future_date             trust index 0.2 %, practice list 0.1 %, GP entries 0.1 %, outpatients 0.1 %
    duplicate_key           trust index 0.2 %, outpatients 0.2 %, GP entries 0.2 %
    duplicate_registration  trust index 0.5 %
    shared_nhs_number       trust index and practice list: what comes of it and of borrowed numbers in one file
    missing_local_id        outpatients 0.3 %
    after_death             outpatients, stays, emergency, waiting list and cancer: events of people who died since
    test_record             trust index 0.1 %, practice list 0.1 %
    confidential_record     trust index 0.1 %, practice list 0.1 %, outpatients 0.1 %

of whole deliveries (standards/demo/demo.yml says which):

    corrected_delivery      the first has blanks where the second has ethnic categories
    rejected_correction     the second lacks a mandatory column: the first stays in force
    resent_delivery         the same content again
    late_delivery           an earlier period, after the next one
    hopeless_file           not text at all
    damaged_in_transfer     cut short, so that its declared hash is wrong; then sent again
    no agreement            one practice is scored and never published (standards/agreements.csv)
    encodings               Windows-1252, byte order marks, carriage returns, eight-figure dates

Besides, people differ from place to place without anybody's fault: they are asked again, move, join and leave practices,
are known to several trusts, and each trust takes its outpatient rows, stays, waits and diagnoses from what its own index holds
that month.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet as pq

from transforms import (
    demo_contacts,
    demo_hospitals,
    demo_outpatients,
    demo_pathways,
    demo_practices,
    demo_services,
    demo_systmone,
    demo_trusts,
)
from transforms.demo_deliveries import READY, Content, Made, deliver
from transforms.demo_people import BLANK_DAY, Array, Source, dates, make_people, text
from transforms.demo_records import Setting, registered
from transforms.lake import UsageError

STANDARDS = Path(__file__).resolve().parent.parent / "standards"


class OtherDemoData(UsageError):
    """The landing holds demonstration data made otherwise: nothing was written."""


def demo_data(lake_root: Path, seed: int = 2026, people: int = 60_000, standards: Path = STANDARDS) -> dict[str, Any]:
    """Write the demonstration's deliveries, postcodes and truth. Returns counts; `is_unchanged` when all was there already."""
    lake_root, source = Path(lake_root), Source(Path(standards))
    note, made_as = lake_root / "demo" / "made.json", {"invented": True, "seed": seed, "people": people}
    if note.exists():
        before = json.loads(note.read_text(encoding="utf-8"))
        if any(before[key] != value for key, value in made_as.items()):
            raise OtherDemoData(f"{note.parent} holds demo data of another seed or size. Use an empty lake.")
        if all((lake_root / name).is_file() for name in before["files"]):
            return {**before["counts"], "is_unchanged": True}
    everyone, postcodes = make_people(source, seed, people)
    setting = Setting(source, seed, everyone, periods(source.settings["first_period"], source.settings["last_period"]))
    made = Made()
    truth = make_deliveries(setting, made)
    for path, content in made.files.items():
        target = lake_root / path
        if target.exists() and target.read_bytes() != content:
            raise OtherDemoData(f"{target} is there already, with other content. Use an empty lake.")
    counts = {
        "people": people,
        "providers": len(source.providers),
        "deliveries": len(made.outcome),
        "files": sum(path.name != READY for path in made.files),
        "rows": made.n_rows,
        "faults": sum(map(len, made.faults)),
    }
    write_truth(lake_root / "demo", setting, made, truth, postcodes)
    for path, content in made.files.items():  # in each delivery _READY comes last
        target = lake_root / path
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    files = sorted(map(str, made.files))
    note.write_text(json.dumps({**made_as, "counts": counts, "files": files}, indent=1) + "\n", encoding="utf-8")
    return {**counts, "is_unchanged": False}


def periods(first: str, last: str) -> list[str]:
    """Every month from the first to the last."""
    return [str(month) for month in np.arange(np.datetime64(first, "M"), np.datetime64(last, "M") + 1)]


def make_deliveries(setting: Setting, made: Made) -> dict[str, pd.DataFrame]:
    """Every extract of every provider and period, packed into deliveries. Returns the truth: whose each local number is (record),
    who attended (appointment), who was in hospital or an emergency department, in touch with a practice, referred or refused
    (event), who waits, was told, treated or diagnosed (pathway), and what practices coded (entry)."""
    settings, providers = setting.source.settings, setting.source.providers
    registrations = registered(setting)
    systmone = demo_systmone.registered_systmone(setting, registrations)
    everywhere = pd.concat([registrations, systmone], ignore_index=True)
    current = everywhere[everywhere["left"] == BLANK_DAY].drop_duplicates("person", keep="last")
    codes = text([one["code"] for one in providers])
    practice_of = np.full(len(setting.people), settings["codes_of_systems"]["codes"]["no_practice"], dtype=object)
    practice_of[current["person"]] = codes[current["provider"]]
    records = demo_trusts.pas_records(setting, practice_of)
    tables = {
        "pas_patient": demo_trusts.pas_patients(setting, records),
        "sus_outpatient": demo_outpatients.outpatients(setting, records),
        "emis_patient": demo_practices.practice_lists(setting, registrations),
        "emis_observation": demo_practices.observations(setting, registrations),
        "tpp_patient": demo_systmone.systmone_lists(setting, systmone),
        "tpp_code": demo_systmone.systmone_codes(setting, systmone),
        "sus_admitted": demo_hospitals.admissions(setting, records),
        "ecds": demo_hospitals.attendances(setting, records),
    }
    sent = {name for one in providers for name in one["layouts"].split()}
    tables |= {name: demo_services.service_patients(setting, name) for name in demo_services.LAYOUTS if name in sent}
    waits, pathways = demo_pathways.pathways(setting, records)
    tables |= waits | {
        "emis_slot": demo_contacts.slots(setting, registrations),
        "emis_referral": demo_contacts.referrals(setting, registrations),
    }
    if "access_event" in sent:
        tables["access_event"] = demo_contacts.refusals(setting, tables["small_csv"])
    number_column = {name: setting.source.column(name, "nhs_number") for name in sent}
    truth = []
    for at, provider in enumerate(providers):
        contents = {
            name: Content(name, tables[name][tables[name]["provider"] == at], number_column[name])
            for name in provider["layouts"].split()
        }
        truth += [content.people(provider["code"]) for content in contents.values()]
        for position, period in enumerate(setting.periods):
            if period >= provider["starts_on"][:7]:
                deliver(setting, made, provider, position, contents)
    happened = tables["sus_outpatient"].query("is_final").sort_values(["provider", "ATTENDKEY"], ignore_index=True)
    kept = happened[["ATTENDKEY", "person_no", "ATTENDED"]].set_axis(
        ["appointment_id", "person_no", "attendance_code"], axis=1
    )
    on = pd.to_datetime(dates(happened["day"].to_numpy()), format="%Y-%m-%d").date
    events = [
        _happened(tables["sus_admitted"], codes, "SPELNUM", "ADMIDATE").assign(kind="admission"),
        _happened(tables["ecds"], codes, "EC_Attendance_Identifier", "Arrival_Date").assign(
            kind="emergency_attendance"
        ),
        _happened(tables["emis_slot"], codes, "SlotGuid", "AppointmentDate").assign(kind="gp_contact"),
        _happened(tables["emis_referral"], codes, "ObservationGuid", "ReferralReceivedDate").assign(kind="referral"),
    ]
    if "access_event" in sent:
        refused = _happened(tables["access_event"], codes, "Event reference", "Date of the event", form="%d/%m/%Y")
        events.append(refused.assign(kind="access_event"))
    entries = _happened(
        tables["emis_observation"], codes, "ObservationGuid", "EffectiveDate", "SnomedCTConceptId", "Value"
    )
    return {
        "record": pd.concat(truth, ignore_index=True),
        "appointment": kept.assign(provider=codes[happened["provider"]], appointment_date=on),
        "event": pd.concat(events, ignore_index=True),
        "pathway": pathways,
        "entry": entries,
    }


def _happened(frame: pd.DataFrame, codes: Array, key: str, on: str, *said: str, form: str = "%Y-%m-%d") -> pd.DataFrame:
    """Each event once: key, person_no, provider, happened_on, and what was coded."""
    once = frame.drop_duplicates(key)
    happened_on = pd.to_datetime(once[on], format=form).dt.date
    found = {
        "key": once[key],
        "person_no": once["person_no"],
        "provider": codes[once["provider"]],
        "happened_on": happened_on,
    }
    named = dict(zip(("code", "value"), (once[name] for name in said), strict=False))
    return pd.DataFrame(found | named).sort_values("key", ignore_index=True)


def write_truth(
    folder: Path, setting: Setting, made: Made, truth: dict[str, pd.DataFrame], postcodes: pd.DataFrame
) -> None:
    """The postcode directory, and who is who: for the report and the tests, never read by a stage."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "truth").mkdir(exist_ok=True, mode=0o700)
    postcodes.to_csv(folder / "postcodes.csv", index=False, lineterminator="\n")
    people = setting.people.drop(columns=["birth_day", "death_day", "old_postcode", "nhs_language"])
    people["birth_date"], people["death_date"] = (
        pd.to_datetime(dates(setting.people[name].to_numpy()), format="%Y-%m-%d").date
        for name in ("birth_day", "death_day")
    )
    for name, column in (
        ("interpreter_required", "needs_interpreter"),
        ("is_carer", "is_carer"),
        ("has_carer", "has_carer"),
    ):
        people[name] = np.where(people[column], *setting.source.settings["facts"]["codes"][name])
    people = people.drop(columns="needs_interpreter")
    faults = pd.concat(made.faults, ignore_index=True)
    faults = faults[["provider", "period", "delivery", "layout", "line", "column", "fault", "sent", "expected"]]
    tables = {**truth, "person": people, "fault": faults, "outcome": pd.DataFrame(made.outcome)}
    for name, frame in tables.items():
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / "truth" / f"{name}.parquet")
