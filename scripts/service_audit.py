"""What is committed -> no secret in it, and a lock in which every package has its hash and its version; else an exit code of 1.

Promise: it says what it looked at and what it could not. Known weaknesses of packages are published by advisory services:
this looks none up, so it never says that there are none. `make check` runs it, without a network.

SECRETS_KNOWN holds what the scanner suspects and people have looked at: a path, and a hash of the words, not the words.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECRETS_KNOWN = ROOT / "scripts" / "secrets_known.json"
# By words such as password, by known forms of keys, not by entropy: hashes and codes of registers are no secrets.
LEFT_OUT = ("Base64HighEntropyString", "HexHighEntropyString")
LOCK = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?P<rest>(?:.*\\\n)?(?:    .*\n?)*)", re.M)


def secrets(paths: list[Path]) -> list[tuple[str, int, str, str]]:
    """What looks like a secret: path below the root, line, kind, hash. The words themselves are not returned."""
    from detect_secrets import SecretsCollection
    from detect_secrets.settings import default_settings

    found = SecretsCollection(str(ROOT))
    with default_settings() as settings:
        settings.disable_plugins(*LEFT_OUT)
        for path in paths:
            found.scan_file(str(path))
    listed = []
    for name, one in found:
        place = Path(name).resolve() if Path(name).is_absolute() else (ROOT / name).resolve()
        shown = str(place.relative_to(ROOT)) if place.is_relative_to(ROOT) else str(place)
        listed.append((shown, one.line_number, one.type, one.secret_hash))
    return sorted(listed)


def committed() -> list[Path]:
    """Every file that git has or would take, but the lock, which is hashes."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    named = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    return [ROOT / name for name in named if name and name != "requirements.lock" and (ROOT / name).is_file()]


def lock_faults(text: str) -> list[str]:
    """Packages of a lock that are not one version with a hash of every file, and lines that are no package."""
    faults, rest = [], text
    for match in LOCK.finditer(text):
        rest = rest.replace(match[0], "", 1)
        if "--hash=sha256:" not in match[0]:
            faults.append(f"{match['name']} has no hash")
    return faults + [f"not a package with one version: {line}" for line in rest.splitlines() if line.strip()]


def main() -> int:
    known = {(path, digest) for path, digests in json.loads(SECRETS_KNOWN.read_text()).items() for digest in digests}
    paths, lock = committed(), (ROOT / "requirements.lock").read_text(encoding="utf-8")
    suspected = [one for one in secrets(paths) if (one[0], one[3]) not in known]
    wrong = lock_faults(lock)
    faults = [f"{path}:{line}: {kind}" for path, line, kind, _ in suspected] + wrong
    print(f"secrets: {len(paths)} files looked at, {len(suspected)} suspected")
    print("lock: see below" if wrong else f"lock: {len(LOCK.findall(lock))} packages, each one version with hashes")
    print("advisories: NOT CHECKED; no advisory service is asked, so nothing is said of known weaknesses of packages")
    for fault in faults:
        print(fault, file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
