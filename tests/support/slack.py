"""A double of Slack's Web API over HTTP on loopback, for slack-sdk's `base_url`."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "xoxb-test-token"


class SlackDouble:
    """What was posted, and how to answer next."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.error: str | None = None
        """Slack's own error code to answer with, such as `channel_not_found`."""
        self.status = 200
        self.url = ""

    def connection(self) -> str:
        """An Airflow connection to it, as JSON."""
        return json.dumps({"conn_type": "slack", "password": TOKEN, "extra": {"base_url": self.url}})

    def answer(self, method: str, headers: Any, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.status != 200:
            return self.status, {"ok": False, "error": "internal_error"}
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 200, {"ok": False, "error": "invalid_auth"}
        if self.error or method != "chat.postMessage":
            return 200, {"ok": False, "error": self.error or "unknown_method"}
        blocks = body.get("blocks") or []
        blocks = json.loads(blocks) if isinstance(blocks, str) else blocks
        texts = [block["text"]["text"] for block in blocks if "text" in block]
        if len(blocks) > 50 or any(len(text) > 3000 for text in texts):
            return 200, {"ok": False, "error": "invalid_blocks"}
        self.messages.append({**body, "blocks": blocks})
        return 200, {"ok": True, "ts": f"{len(self.messages)}.000", "channel": body["channel"]}


@contextmanager
def slack_double() -> Iterator[SlackDouble]:
    """A running double."""
    double = SlackDouble()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
            is_json = "json" in self.headers.get("Content-Type", "")
            body = json.loads(raw) if is_json else {key: values[0] for key, values in parse_qs(raw).items()}
            status, answer = double.answer(self.path.rsplit("/", 1)[-1], self.headers, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    double.url = f"http://127.0.0.1:{server.server_port}/api/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
