"""A stand-in for a daemon, for what a real one never does: nonsense, silence, hanging up half-way."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Callable, Dict, List, Tuple

NODE_ID = "ab" * 32
Answer = Callable[[dict], Tuple[int, bytes]]


class StandIn:
    """Answers `/probe` as a daemon would, and every other path as a test says."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.token = "first-token"
        self.write_token()
        (directory / "kachery-node-id").write_text(NODE_ID)
        self.probe: object = {
            "success": True, "nodeId": NODE_ID, "joinedChannels": [], "kacheryStorageDir": str(directory),
        }  # fmt: skip
        self.answers: Dict[str, Answer] = {}
        self.requests: List[Tuple[str, dict]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def write_token(self) -> None:
        (self.directory / "client-auth").write_text(self.token)

    def answer(self, path: str, value: object, status: int = 200) -> None:
        """Answers `path` with bytes as they are, or with a value as JSON."""
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.answers[path] = lambda _: (status, content)

    def __enter__(self) -> "StandIn":
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                stand_in.requests.append((self.path, {}))
                self._send(200, json.dumps(stand_in.probe).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                is_json = self.headers.get("Content-Type") == "application/json"
                request = json.loads(body) if is_json else {"raw": body}
                stand_in.requests.append((self.path, request))
                if self.headers.get("KACHERY-CLIENT-AUTH-CODE") != stand_in.token:
                    self._send(403, b"This is not the token.")
                    return
                self._send(*stand_in.answers[self.path](request))

            def _send(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        return Handler
