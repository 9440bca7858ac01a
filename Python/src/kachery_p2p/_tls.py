"""TLS to a daemon on another machine, whose certificate is in a local file."""

from __future__ import annotations

import functools
import os
import ssl
from typing import TYPE_CHECKING, Callable

from ._errors import BadRequest

if TYPE_CHECKING:
    import http.client

Opener = Callable[[ssl.SSLContext], "http.client.HTTPSConnection"]


def connect(certificate: str, open_connection: Opener) -> http.client.HTTPSConnection:
    """Opens a connection to the daemon with this certificate.

    The file contains the daemon's own certificate, which is accepted whatever names it lists, or the certificate of an
    authority. An authority's certificate is accepted only for the host that was dialled.
    """
    version = _version(certificate)
    connection = open_connection(_context(certificate, version, False))
    if connection.sock.getpeercert(binary_form=True) in _certificates(certificate, version):
        return connection
    connection.close()
    return open_connection(_context(certificate, version, True))


def _version(path: str) -> tuple[int, ...]:
    """A value that changes when the file is replaced; empty if the file is absent."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@functools.lru_cache(maxsize=8)
def _context(certificate: str, version: tuple[int, ...], checks_names: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = checks_names
    try:
        context.load_verify_locations(cafile=certificate)
    except (OSError, ssl.SSLError) as error:
        raise BadRequest(
            f"KACHERY_API_CERTIFICATE_FILE is {certificate}, which contains no certificate ({error})."
        ) from error
    return context


@functools.lru_cache(maxsize=8)
def _certificates(certificate: str, version: tuple[int, ...]) -> frozenset[bytes]:
    return frozenset(_context(certificate, version, False).get_ca_certs(binary_form=True))
