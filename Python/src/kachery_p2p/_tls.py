"""TLS to a daemon on another machine, whose certificate this one was given as a file."""

from __future__ import annotations

import functools
import os
import ssl
from typing import TYPE_CHECKING, Callable, FrozenSet, Tuple

from ._errors import BadRequest

if TYPE_CHECKING:
    import http.client

Opener = Callable[[ssl.SSLContext], "http.client.HTTPSConnection"]


def connect(certificate: str, open_connection: Opener) -> "http.client.HTTPSConnection":
    """Opens a connection to the daemon of the certificate.

    The file holds the daemon's own certificate, which then counts whatever names stand in it; or that of an authority,
    whose word counts only for the host that was dialled.
    """
    version = _version(certificate)
    connection = open_connection(_context(certificate, version, False))
    if connection.sock.getpeercert(binary_form=True) in _certificates(certificate, version):
        return connection
    connection.close()
    return open_connection(_context(certificate, version, True))


def _version(path: str) -> Tuple[int, ...]:
    """What tells a file from the one that is put in its place; nothing of a file that is absent."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@functools.lru_cache(maxsize=8)
def _context(certificate: str, version: Tuple[int, ...], names_count: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = names_count
    try:
        context.load_verify_locations(cafile=certificate)
    except (OSError, ssl.SSLError) as error:
        raise BadRequest(
            f"KACHERY_API_CERTIFICATE_FILE is {certificate}, which holds no certificate ({error})."
        ) from error
    return context


@functools.lru_cache(maxsize=8)
def _certificates(certificate: str, version: Tuple[int, ...]) -> FrozenSet[bytes]:
    return frozenset(_context(certificate, version, False).get_ca_certs(binary_form=True))
