"""The command line: everything that the service does, with or without Airflow.

Exit codes: 0 done, also when there was nothing to do; 2 usage; 10 faults in the standard; 12 a broken contract (the
last good release stays); 13 keys.
"""

import argparse
import json
import sys
from pathlib import Path

from transforms.lake import Lake, UsageError

LAKE_HELP = "LAKE names the lake (default ./lake), KEYS the folder of keys (default ./keys)."


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns its exit code."""
    from transforms.audit import ContractBroken
    from transforms.engine import EngineFault
    from transforms.faults import Faults
    from transforms.keys import KeyFault
    from transforms.ledger import Busy, LedgerDamaged
    from transforms.objection_state import ObjectionsLost
    from transforms.work import StageCrashed

    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.command](options, Lake.from_environment()) or 0
    except UsageError as error:
        return _say(error, 2)
    except Faults as error:
        return _say(error, 10)
    except ContractBroken as error:
        return _say(error, 12)
    except KeyFault as error:
        return _say(error, 13)
    except (Busy, EngineFault, LedgerDamaged, ObjectionsLost, StageCrashed) as error:
        return _say(error, 1)


def _say(error: Exception, code: int) -> int:
    print(error, file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """Every command and its options."""
    whole = argparse.ArgumentParser(prog="python -m transforms", description=__doc__, epilog=LAKE_HELP)
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, words: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=words, description=words, epilog=LAKE_HELP)

    add("status", "What arrived and where it is; what waits, failed or needs a person.").add_argument(
        "--json", action="store_true", help="the same for programs"
    )
    run = add("run", "Receive what landed and take it through ingest, validate, feedback and harmonise.")
    run.add_argument("submission", nargs="?", help="one submission, like ZZ1/2026-09")
    run.add_argument("--all", action="store_true", help="every submission with something to do")
    add("publish", "Link people and make a release, if anything has changed; then compare providers with their peers.")
    releases = add("releases", "The releases that are kept; go back to one, or keep one for longer.")
    one = releases.add_mutually_exclusive_group()
    one.add_argument("--roll-back", type=int, metavar="N", help="read release N again, without who objects by now")
    one.add_argument("--pin", type=int, metavar="N", help="keep release N however old it becomes")
    one.add_argument("--unpin", type=int, metavar="N", help="no longer: it goes when its time comes")
    check = add("check", "Tell what would become of a file, before it is sent.")
    check.add_argument("file", type=Path)
    check.add_argument("--layout", help="the layout it should have; found by its header when left out")
    document = add("document", "Write one plain page per code system.")
    document.add_argument("--to", type=Path, default=Path("standard-pages"), help="folder (default ./standard-pages)")
    demo = add("demo-data", "Invent a Midlands of hospital trusts and practices, with their faults and the truth.")
    demo.add_argument("--people", type=int, default=60_000, help="how many people (default 60000)")
    demo.add_argument("--seed", type=int, default=2026, help="another seed invents another Midlands (default 2026)")
    add("demo-report", "Compare what was published from the demonstration data with the truth.")
    keys = add("keys", "The two keys of this lake: whether they are there and right.")
    keys.add_argument("--init", action="store_true", help="make the keys of a new lake")
    keys.add_argument("--rotate", choices=("pseudonym", "protected"), help="replace a key, which is kept aside")
    objections = add(
        "objections", "Take in lists of people who object, delete what has had its time, and say how things are."
    )
    objections.add_argument(
        "--confirm", action="store_true", help="an empty list is meant: all its sender's objections end"
    )
    objections.add_argument("--sender", default="", help="whose empty list; left out when only one waits")
    objections.add_argument("--export-national", type=Path, metavar="FILE", help="write the NHS numbers to be checked")
    objections.add_argument(
        "--import-permitted", type=Path, metavar="FILE", help="the numbers that came back as permitted"
    )
    objections.add_argument("--expires", default="", metavar="DATE", help="the last day on which they may be used")
    objections.add_argument("--certificate", action="store_true", help="what was removed and when, naming nobody")
    postcodes = add("postcodes", "Bring a postcode directory into the lake.")
    postcodes.add_argument("file", type=Path, help="CSV with the columns postcode and lsoa21_code")
    review = add(
        "review", "Pairs of records that may be one person: list them for reviewers, take in what they decided."
    )
    review.add_argument("--export", type=Path, metavar="FOLDER", help="write review.csv there, for your eyes alone")
    review.add_argument(
        "--import", type=Path, metavar="FILE", dest="decided", help="a review.csv with decisions: together, apart, undo"
    )
    add("verify", "Check the ledger's chain and the content of the current release.")
    return whole


def status(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.standard import load
    from transforms.status import report, summary

    facts = summary(load(), lake)
    print(json.dumps(facts) if options.json else report(facts))
    return 0


def run(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.lake import Submission
    from transforms.receive import receive
    from transforms.standard import load
    from transforms.withdraw import sweep
    from transforms.work import STAGES, pending, run_chunk

    if bool(options.submission) == options.all:
        raise UsageError("say which submission to run, like ZZ1/2026-09, or --all")
    standard = load()
    wanted = str(Submission.parse(options.submission)) if options.submission else ""
    print(f"receive: {_words(receive(standard, lake))}", flush=True)
    if any((swept := sweep(standard, lake)).values()):
        print(f"objections: {_words(swept)}", flush=True)
    names = [name for name in pending(standard, lake) if wanted in ("", name)]
    if not names:
        print("nothing to do")
        return 0
    for stage in STAGES:
        print(f"{stage}: {_words(run_chunk(stage, names, standard, lake))}", flush=True)
    return 0


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


def verify(options: argparse.Namespace, lake: Lake) -> int:
    from transforms.verify import verify as look

    print(look(lake))
    return 0


def _words(counts: dict) -> str:
    told = {name: number for name, number in counts.items() if not isinstance(number, list)}
    return ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in told.items())


COMMANDS = {
    "status": status,
    "run": run,
    "publish": publish,
    "releases": releases,
    "check": check,
    "document": document,
    "demo-data": demo_data,
    "demo-report": demo_report,
    "keys": keys,
    "objections": objections,
    "postcodes": postcodes,
    "review": review,
    "verify": verify,
}

if __name__ == "__main__":
    sys.exit(main())
