"""Connections to daemons that stay open between requests.

Each thread has one per daemon. A forked child never uses a connection of its parent.
"""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING, Optional, Tuple

if TYPE_CHECKING:
    import http.client
    import ssl

Address = Tuple[str, int, Optional[str]]  # host, port, and the certificate file if the daemon uses TLS


class _Idle:
    """A connection that waits for its next request. It closes when its thread ends."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.process = os.getpid()
        self.connection: http.client.HTTPConnection | None = connection

    def take(self) -> http.client.HTTPConnection | None:
        """The connection, unless the daemon has closed it or another process opened it."""
        connection = self.connection
        if connection is None or connection.sock is None or self.process != os.getpid():
            return None
        poll = select.poll()
        poll.register(connection.sock, select.POLLIN)
        if poll.poll(0):
            return None  # no request is pending, so what can be read is the end of the stream, or garbage
        self.connection = None
        return connection

    def __del__(self) -> None:
        if self.connection is not None:
            self.connection.close()


class _Kept(threading.local):
    def __init__(self) -> None:
        self.idle: dict[Address, _Idle] = {}


_kept = _Kept()


def take(address: Address) -> http.client.HTTPConnection | None:
    """The open connection that this thread keeps for the daemon, if it still works."""
    idle = _kept.idle.pop(address, None)
    return None if idle is None else idle.take()


def keep(address: Address, connection: http.client.HTTPConnection) -> None:
    """Keeps a connection. Its last answer must have been read to the end."""
    _kept.idle[address] = _Idle(connection)


def connect(address: Address, timeout: float) -> http.client.HTTPConnection:
    """Opens a connection. Raises ``OSError`` if nothing listens there, or if the certificate is a different one."""
    import http.client

    host, port, certificate = address
    if certificate is None:
        plain = http.client.HTTPConnection(host, port, timeout=timeout)
        plain.connect()
        return plain

    from . import _tls

    def open_connection(context: ssl.SSLContext) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        connection.connect()
        return connection

    return _tls.connect(certificate, open_connection)


def forget() -> None:
    """Closes this thread's connections."""
    _kept.idle.clear()
