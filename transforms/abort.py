"""Named places before and after every step that another process, or the next one, can see: each write, rename, removal and
line of the ledger.

Promise: where nobody listens nothing happens, and nothing is made up. A test listens, and lets the power fail, the disk be
full or the process be killed there. A name says the step and the kind of thing, never whose: `renamed: results/issue`.
"""

import re
from collections.abc import Callable
from pathlib import Path

listener: Callable[[str], None] | None = None
VARYING = re.compile(r"[\w]+=.*|[0-9a-f]{32,64}|\d+")  # a provider, a period, a hash, the number of a release
ENDS = 2  # a stage and what is in it


def reached(step: str, what: Path | str) -> None:
    """Tell who listens that a step is about to be taken, or was. They may raise, or never return."""
    if listener is not None:
        listener(f"{step}: {what if isinstance(what, str) else place(what)}")


def place(path: Path) -> str:
    """The stage of a path and what it holds: bronze/pas_patient, provider/index.html, .work/release."""
    from transforms.lake import STAGES

    parts = path.absolute().parts
    starts = [at for at, part in enumerate(parts) if part in (*STAGES, "geography", ".work", "keys")]
    if not starts:
        return path.suffix or "link"
    # A workspace is named first, whatever the folders in it are called.
    at = next((at for at in reversed(starts) if parts[at] == ".work"), starts[-1])
    stage, *rest = parts[at:]
    if stage == "landing":  # every name below is the sender's
        return stage
    kept = [part for part in rest[stage in ("provider", "objections") :] if not VARYING.fullmatch(part)]
    if stage == "provider":  # the pages of a period and those of the provider have names of their own
        kept = kept[-1:] if len(rest) != 2 else ["provider.html"]
    return "/".join([stage, *(re.sub(r"-[0-9a-f]{12}|^\d+-", "", part) for part in kept)][:ENDS])
