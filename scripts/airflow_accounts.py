"""A file of accounts -> who may log in to Airflow, and as what. Promise: afterwards these accounts are there and no other.

    python scripts/airflow_accounts.py FILE     make Airflow's accounts those of FILE
    python scripts/airflow_accounts.py --hash   ask for a password and print what stands for it in FILE

FILE has a line for each person, `name:role:hash`; blank lines and those that begin with # are for people. Roles:
operator reads, starts and clears; viewer reads; none may log in and see nothing, until somebody decides. Airflow's
database may be lost: the file is what counts.
"""

import getpass
import sys
from collections.abc import Iterable
from pathlib import Path

ROLES = {"operator": "Op", "viewer": "Viewer", "none": "Public"}  # as Airflow calls them
HASHES = ("scrypt:", "pbkdf2:")


class AccountFault(Exception):
    """Lines of the file that cannot be used: where, what, what to do; never a hash."""


def read(lines: Iterable[str]) -> dict[str, tuple[str, str]]:
    """name -> (role as Airflow calls it, hash). Raises AccountFault with every faulty line at once."""
    found: dict[str, tuple[str, str]] = {}
    faults = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, role, secret = [*line.strip().split(":", 2), "", ""][:3]
        if not name or name in found:
            faults.append(f"line {number}: a name, once")
        if role not in ROLES:
            faults.append(f"line {number}: the role is one of {', '.join(ROLES)}")
        if not secret.startswith(HASHES):
            faults.append(f"line {number}: no hash; python scripts/airflow_accounts.py --hash makes one")
        found[name] = (ROLES.get(role, ""), secret)
    if faults:
        raise AccountFault("\n".join(faults))
    return found


def apply(accounts: dict[str, tuple[str, str]]) -> str:
    """Make Airflow's accounts these. Returns what changed, in words."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        builder.add_permissions(update_perms=True)
        manager.sync_roles()
        there = {user.username: user for user in manager.get_all_users()}
        gone = there.keys() - accounts.keys()
        for name in gone:
            manager.session.delete(there[name])
        for name, (role, secret) in accounts.items():
            roles = [manager.find_role(role)]
            if name not in there:
                manager.add_user(name, name, "-", f"{name}@accounts.invalid", roles, hashed_password=secret)
            else:
                there[name].roles, there[name].password, there[name].active = roles, secret, True
        manager.session.commit()
    return f"{len(accounts)} accounts, {len(accounts.keys() - there.keys())} new, {len(gone)} removed"


def main(words: list[str]) -> int:
    """Returns the exit code."""
    if words == ["--hash"]:
        from werkzeug.security import generate_password_hash

        print(generate_password_hash(getpass.getpass("Password: ")))
    elif len(words) == 1 and not words[0].startswith("-"):
        from airflow.utils.providers_configuration_loader import providers_configuration_loaded

        accounts = read(Path(words[0]).read_text(encoding="utf-8").splitlines())
        providers_configuration_loaded(lambda: print(apply(accounts)))()
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except AccountFault as fault:
        print(fault, file=sys.stderr)
        sys.exit(1)
