"""A server that speaks OpenAI's chat completions and says what the test scripts."""

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# The request -> a text, an HTTP error, or the pieces of a stream; a stream whose pieces end with
# a ConnectionError breaks off there.
Script = Callable[[dict[str, Any]], str | int | Iterable[str]]


class ScriptedHandler(BaseHTTPRequestHandler):
    """Answers as OpenAI's API does."""

    def __init__(self, policies: list[str], script: Script, *connection: Any) -> None:
        self.policies = policies
        self.script = script
        super().__init__(*connection)  # which answers the request

    def do_GET(self) -> None:
        self._reply({"data": [{"id": policy} for policy in self.policies]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.script(body)
        if isinstance(answer, int):
            self._reply({"error": "scripted"}, answer)
            return
        if body.get("stream"):
            self._stream(re.findall(r"\S+\s*", answer) if isinstance(answer, str) else answer)
            return
        answer = answer if isinstance(answer, str) else "".join(answer)
        self._reply(
            {
                "choices": [{"message": {"content": answer}, "finish_reason": "stop"}],
                "usage": {"completion_tokens": len(answer.split())},
            }
        )

    def _stream(self, pieces: Iterable[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        count = 0
        try:
            for piece in pieces:
                count += 1
                self._event({"choices": [{"delta": {"content": piece}}]})
            self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
            self._event({"choices": [], "usage": {"completion_tokens": count}})
            self.wfile.write(b"data: [DONE]\n\n")
        except ConnectionError:
            self.close_connection = True  # scripted, or the reader has left

    def _event(self, body: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(body)}\n\n".encode())
        self.wfile.flush()

    def _reply(self, body: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Nothing: what was asked is the test's own."""


@contextmanager
def scripted_server(policies: list[str], script: Script) -> Iterator[str]:
    """Serve until the block ends; gives the base URL, ending in /v1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(ScriptedHandler, policies, script))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
