"""A real web server and a real mail server on 127.0.0.1, named by Airflow connections, that keep what they are sent."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from aiosmtpd.controller import Controller


def connection(address: str) -> str:
    """An Airflow connection, as an environment variable says it."""
    return json.dumps({"conn_type": "http", "host": address})


@contextlib.contextmanager
def web_server() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """(the Airflow connection, what was posted: path and body)."""
    heard: list[tuple[str, bytes]] = []

    class Keeps(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Keeps)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield connection(f"http://127.0.0.1:{server.server_port}/hook"), heard
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def mail_server() -> Iterator[tuple[str, list[Any]]]:
    """(the Airflow connection, the envelopes that were handed in)."""
    kept: list[Any] = []

    class Keeps:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            kept.append(envelope)
            return "250 kept"

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(Keeps(), hostname="127.0.0.1", port=port)
    server.start()
    extra = json.dumps({"disable_ssl": True, "disable_tls": True, "from_email": "scorecards@midlands.invalid"})
    try:
        yield json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}), kept
    finally:
        server.stop()
