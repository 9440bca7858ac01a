"""A stand-in for a daemon, for what a real one never does: nonsense, silence, hanging up half-way."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

NODE_ID = "ab" * 32
Answer = Callable[[dict], Tuple[Any, ...]]  # status, body, and headers where there are any


class _Server(ThreadingHTTPServer):
    request_queue_size = 512  # hundreds may dial at once


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
        self.bearer = ""
        self._sockets: List[socket.socket] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def write_token(self) -> None:
        (self.directory / "client-auth").write_text(self.token)

    def answer(self, path: str, value: object, status: int = 200, headers: Optional[Dict[str, str]] = None) -> None:
        """Answers `path` with bytes as they are, or with a value as JSON."""
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.answers[path] = lambda _: (status, content, headers or {})

    def keep_alive(self) -> None:
        """Keeps connections open between requests, as a daemon does."""
        self._server.RequestHandlerClass.protocol_version = "HTTP/1.1"

    @property
    def connections(self) -> int:
        """How many were opened."""
        return len(self._sockets)

    def hang_up(self) -> None:
        """Ends every connection that is open."""
        for opened in list(self._sockets):  # not those of clients who dial again meanwhile
            try:
                opened.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was over already

    def speak_tls(self, certificate: str, key: str) -> None:
        """Takes TLS connections only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def admits(self, headers: Any) -> bool:
        """Whether a request shows the token of the directory, or the one that was given out."""
        bearer = headers.get("Authorization")
        if bearer is not None:
            return bool(self.bearer) and bearer == f"Bearer {self.bearer}"
        return bool(headers.get("KACHERY-CLIENT-AUTH-CODE") == self.token)

    def __enter__(self) -> "StandIn":
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends, as a daemon that is stopped; doing so again does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.hang_up()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _handler(self) -> type:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                super().setup()
                stand_in._sockets.append(self.connection)

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
                if not stand_in.admits(self.headers):
                    self._send(403, b"This is not the token.")
                    return
                self._send(*stand_in.answers[self.path](request))

            def _send(self, status: int, content: bytes, headers: Dict[str, str] = {}) -> None:  # noqa: B006
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Transfer-Encoding" not in headers:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        return Handler
