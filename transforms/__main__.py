"""The command line: everything that the service does, with or without Airflow.

Exit codes: 0 done, also when there was nothing to do; 1 something failed or is busy; 2 usage; 10 faults in the standard;
12 a broken contract (the last good release stays); 13 keys; 14 a full or failing disk.
"""

import argparse
import contextlib
import json
import sys
from typing import TYPE_CHECKING

from transforms.lake import Lake, UsageError
from transforms.options import parser

if TYPE_CHECKING:  # reading the standard takes a while, and `--help` does not need it
    from transforms.standard import Standard


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns its exit code."""
    from transforms.apart import ApartFault
    from transforms.audit import ContractBroken
    from transforms.backup import BackupDamaged
    from transforms.disk import disk_fault
    from transforms.engine import EngineFault
    from transforms.faults import Faults
    from transforms.keys import KeyFault
    from transforms.ledger import Busy, LedgerDamaged
    from transforms.objection_state import ObjectionsLost
    from transforms.observe import lines_only
    from transforms.receive import ReceiveCrashed
    from transforms.work import StageCrashed

    codes: dict[type[Exception], int] = {UsageError: 2, Faults: 10, ContractBroken: 12, KeyFault: 13}
    failed = (ApartFault, BackupDamaged, Busy, EngineFault, LedgerDamaged, ObjectionsLost, ReceiveCrashed, StageCrashed)
    known: tuple[type[Exception], ...] = (*codes, *failed)
    options = parser(__doc__ or "").parse_args(arguments)
    is_told_in_lines = options.command in ("run", "publish") and options.json
    try:
        with lines_only() if is_told_in_lines else contextlib.nullcontext():
            return COMMANDS[options.command](options, Lake.from_environment()) or 0
    except Exception as error:  # what is not ours to tell goes on
        fault = disk_fault(error, Lake.from_environment())
        if not fault and not isinstance(error, known):
            raise
        print(fault or error, file=sys.stderr)
        return 14 if fault else next((code for kind, code in codes.items() if isinstance(error, kind)), 1)


def status(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.lake import write_text
    from transforms.operations import operations, page, prometheus
    from transforms.standard import load
    from transforms.status import report, summary

    standard = load()
    facts = summary(standard, lake)
    if options.json:
        print(json.dumps(facts))
    elif options.prometheus:
        print(prometheus(operations(facts, standard, lake)), end="")
    elif options.page:
        write_text(options.page, page(operations(facts, standard, lake)))
        print(f"written: {options.page}")
    else:
        print(report(facts))
    return 0


def fetch(options: argparse.Namespace, lake: Lake) -> int:
    from transforms import fetch as door
    from transforms.standard import load

    print(_words(door.fetch(load(), lake)))
    return 0


def run(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.lake import Submission
    from transforms.observe import observing_arrivals
    from transforms.receive import ReceiveCrashed, receive
    from transforms.retire import retire
    from transforms.standard import load
    from transforms.withdraw import sweep
    from transforms.work import pending

    if bool(options.submission) == options.all:
        raise UsageError("say which submission to run, like ZZ1/2026-09, or --all")
    standard = load()
    wanted = str(Submission.parse(options.submission)) if options.submission else ""
    crashed = None
    try:
        with observing_arrivals(lake) as counts:
            counts |= receive(standard, lake)
    except ReceiveCrashed as fault:  # told when the others have gone through
        crashed, counts = fault, fault.counts
    print(f"receive: {_words(counts)}", flush=True)
    if any((swept := sweep(standard, lake)).values()):
        print(f"objections: {_words(swept)}", flush=True)
    if any((retired := retire(standard, lake)).values()):
        print(f"retention: {_words(retired)}", flush=True)
    names = [name for name in pending(standard, lake) if wanted in ("", name)]
    if names:
        _run_stages(names, standard, lake)
    if crashed:
        raise crashed
    if not names:
        print("nothing to do")
    return 0


def _run_stages(names: list[str], standard: "Standard", lake: Lake) -> None:
    from transforms.work import STAGES, run_chunk

    for stage in STAGES:
        print(f"{stage}: {_words(run_chunk(stage, names, standard, lake))}", flush=True)


def publish(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.follow import follow
    from transforms.publish import publish as make
    from transforms.standard import load

    standard = load()
    made = make(standard, lake)
    print(
        "nothing to do: nothing changed since the last release" if made["release"] is None else _words(made), flush=True
    )
    for stage, counts in follow(standard, lake).items():
        print(f"{stage}: {_words(counts)}", flush=True)
    return 0


def releases(options: argparse.Namespace, lake: Lake) -> int:
    from transforms import release
    from transforms.follow import follow
    from transforms.rollback import roll_back
    from transforms.standard import load

    if options.roll_back is not None:
        standard = load()
        print(_words(roll_back(standard, lake, options.roll_back)), flush=True)
        for stage, counts in follow(standard, lake).items():
            print(f"{stage}: {_words(counts)}", flush=True)
        print("nothing newer is published by itself: python -m transforms publish goes forward again")
    for number, is_pinned in ((options.pin, True), (options.unpin, False)):
        if number is not None:
            release.pin(lake, number, is_pinned)
    print(release.report(lake.prepare()))
    return 0


def take_back(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.lake import Submission
    from transforms.standard import load
    from transforms.take_back import take_back as take

    submission, standard = Submission.parse(options.submission), load()
    n_deliveries = take(lake, submission)
    print(f"{submission}: {n_deliveries} deliveries no longer count", flush=True)
    _run_stages([str(submission)], standard, lake)
    print("the next release is without them: python -m transforms publish")
    return 0


def check(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.check import check as look
    from transforms.standard import load

    print(look(options.file, load(), options.layout))
    return 0


def document(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.document import document as write
    from transforms.standard import load

    print(f"{write(load(), options.to)} pages in {options.to}")
    return 0


def demo_data(options: argparse.Namespace, lake: Lake) -> int:
    from transforms import keys
    from transforms.demo_data import demo_data as invent
    from transforms.geography import import_postcodes

    keys.initialise(lake.prepare())
    print(_words(invent(lake.root, seed=options.seed, people=options.people)))
    import_postcodes(lake.path("demo", "postcodes.csv"), lake)
    return 0


def demo_report(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.demo_report import demo_report as compare

    compare(lake)
    return 0


def keys(options: argparse.Namespace, lake: Lake) -> int:
    from transforms import keys as store
    from transforms.rotate import needed, rotate

    if options.rotate:
        print(rotate(lake, options.rotate))
        return 0
    if options.init:
        made = store.initialise(lake.prepare())
        print(f"made {', '.join(made)} in {lake.keys}: back them up, apart from the lake" if made else "nothing to do")
    for name in store.NAMES:
        print(f"{name}: {store.key_id(store.load(lake, name))}")
    for kept, reason in needed(lake).items():
        print(f"{kept}: " + (f"still needed by {reason}" if reason else "no longer needed: destroy it and its backups"))
    return 0


def objections(options: argparse.Namespace, lake: Lake) -> int:
    from transforms import certificate, national
    from transforms import objections as lists
    from transforms.standard import load
    from transforms.status import objections_report
    from transforms.withdraw import sweep

    standard = load()
    if options.export_national:
        n_numbers = national.export(standard, lake, options.export_national)
        print(
            f"{n_numbers} numbers in {options.export_national}"
            if n_numbers
            else "nothing to do: nobody is to be checked"
        )
    elif options.import_permitted:
        told = national.import_permitted(standard, lake, options.import_permitted, options.expires, options.confirm)
        print(f"{_words(told)}; delete {options.import_permitted}: what is needed of it is kept")
    elif options.certificate:
        print(certificate.certificate(lake), end="")
    else:
        sender = lists.unconfirmed(lake, options.sender) if options.confirm else ""
        print(_words(sweep(standard, lake, sender)))
        print(objections_report(standard, lake))
    return 0


def postcodes(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.geography import import_postcodes

    print(f"{import_postcodes(options.file, lake)} postcodes in the lake")
    return 0


def review(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.review import export, import_decisions
    from transforms.standard import load

    if bool(options.export) == bool(options.decided):
        raise UsageError("say --export FOLDER or --import FILE")
    if options.export:
        print(f"{export(load(), lake.prepare(), options.export)} pairs in {options.export / 'review.csv'}")
    else:
        print(_words(import_decisions(lake.prepare(), options.decided)))
    return 0


def backup(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.backup import backup as copy

    print(f"{_words(copy(lake, options.to))}: keep the keys too, apart from it")
    return 0


def restore(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.backup import restore as fill

    print(f"{_words(fill(lake, options.source))}: the rest is made again by run --all, and then publish")
    return 0


def verify(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.verify import verify as look

    print(look(lake))
    return 0


def _words(counts: dict) -> str:
    told = {name: number for name, number in counts.items() if not isinstance(number, list)}
    return ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in told.items())


ALL = (status, fetch, run, publish, releases, take_back, check, document, demo_data, demo_report, keys, objections,
       postcodes, review, backup, restore, verify)  # fmt: skip
COMMANDS = {command.__name__.replace("_", "-"): command for command in ALL}

if __name__ == "__main__":
    sys.exit(main())
