"""The commands of the service and their options, as `--help` tells them."""

import argparse
from pathlib import Path

LAKE_HELP = "LAKE names the lake (default ./lake), KEYS the folder of keys (default ./keys)."


def parser(about: str) -> argparse.ArgumentParser:
    """Every command and its options. `about`: what stands above them."""
    whole = argparse.ArgumentParser(prog="python -m transforms", description=about, epilog=LAKE_HELP)
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, words: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=words, description=words, epilog=LAKE_HELP)

    status = add("status", "What arrived and where it is; what waits, failed or needs a person.")
    form = status.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the same for programs")
    form.add_argument("--prometheus", action="store_true", help="counts in the text form that Prometheus reads")
    form.add_argument("--page", type=Path, metavar="FILE", help="write it as a page, with what is overdue")
    add("fetch", "Copy finished deliveries from the bucket that ARRIVALS_BUCKET names into landing.")
    run = add("run", "Receive what landed and take it through ingest, validate, feedback and harmonise.")
    run.add_argument("submission", nargs="?", help="one submission, like ZZ1/2026-09")
    run.add_argument("--all", action="store_true", help="every submission with something to do")
    publish = add(
        "publish", "Link people and make a release, if anything has changed; then compare providers with their peers."
    )
    for one in (run, publish):
        one.add_argument(
            "--json", action="store_true", help="a line of JSON for each stage and submission, and no words"
        )
    releases = add("releases", "The releases that are kept; go back to one, or keep one for longer.")
    which = releases.add_mutually_exclusive_group()
    which.add_argument("--roll-back", type=int, metavar="N", help="read release N again, without who objects by now")
    which.add_argument("--pin", type=int, metavar="N", help="keep release N however old it becomes")
    which.add_argument("--unpin", type=int, metavar="N", help="no longer: it goes when its time comes")
    add("take-back", "A submission no longer counts: its provider takes it back.").add_argument(
        "submission", help="like ZZ1/2026-09; what is sent for it afterwards counts again"
    )
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
    add("backup", "Copy what cannot be made again; not the keys, which are backed up apart.").add_argument(
        "to",
        type=Path,
        metavar="FOLDER",
        help="on another, encrypted volume; one that holds a backup is brought up to date",
    )
    add("restore", "Fill an empty lake from a backup; then run --all and publish make the rest again.").add_argument(
        "source", type=Path, metavar="FOLDER", help="a backup; KEYS names its keys"
    )
    add("verify", "Check the ledger's chain and the content of the current release.")
    return whole
