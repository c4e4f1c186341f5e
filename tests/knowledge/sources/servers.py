"""Servers on loopback for tests: a real Oxigraph, and one that misbehaves on purpose."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs


def oxigraph() -> str | None:
    """The server's program, from the ``oxigraph`` package, or ``None``."""
    beside = Path(sys.executable).with_name("oxigraph")
    return str(beside) if beside.is_file() else shutil.which("oxigraph")


@contextmanager
def oxigraph_server(program: str, store: Path, *, writable: bool = False) -> Iterator[str]:
    """An Oxigraph over ``store``; yields the address of its query endpoint (updates go to ``/update`` beside it)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        program,
        "serve" if writable else "serve-read-only",
        "--location",
        str(store),
        "--bind",
        f"127.0.0.1:{port}",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if process.poll() is not None:
                raise RuntimeError("oxigraph has ended")
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{port}/").close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/query"
    finally:
        process.terminate()
        process.wait(10)


class Endpoint:
    """A SPARQL endpoint whose every answer a test decides.

    Args:
        answer: Called with (number of the question, its text, the handler); sends the answer itself, or returns rows
            (lists of (type, value) terms for ?s ?p ?o) to be sent as they should be.
    """

    def __init__(self, answer: Callable[[int, str, Any], Any]) -> None:
        self.questions: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.let_go = threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                query = parse_qs(body)["query"][0]
                endpoint.questions.append(query)
                endpoint.headers.append(dict(self.headers.items()))
                rows = answer(len(endpoint.questions), query, self)
                if rows is not None:
                    self.reply(200, bindings(rows))

            def reply(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                """Not a word."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/sparql"

    def __enter__(self) -> Endpoint:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()


def bindings(rows: list[list[tuple[str, str]]]) -> bytes:
    """Rows for ?s ?p ?o as SPARQL results in JSON."""
    found = [
        {name: {"type": kind, "value": value} for name, (kind, value) in zip("spo", row, strict=True)} for row in rows
    ]
    return json.dumps({"head": {"vars": ["s", "p", "o"]}, "results": {"bindings": found}}).encode()
