"""Cheap clients: prepared requests, persistent sockets, and one request at a time.

A client in the usual libraries spends more time on a request than the server does, so its own speed would be measured.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Sequence
from typing import Any, Callable

PATIENCE = 120.0  # seconds for any answer
_BLOCK = 1 << 18

Complete = Callable[[bytearray], bool]
"""Whether these are all bytes of an answer."""


class Line:
    """One connection, with one request at a time."""

    def __init__(self, port: int, complete: Complete) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self._complete = complete

    def send(self, request: bytes) -> None:
        self.received.clear()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Reads what has arrived. Returns whether the answer is complete."""
        block = self.socket.recv(_BLOCK)
        if not block:
            raise SystemExit(f"The server closed the connection after {bytes(self.received[:300])!r}.")
        self.received += block
        return self._complete(self.received)

    def answer(self) -> bytes:
        while not self.receive():
            pass
        return bytes(self.received)

    def ask(self, request: bytes) -> bytes:
        self.send(request)
        return self.answer()

    def close(self) -> None:
        self.socket.close()


def ask_all(lines: Sequence[Line], requests: Sequence[bytes]) -> float:
    """Sends all requests, one at a time over each line. Returns the seconds until the last answer."""
    waiting = iter(requests)
    with selectors.EpollSelector() as selector:
        began = time.monotonic()
        busy = 0
        for line in lines:
            request = next(waiting, None)
            if request is not None:
                selector.register(line.socket, selectors.EVENT_READ, line)
                line.send(request)
                busy += 1
        while busy > 0:
            ready = selector.select(PATIENCE)
            if not ready:
                raise SystemExit("The server does not answer.")
            for key, _ in ready:
                line = key.data
                if not line.receive():
                    continue
                request = next(waiting, None)
                if request is None:
                    selector.unregister(line.socket)
                    busy -= 1
                else:
                    line.send(request)
        return time.monotonic() - began


def http_complete(received: bytearray) -> bool:
    """Whether an HTTP answer with a length is complete."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = received[:head].lower().find(b"content-length:")
    if at < 0:
        raise SystemExit(f"The answer has no Content-Length: {bytes(received[:head])!r}")
    end = received.find(b"\r", at)
    return len(received) >= head + 4 + int(received[at + 15 : end])


def http_request(path: str, token: str, body: dict[str, Any]) -> bytes:
    content = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"KACHERY-CLIENT-AUTH-CODE: {token}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def http_json(answer: bytes) -> dict[str, Any]:
    """The JSON of an answer. Ends the benchmark if it is not a success."""
    head, _, content = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head[:20]:
        raise SystemExit(f"The daemon refused: {answer[:500]!r}")
    value = json.loads(content)
    if not value.get("success"):
        raise SystemExit(f"The daemon failed: {content[:500]!r}")
    return dict(value)


def redis_complete(count: int) -> Complete:
    """Whether ``count`` replies of Redis are complete."""

    def are_complete(received: bytearray) -> bool:
        at = 0
        for _ in range(count):
            at = _reply_end(received, at)
            if at < 0:
                return False
        return True

    return are_complete


def _reply_end(received: bytearray, at: int) -> int:
    """The end of the reply that begins at ``at`` (RESP 2); -1 if it has not arrived."""
    line = received.find(b"\r\n", at)
    if line < 0:
        return -1
    kind, end = received[at : at + 1], line + 2
    if kind == b"-":
        raise SystemExit(f"Redis refused: {bytes(received[at:line])!r}")
    if kind == b"$":
        end += max(-2, int(received[at + 1 : line])) + 2
    if kind == b"*":
        for _ in range(int(received[at + 1 : line])):
            end = _reply_end(received, end)
            if end < 0:
                return -1
    return end if end <= len(received) else -1


def redis_command(*words: str) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        text = word.encode()
        parts += [f"${len(text)}\r\n".encode(), text, b"\r\n"]
    return b"".join(parts)
