"""The site of the current release, opened in a headless Chromium: prints for each folder its largest page, its size, and the
seconds until it can be read and used (`interactive`: all is there but pictures; `ready`: its scripts have run).

Needs a release (`make demo`) and Chromium. LAKE says where.
"""

from pathlib import Path

from tests.browser import browser
from transforms.lake import Lake

TOLD = """(() => { const told = performance.getEntriesByType('navigation')[0];
                  return [told.domInteractive, told.domContentLoadedEventEnd]; })()"""


def main() -> None:
    site = Lake.from_environment().path("current", "site").resolve()
    folders: dict[Path, list[Path]] = {}
    for path in site.rglob("*.html"):
        folders.setdefault(path.parent, []).append(path)
    if not folders:
        raise SystemExit(f"{site} has no page: publish first (make demo)")
    print(f"{'largest page':48}{'kB':>8}{'interactive':>13}{'ready':>9}")
    with browser() as page:
        for _, paths in sorted(folders.items()):
            largest = max(paths, key=lambda path: path.stat().st_size)
            page.open(largest)
            interactive, ready = page.run(TOLD)
            size = largest.stat().st_size / 1000
            print(f"{largest.relative_to(site)!s:48}{size:8,.0f}{interactive / 1000:13.2f}{ready / 1000:9.2f}")


if __name__ == "__main__":
    main()
