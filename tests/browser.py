"""A real Chromium without a window, spoken to over its own protocol: pages are opened from disk, as readers do."""

import base64
import itertools
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# axe-core as its makers publish it, with the rules of WCAG 2.2 (see NOTICE); the tags are those of levels A and AA.
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
KEYS = {"Tab": 9, "Enter": 13, "ArrowDown": 40, "ArrowUp": 38}


def program() -> str | None:
    """Where Chromium is, or None."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Page:
    """One tab."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.tell(f"{domain}.enable")

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; events that come before it are kept."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def open(self, path: Path, fragment: str = "") -> None:
        """Open a file and wait until it is loaded."""
        self.events.clear()
        self.tell("Page.navigate", url="about:blank")
        self.tell("Page.navigate", url=path.resolve().as_uri() + (f"#{fragment}" if fragment else ""))
        assert self.run(
            "new Promise(done => document.readyState === 'complete' ? done(true) : addEventListener('load', () => done(true)))"
        )

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        found = self.tell("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def key(self, name: str) -> None:
        common = {"key": name, "code": name, "windowsVirtualKeyCode": KEYS[name]}
        text = {"text": "\r"} if name == "Enter" else {}
        self.tell("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.tell("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, words: str) -> None:
        self.tell("Input.insertText", text=words)

    def width(self, pixels: int, height: int = 900) -> None:
        self.tell("Emulation.setDeviceMetricsOverride", width=pixels, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, path: Path) -> None:
        """A picture of what is seen."""
        path.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"]))

    def printed(self, path: Path) -> None:
        """The page as it prints."""
        path.write_bytes(
            base64.b64decode(self.tell("Page.printToPDF", printBackground=False, preferCSSPageSize=True)["data"])
        )

    def barriers(self) -> list[Any]:
        """What axe finds against the page as it stands: the rule, its words and the first places."""
        self.run(AXE + ";0")
        return self.run(
            f"axe.run({{runOnly: {json.dumps(TAGS)}, resultTypes: ['violations']}}).then(done => done.violations.map("
            "rule => [rule.id, rule.help, rule.nodes.slice(0, 3).map(node => node.html.slice(0, 200))]))"
        )

    def asked_for(self) -> list[str]:
        """Every address that the page asked for since it was opened."""
        asked = [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]
        return [address for address in asked if address != "about:blank"]

    def complaints(self) -> list[str]:
        """What the browser has against the page: errors of scripts, and what the content security policy stopped."""
        said = [event["params"]["entry"]["text"] for event in self.events if event["method"] == "Log.entryAdded"]
        thrown = [str(event["params"]) for event in self.events if event["method"] == "Runtime.exceptionThrown"]
        return said + thrown


@contextmanager
def browser() -> Iterator[Page]:
    """A Chromium with one tab; it is ended, and its profile removed, whatever happens."""
    found = program()
    assert found, "Chromium is needed: apt-get install chromium"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            found,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += ["--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            port = next(match[1] for line in lines if (match := re.search(r"ws://127\.0\.0\.1:(\d+)/", line)))
            with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=20) as answer:
                tabs = json.load(answer)
            address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            with connect(address, max_size=None, open_timeout=20) as socket:
                yield Page(socket)
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
