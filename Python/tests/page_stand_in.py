"""A stand-in for a daemon with many peers: the page's own files, and events that are written for the test."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

FILES = Path(__file__).parents[2] / "Sources" / "Services" / "Page" / "Files"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_KINDS = ["lan", "direct", "punched", "relayed", "proxied", "webSocket"]
_PERIOD = 0.25  # seconds between events


def _path(number: int, kind: str, relay: str, tick: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "address": f"10.0.{number // 250}.{number % 250}:14507",
        "relayNodeId": relay if kind == "relayed" else None,
        "relayLabel": "hub" if kind == "relayed" else None,
        "dialedBy": "thisNode",
        "isInUse": True,
        "reason": "the only one",
        "roundTripMilliseconds": 10.5 + number,
        "bytesReceived": 1000 * number + tick,
        "bytesSent": 10,
        "receivedBytesPerSecond": 2_000_000 if number % 20 == 3 else 0,
        "sentBytesPerSecond": 0,
        "ageSeconds": 60 + tick,
        "lanes": 0,
    }


def peers(count: int, tick: int = 0) -> list[dict[str, Any]]:
    """Peers with all kinds of paths; the first is a bootstrap node, through which some are relayed."""
    hub = f"{1:064x}"
    return [
        {
            "nodeId": f"{number + 1:064x}",
            "label": "hub" if number == 0 else f"lab-{number:03}",
            "address": f"10.0.{number // 250}.{number % 250}:14507",
            "isBootstrapNode": number == 0,
            "clockOffsetSeconds": 0,
            "badAnswers": 0,
            "version": "kachery 0.9.0",
            "paths": [_path(number, "direct" if number == 0 else _KINDS[number % len(_KINDS)], hub, tick)],
        }
        for number in range(count)
    ]


class PageStandIn:
    """Serves the page with a number of peers."""

    def __init__(self, peer_count: int, notices: list[dict[str, Any]] | None = None) -> None:
        self.peer_count = peer_count
        self.notices = notices or []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/v1/events":
                    stand_in.stream(self)
                elif path == "/v1/feeds":
                    self.answer(b'{"success": true, "feeds": []}', "application/json")
                else:
                    file = FILES / ("page.html" if path == "/" else path.removeprefix("/page/"))
                    found = "/" not in path.removeprefix("/page/") or path == "/"
                    self.answer(file.read_bytes() if found and file.is_file() else b"", _TYPES.get(file.suffix, ""))

            def do_POST(self) -> None:
                usage = {name: {"files": 0, "bytes": 0} for name in ("stored", "linked", "pinned", "trash", "damaged")}
                answers = {
                    "/v1/store/usage": {**usage, "limit": None, "available": 10**12},
                    "/v1/store/search": {"files": [], "total": 0},
                }
                self.answer(json.dumps(answers.get(self.path, {})).encode(), "application/json")

            def answer(self, body: bytes, kind: str) -> None:
                self.send_response(200 if kind else 404)
                self.send_header("Content-Type", kind or "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def stream(self, handler: BaseHTTPRequestHandler) -> None:
        """Sends events until the test ends."""
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        start = time.monotonic()
        session = {"nodeId": "f" * 64, "isBootstrapNode": False, "version": "0.9.0", "storageDirectory": "/data"}
        routes = ["/v1/store/pin", "/store"]
        self._event(handler, "session", {**session, "readsChannels": True, "routes": routes})
        for tick in range(10**6):
            status: dict[str, Any] = {"label": "busy", "listening": "port 1", "introduces": None, "stats": {}}
            rates = {"receivedBytesPerSecond": 3_000_000 + tick * 1000, "sentBytesPerSecond": 500_000}
            uptime = int(time.monotonic() - start)
            channels = [{"name": None, "isServed": is_served} for is_served in (True, False)]
            status["gateway"] = {"address": "127.0.0.1:8080", "channels": channels}
            self._event(handler, "status", {**status, **rates, "uptimeSeconds": uptime, "linkedNodes": self.peer_count})
            self._event(handler, "transfers", {"transfers": []})
            self._event(handler, "peers", {"peers": peers(self.peer_count, tick)})
            self._event(handler, "notices", {"notices": self.notices})
            self._event(handler, "channels", {"channels": []})
            if self._stopped.wait(_PERIOD):
                return

    @staticmethod
    def _event(handler: BaseHTTPRequestHandler, name: str, data: Any) -> None:
        handler.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())

    def __enter__(self) -> PageStandIn:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
