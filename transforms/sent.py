"""What lies where a sender may write -> an open file and a copy of it, or the reason why not.

Promise: only a file is opened: no link, pipe or device, also when one is put into its place meanwhile; nothing is believed
of it but its bytes, and no more memory is needed for many of them.
"""

import codecs
import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from transforms import parse
from transforms.abort import reached

CHUNK = 1 << 22


class Refused(Exception):
    """A delivery cannot be taken in: a reason of outcomes.csv, and where."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def is_file(path: Path) -> bool:
    """Whether it is a file, and nothing that leads to one or acts like one: a link could lead to what is not the provider's."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


def is_linked(folder: Path) -> bool:
    """Whether a delivery lies elsewhere than it says."""
    return any(map(Path.is_symlink, (folder, folder.parent, folder.parent.parent)))


def is_open(folder: Path) -> bool:
    """Whether a delivery can be looked into."""
    return not is_linked(folder) and os.access(folder, os.R_OK | os.X_OK)


@contextlib.contextmanager
def opened(path: Path, where: str) -> Iterator[BinaryIO]:
    """A file of a sender, to be read; nothing else that has been put into its place meanwhile. Raises Refused."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise Refused("no_access", where) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOENT, errno.ENXIO):
            raise Refused("missing_file", where) from None
        raise
    with os.fdopen(handle, "rb") as reading:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Refused("missing_file", where)
        yield reading


def copy_file(reading: BinaryIO, target: Path, where: str) -> tuple[str, int, bool]:
    """Copy, hash and test for UTF-8 in one pass with bounded memory. Raises Refused at the first sign that it is no text, or
    of a line without an end."""
    digest, n_bytes, is_utf8, may_hold_nul = hashlib.sha256(), 0, True, None
    decoder = codecs.getincrementaldecoder("utf-8")()
    length = 0  # of the line that is not at its end
    reading.seek(0)
    reached("write", target)
    with open(target, "wb") as writing:
        while chunk := reading.read(CHUNK):
            if may_hold_nul is None:
                may_hold_nul = chunk.startswith(parse.UTF_16)
            if not may_hold_nul and b"\0" in chunk:
                raise Refused("binary_file", where)
            longest, length = parse.open_end(chunk, length)
            if longest > parse.LONGEST_READ:
                raise Refused("beyond_limits", f"{where}: line")
            digest.update(chunk)
            writing.write(chunk)
            n_bytes += len(chunk)
            if is_utf8 and not (chunk.isascii() and not decoder.getstate()[0]):
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    is_utf8 = False
        if is_utf8:
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                is_utf8 = False
    return digest.hexdigest(), n_bytes, is_utf8
