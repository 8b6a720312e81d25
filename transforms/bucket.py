"""A bucket of S3-compatible storage -> the deliveries that lie in it, by their keys: <provider>/<period>/<delivery>/<file>.

Promise: no text of a key is a path before it was found to be plain names; what is not leaves its neighbours alone.

ARRIVALS_BUCKET: the bucket, or bucket/prefix. ARRIVALS_ENDPOINT: where it is, unless it is Amazon's own: https, or this
machine. Who we are there is told in boto3's own ways, of which a file is one: AWS_SHARED_CREDENTIALS_FILE names it.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from transforms.finished import READY, TAKE_BACK
from transforms.lake import UsageError

LONGEST_NAME = 255  # bytes: what a file system takes
PATIENCE = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 4, "mode": "standard"}}
HERE = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Item:
    """One object: its key, the file's name, bytes, the store's mark of its content and when it was put there."""

    key: str
    name: str
    n_bytes: int
    etag: str
    at: datetime


@dataclass(frozen=True)
class Offer:
    """What lies below one provider, period and delivery, as their names stand in keys. `n_bad`: keys that name no file."""

    place: tuple[str, ...]
    items: tuple[Item, ...]
    n_bad: int

    def item(self, name: str) -> Item | None:
        return next((item for item in self.items if item.name == name), None)

    @property
    def last(self) -> datetime:
        """When the last object was put there."""
        return max(item.at for item in self.items)

    @property
    def newer(self) -> list[Item]:
        """Objects that were put there after _READY."""
        ready = self.item(READY)
        return [item for item in self.items if ready and item.at > ready.at and not self.item(TAKE_BACK)]


@dataclass(frozen=True)
class Bucket:
    """Where to look."""

    client: Any
    name: str
    prefix: str


def bucket() -> Bucket:
    """The bucket that the environment names. Raises UsageError."""
    said, endpoint = os.environ.get("ARRIVALS_BUCKET", ""), os.environ.get("ARRIVALS_ENDPOINT", "")
    name, _, prefix = said.strip("/").partition("/")
    if not name:
        raise UsageError("ARRIVALS_BUCKET names no bucket: there is nothing to fetch from")
    address = urlsplit(endpoint)
    if endpoint and address.scheme != "https" and address.hostname not in HERE:
        raise UsageError("ARRIVALS_ENDPOINT is not encrypted: begin it with https://")
    import boto3
    from botocore.config import Config

    style = {"addressing_style": "path" if endpoint else "auto"}
    session = boto3.session.Session()
    region = session.region_name or "us-east-1"  # a signature needs one, also where the store has none
    client = session.client(
        "s3", endpoint_url=endpoint or None, region_name=region, config=Config(s3=style, **PATIENCE)
    )
    return Bucket(client, name, f"{prefix}/" if prefix else "")


def listed(source: Bucket) -> Iterator[tuple[str, int, str, datetime]]:
    """(key, bytes, etag, time) of every object, keys without the prefix."""
    pages = source.client.get_paginator("list_objects_v2").paginate(Bucket=source.name, Prefix=source.prefix)
    for page in pages:
        for one in page.get("Contents", []):
            yield one["Key"].removeprefix(source.prefix), one["Size"], one["ETag"], one["LastModified"]


def offers(objects: Iterable[tuple[str, int, str, datetime]]) -> list[Offer]:
    """Objects, by delivery; whose _READY came first is first."""
    found: dict[tuple[str, ...], list[Item]] = {}
    bad: dict[tuple[str, ...], int] = {}
    for key, n_bytes, etag, at in objects:
        parts = key.split("/")
        if (parts[-1].startswith(".") and is_plain(parts[-1][1:])) or (not parts[-1] and not n_bytes):
            continue  # a program's own, and the mark of a folder: as in landing
        is_good = len(parts) == 4 and all(map(is_plain, parts))
        place = tuple(parts[:3] if all(map(is_plain, parts[:3])) else parts[:2])
        found.setdefault(place, []).append(Item(key, parts[-1], n_bytes, etag, at))
        bad[place] = bad.get(place, 0) + (not is_good)
    made = [Offer(place, tuple(sorted(items, key=lambda i: i.key)), bad[place]) for place, items in found.items()]
    return sorted(made, key=lambda offer: ((offer.item(READY) or max(offer.items, key=lambda i: i.at)).at, offer.place))


def is_plain(name: str) -> bool:
    """Whether it can be the name of one file here and of nothing else."""
    is_path = name in ("", ".", "..") or "\\" in name or "/" in name
    return not is_path and name.isprintable() and len(name.encode()) <= LONGEST_NAME
