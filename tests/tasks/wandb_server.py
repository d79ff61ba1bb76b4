"""As much of Weights & Biases' server as a run needs, on this machine."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Kept:
    """What a server has of one run.

    Attributes:
        rows: In the order in which they came.
        exit_code: Of the part that ended last.
        url: Of the server.
    """

    def __init__(self) -> None:
        self.run: dict[str, Any] | None = None
        self.rows: list[dict[str, Any]] = []
        self.files: set[str] = set()
        self.exit_code: int | None = None
        self.url = ""

    def answer(self, query: str, variables: dict[str, Any]) -> Any:
        """To a request of GraphQL."""
        found = re.search(r"(?:query|mutation)\s+(\w+)", query)
        asked = found.group(1) if found else ""
        project = {"id": "p", "name": "p", "entity": {"id": "e", "name": "me"}}
        if asked == "Viewer":
            return {
                "viewer": {"id": "u", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}
            }
        if asked == "RunResumeStatus":
            if self.run is None:
                return {"model": None}
            counts = {"historyLineCount": len(self.rows), "eventsLineCount": 0, "logLineCount": 0}
            tail = {
                "historyTail": json.dumps([json.dumps(row) for row in self.rows[-1:]]),
                "eventsTail": "[]",
            }
            more = {
                "summaryMetrics": "{}",
                "tags": [],
                "notes": "",
                "wandbConfig": '{"t":{}}',
                "config": "{}",
            }
            return {"model": {**project, "bucket": self.run | counts | tail | more}}
        if asked == "UpsertBucket":
            self.run = {"id": "r", "name": variables["name"], "displayName": "x", "sweepName": None}
            return {"upsertBucket": {"bucket": self.run | {"project": project}, "inserted": True}}
        if asked == "CreateRunFiles":
            files = [{"name": name, "uploadUrl": f"{self.url}/{name}"} for name in variables["files"]]
            self.files |= set(variables["files"])
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        if asked == "CreateArtifact":
            there = {"id": "a", "state": "COMMITTED", "artifactSequence": {"latestArtifact": None}}
            return {"createArtifact": {"artifact": there}}
        return {"project": None} if asked == "ArtifactType" else {}

    def stream(self, content: dict[str, Any]) -> None:
        """Rows, and how a run ended."""
        for name, part in (content.get("files") or {}).items():
            if "history" in name:
                self.rows += [json.loads(line) for line in part["content"]]
        if content.get("complete"):
            self.exit_code = content["exitcode"]


@contextmanager
def wandb_server() -> Iterator[Kept]:
    """Answer for a while."""
    kept = Kept()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer: Any = {}
            if self.path.endswith("/file_stream"):
                kept.stream(json.loads(body))
            elif self.path == "/graphql":
                asked = json.loads(body)
                answer = {"data": kept.answer(asked["query"], asked.get("variables") or {})}
            self._reply(answer)

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._reply({})

        def do_GET(self) -> None:
            self._reply({})

        def _reply(self, answer: Any) -> None:
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *args: None  # type: ignore[method-assign]  # a client that was killed
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
