"""A disk that is full or fails -> one message that says which, and what to do.

Promise: it is no fault of a submission, so that none is blamed and none waits for its retry; as soon as there is room,
running again goes on where it was, since what is half written is nowhere read.
"""

import errno
import shutil

import duckdb

from transforms.lake import Lake

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BROKEN = (errno.EIO, errno.EROFS)
# The engine tells no number, only the operating system's words; and of what it cannot lay aside any more, a limit of its
# own, which is what the disk has left.
WORDS = {"No space left on device": errno.ENOSPC, "Disk quota exceeded": errno.EDQUOT, "File too large": errno.EFBIG,
         "Input/output error": errno.EIO, "Read-only file system": errno.EROFS, "max_temp_directory_size": errno.ENOSPC}  # fmt: skip
TO_DO = {
    True: "has no room left ({free:.1f} GB free): make room, or give it a larger volume, and run the same again",
    False: "could not be written: look after its disk ({why}), and run the same again",
}


class DiskFault(Exception):
    """The lake cannot be written to. The command line ends with code 14."""


def number_of(error: BaseException) -> int | None:
    """Which fault of a disk an error tells of, if any."""
    if isinstance(error, OSError):
        return error.errno if error.errno in (*FULL, *BROKEN) else None
    if isinstance(error, duckdb.Error):
        return next((number for words, number in WORDS.items() if words in str(error)), None)
    return None


def stop_if_full(error: BaseException, lake: Lake) -> None:
    """Where one submission's trouble must not stop its neighbours: a full disk stops them all. Raises DiskFault."""
    if fault := disk_fault(error, lake):
        raise fault from None


def disk_fault(error: BaseException, lake: Lake) -> DiskFault | None:
    """The message for whoever runs the service, when an error is a fault of the disk. It repeats nothing of the error."""
    chain = []
    while error is not None and error not in chain:
        chain.append(error)
        if isinstance(error, DiskFault):
            return error
        if number := number_of(error):
            free = shutil.disk_usage(lake.root).free / 1e9 if lake.root.exists() else 0.0
            told = TO_DO[number in FULL].format(free=free, why=errno.errorcode[number])
            return DiskFault(f"the lake in {lake.root} {told}. What was half written counts nowhere, nothing is lost.")
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return None
