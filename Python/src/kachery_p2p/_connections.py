"""Connections to daemons that stay open between requests: one a thread and daemon, never shared with a forked child."""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING, Dict, Optional, Tuple

if TYPE_CHECKING:
    import http.client
    import ssl

Address = Tuple[str, int, Optional[str]]  # host, port, and the file of the certificate where TLS is spoken


class _Idle:
    """A connection that waits for its next request; closed with the thread that it belongs to."""

    def __init__(self, connection: "http.client.HTTPConnection") -> None:
        self.process = os.getpid()
        self.connection: Optional["http.client.HTTPConnection"] = connection

    def take(self) -> Optional["http.client.HTTPConnection"]:
        """The connection, unless the daemon has hung up meanwhile or another process opened it."""
        connection = self.connection
        if connection is None or connection.sock is None or self.process != os.getpid():
            return None
        poll = select.poll()
        poll.register(connection.sock, select.POLLIN)
        if poll.poll(0):
            return None  # nothing was asked: only an end, or nonsense, can be waiting there
        self.connection = None
        return connection

    def __del__(self) -> None:
        if self.connection is not None:
            self.connection.close()


class _Kept(threading.local):
    def __init__(self) -> None:
        self.idle: Dict[Address, _Idle] = {}


_kept = _Kept()


def take(address: Address) -> Optional["http.client.HTTPConnection"]:
    """An open connection that this thread keeps for the daemon, if there is one that still works."""
    idle = _kept.idle.pop(address, None)
    return None if idle is None else idle.take()


def keep(address: Address, connection: "http.client.HTTPConnection") -> None:
    """Keeps a connection whose answer was read to its end."""
    _kept.idle[address] = _Idle(connection)


def connect(address: Address, timeout: float) -> "http.client.HTTPConnection":
    """Opens a connection. Raises ``OSError`` where nobody listens, or the certificate is another one."""
    import http.client

    host, port, certificate = address
    if certificate is None:
        plain = http.client.HTTPConnection(host, port, timeout=timeout)
        plain.connect()
        return plain

    from . import _tls

    def open_connection(context: "ssl.SSLContext") -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        connection.connect()
        return connection

    return _tls.connect(certificate, open_connection)


def forget() -> None:
    """Closes the connections that this thread keeps."""
    _kept.idle.clear()
