"""An HTTP proxy for tests that only passes on connections (RFC 9110, section 9.3.6).

proxy.py ADDRESS PORT [USER PASSWORD]     runs until it is ended
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Callable

Respond = Callable[[socket.socket, str], None]
_NONCE = "dcd98b7102dd2f0e8b11d0f600bfb0c093"


class Proxy:
    """A proxy on a port of its own, as a context manager.

    With a password, it asks for that by the ``method``, ``Basic`` or ``Digest``. Names in ``hosts`` lead to other
    hosts; only ``allowed`` ports, if there are any, are connected to, after ``delay`` seconds. ``respond`` replaces its
    answers.
    """

    def __init__(
        self,
        address: str = "127.0.0.1",
        port: int = 0,
        *,
        user: str = "",
        password: str = "",
        method: str = "Basic",
        hosts: dict[str, str] | None = None,
        allowed: set[int] | None = None,
        respond: Respond | None = None,
        delay: float = 0,
    ) -> None:
        self.asked: list[str] = []  # the places to which it was asked to connect, with a valid password if there is one
        self.challenges = 0
        self.carried = 0  # bytes
        self._user, self._password, self._method = user, password, method
        self._hosts, self._allowed = hosts or {}, allowed
        self._respond = respond
        self._delay = delay
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((address, port))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://{address}:{self.port}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    @contextlib.contextmanager
    def _tracked(self, connection: socket.socket) -> Iterator[socket.socket]:
        self._open.add(connection)
        try:
            with connection:
                yield connection
        finally:
            self._open.discard(connection)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), self._tracked(client):
            client.settimeout(60)
            while head := _head(client):
                if self._answer(client, head):
                    return

    def _answer(self, client: socket.socket, head: str) -> bool:
        """Answers a request. Returns whether the connection is over."""
        if self._respond is not None:
            self._respond(client, head)
            return True
        method, place, _ = head.split("\r\n", maxsplit=1)[0].split(" ")
        if method != "CONNECT":
            client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return False
        if self._password and not self._is_known(head, place):
            self.challenges += 1
            challenge = 'Basic realm="campus"'
            if self._method == "Digest":
                challenge = f'Digest realm="campus", nonce="{_NONCE}", qop="auth", algorithm=MD5'
            answer = f"HTTP/1.1 407 Who\r\nProxy-Authenticate: {challenge}\r\nContent-Length: 3\r\n\r\nno!"
            client.sendall(answer.encode())
            return False
        self.asked.append(place)
        host, port = place.rsplit(":", 1)
        if self._allowed is not None and int(port) not in self._allowed:
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return False
        time.sleep(self._delay)
        try:
            target = socket.create_connection((self._hosts.get(host, host).strip("[]"), int(port)), timeout=5)
        except OSError:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return False
        with self._tracked(target):
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._carry(client, target)
        return True

    def _is_known(self, head: str, place: str) -> bool:
        found = re.search(r"^proxy-authorization: *(\w+) (.*)$", head, re.IGNORECASE | re.MULTILINE)
        if found is None or found[1] != self._method:
            return False
        if self._method == "Basic":
            return base64.b64decode(found[2]).decode() == f"{self._user}:{self._password}"
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', found[2]))
        ours = _md5(f"{self._user}:campus:{self._password}")
        request = _md5(f"CONNECT:{place}")
        counted = f"{ours}:{_NONCE}:{given.get('nc')}:{given.get('cnonce')}:auth:{request}"
        return given.get("username") == self._user and given.get("response") == _md5(counted)

    def _carry(self, client: socket.socket, target: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, target)
            selector.register(target, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    assert isinstance(key.fileobj, socket.socket)
                    data = key.fileobj.recv(1 << 18)
                    if not data:
                        return
                    self.carried += len(data)
                    key.data.sendall(data)


def _head(client: socket.socket) -> str:
    """The head of the next request; empty if there is none."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        if not byte or len(head) > 16_384:
            return ""
        head += byte
    return head.decode("latin-1")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


if __name__ == "__main__":
    user, password = sys.argv[3:] or ("", "")
    with Proxy(sys.argv[1], int(sys.argv[2]), user=user, password=password):
        print("ready", flush=True)
        threading.Event().wait()
