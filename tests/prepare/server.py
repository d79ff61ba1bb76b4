"""A real HTTP server on loopback that serves one file, well or badly."""

import email.utils
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Conduct:
    """How the server behaves; the numbers of requests are counted from 0.

    Attributes:
        content: The file, of each request; the last one is repeated.
        etag: Its version; None names none.
        modified: `Last-Modified`; None leaves it out.
        ranges: Whether `Range` is known.
        break_after: The connection ends after so many bytes of the answer, of each request; None: never.
        announced: `Content-Length` of a whole answer instead of the true one; -1 leaves it out.
        status: Of each request instead of 200 or 206.
        kind: `Content-Type`.
        silent: Answers nothing until this is set.
        wrong_range: Sends from the beginning, whatever part was asked for, and says so.
        reset: The connection ends before an answer, of each request.
    """

    content: list[bytes]
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    break_after: list[int | None] = field(default_factory=lambda: [None])
    announced: int | None = None
    status: list[int | None] = field(default_factory=lambda: [None])
    kind: str = "application/octet-stream"
    silent: threading.Event | None = None
    wrong_range: bool = False
    reset: list[bool] = field(default_factory=lambda: [False])


@dataclass
class Served:
    """A running server.

    Attributes:
        url: Of the file.
        conduct: May be changed between requests.
        asked: `Range` of each request so far, None where there was none.
        sent: Bytes of the file that went out.
    """

    url: str
    conduct: Conduct
    asked: list[str | None] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0


def _nth(values: list[Any], number: int) -> Any:
    return values[min(number, len(values) - 1)]


@contextmanager
def serving(*content: bytes, name: str = "set.zip", **options: Any) -> Iterator[Served]:
    """Serve bytes at `http://127.0.0.1:PORT/<name>`."""
    served = Served(url="", conduct=Conduct(content=list(content), **options))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # a connection for each request

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            answer(self, served)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/{name}"
    try:
        yield served
    finally:
        if served.conduct.silent is not None:
            served.conduct.silent.set()
        server.shutdown()
        server.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, served: Served) -> None:
    """One request."""
    conduct, number = served.conduct, len(served.asked)
    asked = handler.headers.get("Range")
    served.asked.append(asked)
    served.headers.append(dict(handler.headers.items()))
    if conduct.silent is not None:
        conduct.silent.wait(30)
        return
    if _nth(conduct.reset, number):
        return
    status = _nth(conduct.status, number)
    if status is not None:
        handler.send_error(status)
        return
    content = _nth(conduct.content, number)
    condition = handler.headers.get("If-Range")
    same = condition is None or condition in (conduct.etag, conduct.modified)
    start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and conduct.ranges and same else 0
    if asked and start >= len(content):
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(content)}")
        handler.end_headers()
        return
    first = 0 if conduct.wrong_range else start
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
    announced = len(content) - first
    if conduct.announced is not None and not start:
        announced = conduct.announced
    if announced >= 0:
        handler.send_header("Content-Length", str(announced))
    handler.send_header("Content-Type", conduct.kind)
    if conduct.etag is not None:
        handler.send_header("ETag", conduct.etag)
    if conduct.modified is not None:
        handler.send_header("Last-Modified", conduct.modified)
    handler.end_headers()
    limit = _nth(conduct.break_after, number)
    body = content[first:] if limit is None else content[first : first + limit]
    served.sent += len(body)
    handler.wfile.write(body)


def date() -> str:
    """For `Last-Modified`."""
    return email.utils.formatdate(0, usegmt=True)
