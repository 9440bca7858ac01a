"""A stand-in for a daemon that can do what a real one never does: send garbage, stay silent, or hang up half-way."""

from __future__ import annotations

import io
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable, Dict, Tuple

from kachery_p2p._local_store import LocalStore

NODE_ID = "ab" * 32
Answer = Callable[[Dict[str, Any]], Tuple[Any, ...]]  # returns the status, the body, and optionally headers


def frames(*messages: Any) -> bytes:
    """Messages as a daemon sends them in a stream."""
    contents = [json.dumps(message, ensure_ascii=False).encode() for message in messages]
    return b"".join(b"%d#%s" % (len(content), content) for content in contents)


def receipt(sha1: str) -> dict[str, Any]:
    """A daemon's answer to a file that it has stored."""
    return {"success": True, "error": None, "sha1": sha1, "manifestSha1": None}


class _Server(ThreadingHTTPServer):
    request_queue_size = 512  # hundreds may connect concurrently


class StandIn:
    """Answers `/probe` as a daemon would, and every other path as a test chooses."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.token = "first-token"
        self.write_token()
        (directory / "kachery-node-id").write_text(NODE_ID)
        self.probe: Any = {
            "success": True, "nodeId": NODE_ID, "joinedChannels": [], "kacheryStorageDir": str(directory),
        }  # fmt: skip
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.bearer = ""
        self._sockets: list[socket.socket] = []
        self._handler = self._handler_class()
        self._server = _Server(("127.0.0.1", 0), self._handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def write_token(self) -> None:
        (self.directory / "client-auth").write_text(self.token)

    def answer(self, path: str, value: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answers `path` with these bytes, or with a value as JSON."""
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.answers[path] = lambda _: (status, content, headers or {})

    def keep_alive(self) -> None:
        """Keeps connections open between requests, as a daemon does."""
        self._handler.protocol_version = "HTTP/1.1"

    def store_uploads(self) -> None:
        """Stores what is sent to `/store` in the directory, as a daemon does."""

        def store(request: dict[str, Any]) -> tuple[int, bytes]:
            stored = LocalStore(str(self.directory)).store(io.BytesIO(request["raw"]))
            return 200, json.dumps(receipt(stored.sha1)).encode()

        self.answers["/store"] = store

    @property
    def connections(self) -> int:
        """The number of connections that were opened."""
        return len(self._sockets)

    def hang_up(self) -> None:
        """Closes every open connection."""
        for opened in list(self._sockets):  # a copy, without those of clients that reconnect meanwhile
            with suppress(OSError):  # it may be closed already
                opened.shutdown(socket.SHUT_RDWR)

    def speak_tls(self, certificate: str, key: str) -> None:
        """Accepts TLS connections only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def admits(self, headers: Any) -> bool:
        """Whether a request has the token of the directory, or the one that the owner issued."""
        bearer = headers.get("Authorization")
        if bearer is not None:
            return bool(self.bearer) and bearer == f"Bearer {self.bearer}"
        return bool(headers.get("KACHERY-CLIENT-AUTH-CODE") == self.token)

    def __enter__(self) -> StandIn:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends as a stopped daemon does. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.hang_up()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
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

            def _send(self, status: int, content: bytes, headers: Mapping[str, str] = MappingProxyType({})) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Transfer-Encoding" not in headers:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        return Handler
