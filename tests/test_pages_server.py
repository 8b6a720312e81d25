"""The pages behind their proxy, as docker-compose.yml starts them: whoever logs in sees their own area, and no trick more."""

import base64
import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.composed import Stack, make_certificate, make_secrets, missing, open_folder, stack, write_secret
from transforms.lake import Lake, point

pytestmark = pytest.mark.skipif(
    bool(missing("nginx", "curl", "openssl")), reason="nginx is not installed: sh scripts/install_services.sh"
)
ANNA, ZOE, STRANGER, NOBODY = "ZZ1.anna", "ZZ2.zoe", "ZZ9.sam", "everybody"
PASSWORD = "correct horse"
ACCOUNT = 54321 if os.geteuid() == 0 else os.geteuid()  # that owns the lake
OWN = "/provider/ZZ1/2026-09/index.html"


def page(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<!doctype html><title>{text}</title>{text}", encoding="utf-8")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder("pages") as made:
        yield made


@pytest.fixture(scope="module")
def lake(folder: Path) -> Lake:
    """Two providers, two releases and everything that nobody may see, each with words of its own."""
    made = Lake(folder / "lake", folder / "keys").prepare()
    for code in ("ZZ1", "ZZ2"):
        page(made.path("provider", code, "index.html"), f"periods of {code}")
        page(made.path("provider", code, "2026-09", "index.html"), f"scorecard of {code}")
        made.path("provider", code).chmod(0o700)
    for number in ("1", "2"):
        page(made.path("releases", number, "site", "index.html"), f"site {number}")
        page(made.path("releases", number, "open", "coverage.csv"), f"open {number}")
        page(made.path("releases", number, "protected", "protected.duckdb"), "secret mart")
        made.path("releases", number, "protected").chmod(0o700)
        page(made.path("releases", number, "release.json"), "secret manifest")
    page(made.path("landing", "ZZ1", "patients.csv"), "secret patients")
    page(made.keys / "protected.key", "secret key")
    point(made, made.path("releases", "current"), "1")
    point(made, made.path("current"), "releases/current")
    made.path("provider", "ZZ1", "neighbour").symlink_to("../ZZ2")
    made.path("provider", "ZZ1", "patients.csv").symlink_to(made.path("landing", "ZZ1", "patients.csv"))
    made.path("releases", "1", "site", "mart").symlink_to("../protected/protected.duckdb")
    owned(made.root)
    return made


def owned(folder: Path) -> None:
    """Give a folder to the account that the service runs as, when the test is root and may."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, ACCOUNT, ACCOUNT, follow_symlinks=False)


@pytest.fixture(scope="module")
def pages(folder: Path, lake: Lake) -> Iterator[Stack]:
    secrets = folder / "secrets"
    make_secrets(secrets, [])
    make_certificate(secrets)
    crypt = ["openssl", "passwd", "-6", PASSWORD]
    hashed = subprocess.run(crypt, check=True, capture_output=True, text=True).stdout.strip()
    write_secret(secrets / "provider_accounts", "\n".join(f"{who}:{hashed}" for who in (ANNA, ZOE, STRANGER, NOBODY)))
    given = {"LAKE": str(lake.root), "KEYS": str(lake.keys), "SECRETS": str(secrets), "RUN_AS": f"{ACCOUNT}:{ACCOUNT}"}
    owned(secrets)
    with stack(folder / "stack", given) as made:
        made.up("proxy")
        yield made
    assert made.left() == []


class Answer:
    def __init__(self, got: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.text = got.status, got.headers, got.read().decode("utf-8", "replace")


def context(pages: Stack) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(Path(pages.given["SECRETS"]) / "tls_certificate"))


def ask(
    pages: Stack, path: str, who: str = "", method: str = "GET", password: str = PASSWORD, **headers: str
) -> Answer:
    """One answer, asked for again when it was too soon."""
    while (answer := ask_once(pages, path, who, method, password, **headers)).status == 429:
        time.sleep(0.2)
    return answer


def ask_once(pages: Stack, path: str, who: str, method: str = "GET", password: str = "", **headers: str) -> Answer:
    """One request with the path as it stands: nothing is made tidy on the way."""
    link = http.client.HTTPSConnection("127.0.0.1", pages.port["proxy"], context=context(pages), timeout=10)
    if who:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{who}:{password}".encode()).decode()
    with contextlib.closing(link):
        link.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            link.putheader(name, value)
        link.endheaders()
        return Answer(link.getresponse())


def test_everybody_sees_the_site_and_the_open_area_of_the_release_that_is_read(pages, lake):
    assert ask(pages, "/").headers["Location"] == "/site/"
    assert "site 1" in ask(pages, "/site/").text
    assert "open 1" in ask(pages, "/open/coverage.csv").text
    point(lake, lake.path("releases", "current"), "2")
    try:
        assert "site 2" in ask(pages, "/site/").text, "the next release is shown at once"
    finally:
        point(lake, lake.path("releases", "current"), "1")


def test_a_provider_sees_its_own_area(pages):
    assert "scorecard of ZZ1" in ask(pages, OWN, ANNA).text
    assert "scorecard of ZZ2" in ask(pages, OWN.replace("ZZ1", "ZZ2"), ZOE).text
    for start in ("/provider", "/provider/"):
        assert ask(pages, start, ANNA).headers["Location"] == "/provider/ZZ1/"
    assert "periods of ZZ1" in ask(pages, "/provider/ZZ1/", ANNA).text


@pytest.mark.parametrize("path", [OWN, "/provider/ZZ2/", "/provider/", "/provider", "/provider/none/"])
def test_without_a_login_every_address_says_the_same(pages, path):
    for answer in (ask(pages, path), ask(pages, path, ANNA, password="wrong"), ask(pages, path, "ZZ1", password="")):
        assert answer.status == 401
        assert "scorecards" in answer.headers["WWW-Authenticate"]


TRICKS = [
    "/provider/ZZ2/2026-09/index.html",
    "/provider/ZZ1/../ZZ2/2026-09/index.html",
    "/provider/ZZ1/%2e%2e/ZZ2/2026-09/index.html",
    "/provider/ZZ1/..%2fZZ2/2026-09/index.html",
    "/provider/ZZ1%2f..%2fZZ2/2026-09/index.html",
    "/provider/ZZ1/%252e%252e/ZZ2/2026-09/index.html",
    "/provider/ZZ1/..%252fZZ2/2026-09/index.html",
    "/provider/ZZ1/%c0%ae%c0%ae/ZZ2/2026-09/index.html",
    "/provider/ZZ1/..;/ZZ2/2026-09/index.html",
    "/provider/ZZ1/..\\ZZ2\\2026-09\\index.html",
    "/provider/ZZ1/%5c..%5cZZ2/2026-09/index.html",
    "/provider//ZZ2/2026-09/index.html",
    "/provider/./ZZ2/2026-09/index.html",
    "/provider/ZZ2%00/2026-09/index.html",
    "/provider/ZZ1/%00../ZZ2/2026-09/index.html",
    "/provider/ZZ2/2026-09/index.html?asked=ZZ1",
    "/provider/ZZ1/?/../ZZ2/2026-09/index.html%23",
    "/provider/zz2/2026-09/index.html",
    "/PROVIDER/ZZ2/2026-09/index.html",
    "/site/../provider/ZZ2/2026-09/index.html",
    "/site/..%2fprovider/ZZ2/2026-09/index.html",
    "/provider/ZZ1/neighbour/2026-09/index.html",
    "/provider/ZZ1/patients.csv",
    "/provider/ZZ1/../../landing/ZZ1/patients.csv",
    "/provider/ZZ1/%2e%2e/%2e%2e/landing/ZZ1/patients.csv",
    "/landing/ZZ1/patients.csv",
    "/site/mart",
    "/site/../protected/protected.duckdb",
    "/open/..%2fprotected%2fprotected.duckdb",
    "/protected/protected.duckdb",
    "/release.json",
    "/open/../release.json",
    "/releases/2/site/index.html",
    "/current/site/index.html",
    "/../../../../etc/passwd",
    "/site/..%2f..%2f..%2f..%2f..%2fetc/passwd",
    "/site/../../../keys/protected.key",
    "//127.0.0.1/provider/ZZ2/",
    "http://provider-pages/provider/ZZ2/2026-09/index.html",
]


@pytest.mark.parametrize("path", TRICKS)
@pytest.mark.parametrize("who", ["", ANNA, STRANGER, NOBODY])
def test_no_trick_with_a_path_shows_more(pages, path, who):
    answer = ask(pages, path, who)
    said = answer.text + str(answer.headers)
    assert not [word for word in ("scorecard of ZZ2", "periods of ZZ2", "secret", "root:", "site 2") if word in said]
    assert answer.status in (400, 401, 404) or "periods of ZZ1" in said, said


def test_a_name_that_says_no_provider_opens_nothing(pages):
    for who in (STRANGER, NOBODY):
        for path in ("/provider/ZZ1/", "/provider/", "/provider//", "/provider/ZZ9/"):
            answer = ask(pages, path, who)
            assert answer.status in (302, 404) and "ZZ1" not in answer.text


def test_no_header_says_who_somebody_is(pages):
    for name in ("X-Provider", "X-Reader", "X-Remote-User", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Host"):
        for value in ("ZZ2", "/provider/ZZ2/"):
            assert ask(pages, "/provider/ZZ2/", ANNA, **{name: value}).status == 404
            assert ask(pages, "/provider/ZZ2/", **{name: value}).status == 401


def test_the_part_with_the_pages_asks_too_whose_they_are(pages):
    """Whoever gets behind the proxy still has to be named by it."""
    link = http.client.HTTPConnection("127.0.0.1", pages.port["provider-pages"], timeout=10)
    for headers, status in (({}, 404), ({"X-Provider": "ZZ2"}, 404), ({"X-Provider": "ZZ1"}, 200)):
        link.request("GET", OWN, headers=headers)
        got = link.getresponse()
        got.read()
        assert got.status == status
    link.close()


def test_the_proxy_by_itself_asks_whose_they_are(pages):
    """With nobody behind it, what it would pass on is an error of its own; what it refuses is not passed on."""
    pages.end("provider-pages")
    try:
        assert ask(pages, OWN, ANNA).status == 502
        for path in ("/provider/ZZ2/", OWN.replace("ZZ1", "ZZ2"), "/provider/ZZ1/../ZZ2/index.html"):
            assert ask(pages, path, ANNA).status == 404
    finally:
        pages.start("provider-pages")
        pages.wait_healthy("provider-pages")
    assert "scorecard of ZZ1" in ask(pages, OWN, ANNA).text


def test_no_folder_is_listed(pages, lake):
    lake.path("provider", "ZZ1", "2026-08").mkdir(exist_ok=True)
    lake.path("releases", "1", "site", "empty").mkdir(exist_ok=True)
    for path in ("/provider/ZZ1/2026-08/", "/site/empty/", "/open/"):
        answer = ask(pages, path, ANNA)
        assert answer.status in (403, 404)
        assert "Index of" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "MOVE", "get"])
def test_pages_can_only_be_read(pages, method):
    for path in ("/site/", OWN):
        answer = ask(pages, path, ANNA, method=method)
        assert answer.status in (400, 405) and "scorecard of" not in answer.text
    assert ask(pages, OWN, ANNA, method="HEAD").status == 200


def test_the_name_of_the_host_changes_nothing(pages):
    for host in ("elsewhere.invalid", "127.0.0.1:1", "provider-pages:8002"):
        answer = ask(pages, "/", Host=host)
        assert answer.headers["Location"] == "/site/"
        assert "elsewhere" not in answer.text + str(answer.headers)
        assert ask(pages, OWN, ZOE, Host=host).status == 404
    assert ask(pages, "/site/", Host="a b").status == 400


@pytest.mark.parametrize("path", ["/site/", OWN, "/nowhere", "/provider/ZZ2/"])
def test_every_answer_tells_the_browser_to_be_careful(pages, path):
    headers = ask(pages, path, ANNA).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "http" not in policy
    assert ("script-src" in policy) == path.startswith("/site/")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Strict-Transport-Security"].startswith("max-age=")
    assert ("no-store" in headers["Cache-Control"]) == path.startswith("/provider")
    assert "/" not in headers["Server"], "no version is told"


def test_nothing_is_said_without_encryption(pages):
    with socket.create_connection(("127.0.0.1", pages.port["proxy"]), timeout=10) as plain:
        plain.sendall(f"GET {OWN} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        said = plain.recv(4096).decode()
    assert " 400 " in said.splitlines()[0] and "scorecard" not in said


def test_guessing_a_password_is_slowed_down(pages):
    codes = [ask_once(pages, OWN, ANNA, password=f"guess {number}").status for number in range(160)]
    assert set(codes) == {401, 429}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start somebody else's process")
def test_what_shows_the_site_may_read_nothing_else(pages, lake):
    uids = {part: {uid for one in pages.members(part) for uid in one.uids()} for part in pages.running}
    assert uids == {"site": {65534}, "provider-pages": {ACCOUNT}, "proxy": {ACCOUNT}}
    for path in (
        lake.path("releases", "1", "protected", "protected.duckdb"),
        lake.path("provider", "ZZ1", "index.html"),
    ):
        ended = subprocess.run(["cat", path], user=65534, group=65534, extra_groups=[], capture_output=True)
        assert b"Permission denied" in ended.stderr and ended.stdout == b""


def test_it_listens_where_it_is_meant_to_and_keeps_no_copy(pages):
    assert pages.listening() == {part: {"127.0.0.1"} for part in ("site", "provider-pages", "proxy")}
    log = (pages.folder / "proxy.log").read_text(errors="replace")
    assert f'"{ANNA}" GET 200 "{OWN}"' in log, "who looked at what is kept"
    assert PASSWORD not in log and base64.b64encode(f"{ANNA}:{PASSWORD}".encode()).decode() not in log
