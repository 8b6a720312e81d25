"""A bucket -> landing: finished deliveries are copied at the door, so that the lake stays one file system.

Promise: a delivery appears in landing whole or not at all, once for each _READY that is put; what cannot be taken has an
outcome in the ledger and blocks nobody; the bucket is only read. A copy goes from landing once it was dealt with.

As in landing, a delivery is finished when nothing in it is newer than its _READY, or the hashes in that agree.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any

from transforms import ledger
from transforms.abort import reached
from transforms.arrivals import read_state
from transforms.bucket import Bucket, Item, Offer, bucket, listed, offers
from transforms.disk import number_of
from transforms.finished import QUIET, READY, TAKE_BACK, drop_id, is_known, is_over
from transforms.lake import Lake, discard, fsync, rename
from transforms.observe import observed
from transforms.receive import ReceiveCrashed, manifest_of, repeatable, submission_of
from transforms.sent import CHUNK, Refused
from transforms.standard import Standard

FETCHED = "fetched"


class FetchFailed(ReceiveCrashed):
    """Some deliveries, or the bucket, could not be read; they are tried again the next time. Names no key."""


class Changed(Exception):
    """An object is no longer the one that was listed, or not yet the one that _READY vouches for."""


@observed("fetch")
def fetch(standard: Standard, lake: Lake) -> dict[str, int]:
    """Copy every finished delivery that was not copied yet. Returns how many were fetched, rejected, and are not finished.
    Raises UsageError when no bucket is named, FetchFailed when all were looked at, and what a full disk says at once."""
    from botocore.exceptions import BotoCoreError, ClientError

    lake.prepare().tidy()
    source, counts, failed = bucket(), {"fetched": 0, "rejected": 0, "unfinished": 0}, []
    with ledger.lock(lake, "fetch", wait=True):
        _tidy(lake)
        told = {entry["fetch_id"] for entry in ledger.entries(lake) if "fetch_id" in entry}
        try:
            found = offers(listed(source))
        except (BotoCoreError, ClientError) as error:
            raise FetchFailed([f"the bucket cannot be listed: {_kind(error)}"], counts) from None
        for offer in found:
            if (identity := _identity(source, offer)) in told:
                continue
            try:
                counts[_one(standard, lake, source, offer, identity)] += 1
            except Changed:
                counts["unfinished"] += 1
            except (OSError, BotoCoreError, ClientError) as error:  # one delivery must not stop the others
                if number_of(error):  # but a full disk stops them all
                    raise
                failed.append(_kind(error))
    if failed:
        raise FetchFailed(failed, counts)
    return counts


def _kind(error: Exception) -> str:
    """What went wrong, without the words: they repeat keys, which are the sender's."""
    code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
    return type(error).__name__ + (f" {code}" if re.fullmatch(r"\w+", str(code)) else "")


def _identity(source: Bucket, offer: Offer) -> str:
    """What a delivery in a bucket is now: its place, its objects, and when its _READY was put."""
    ready = offer.item(READY)
    listing = sorted((item.key, item.n_bytes, item.etag) for item in offer.items)
    said = [source.name, source.prefix, offer.place, listing, ready.at.isoformat() if ready else ""]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


def _one(standard: Standard, lake: Lake, source: Bucket, offer: Offer, identity: str) -> str:
    """Fetch one, or refuse it. Returns what became of it."""
    provider, period = (*offer.place[:2], "")[:2]
    provider, is_abandoned = provider.upper(), is_over(offer.last.timestamp())
    is_finished = bool(offer.item(READY) or offer.item(TAKE_BACK))
    try:
        if offer.n_bad:
            raise Refused("object_name", f"{offer.n_bad} of {len(offer.items)} objects")
        if not is_finished and not is_abandoned:
            return "unfinished"
        submission_of(standard, provider, period)
        if not is_finished:
            raise Refused("not_ready")
        if offer.newer and time.time() - offer.last.timestamp() < QUIET:
            return "unfinished"
        _copy(lake, source, offer, lake.path("landing", provider, period, identity))
    except Refused as refused:
        if refused.reason == "ready_is_older" and not is_abandoned:
            return "unfinished"
        named, period = repeatable(standard, provider, period)
        about = {"provider": named, "period": period, "reason": refused.reason, "detail": refused.detail}
        ledger.append(lake, "rejected", drop_id=identity, fetch_id=identity, **about)
        return "rejected"
    facts = {"n_objects": len(offer.items), "n_bytes": sum(item.n_bytes for item in offer.items)}
    ledger.append(lake, FETCHED, fetch_id=identity, submission=f"{provider}/{period}", **facts)
    return "fetched"


def _copy(lake: Lake, source: Bucket, offer: Offer, target: Path) -> None:
    """All or nothing. Raises Changed, and Refused("ready_is_older")."""
    if target.exists():  # a crash came before its line in the ledger
        return
    newer = {item.name for item in offer.newer}
    with lake.workspace() as work:
        folder = work / "delivery"
        folder.mkdir(mode=0o700)
        said: dict[str, Any] = {}
        for item in sorted(offer.items, key=lambda item: item.name not in (READY, TAKE_BACK)):
            digest = _download(source, item, folder / item.name)
            if item.name == READY and newer:
                said = _hashes(folder)
                if not newer <= said.keys():
                    raise Refused("ready_is_older")
            if item.name in newer and digest != said[item.name]:
                raise Refused("ready_is_older")
        for name in (READY, TAKE_BACK):
            with contextlib.suppress(FileNotFoundError):
                os.utime(folder / name)  # the last to be changed: it vouches for the others
        fsync(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        rename(folder, target)
        fsync(target.parent)


def _hashes(folder: Path) -> dict[str, str]:
    """File name -> SHA-256, where _READY says one."""
    try:
        listed = manifest_of(folder).get("files", [])
    except Refused:
        return {}
    return {one["name"]: str(one["sha256"]).lower() for one in listed if one["sha256"]}


def _download(source: Bucket, item: Item, target: Path) -> str:
    """One object, the one that was listed, with bounded memory. Returns its SHA-256. Raises Changed."""
    from botocore.exceptions import ClientError

    try:
        got = source.client.get_object(Bucket=source.name, Key=source.prefix + item.key, IfMatch=item.etag)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (404, 412):  # it is gone, or another
            raise Changed from None
        raise
    digest, n_bytes = hashlib.sha256(), 0
    reached("write", target)
    with open(target, "xb") as writing:
        for chunk in got["Body"].iter_chunks(CHUNK):
            digest.update(chunk)
            n_bytes += len(chunk)
            if n_bytes > item.n_bytes:
                break
            writing.write(chunk)
    if n_bytes != item.n_bytes:
        raise Changed
    fsync(target)
    return digest.hexdigest()


def _tidy(lake: Lake) -> None:
    """Take our own copies out of landing that were dealt with: whole, since half of one would be another delivery."""
    known = read_state(lake).drops
    for entry in ledger.entries(lake):
        if entry["event"] == FETCHED:
            folder = lake.path("landing", *entry["submission"].split("/"), entry["fetch_id"])
            if folder.is_dir() and is_known(folder, drop_id(folder), known):
                discard(lake, folder)
