"""Clients that open many connections leave a daemon enough descriptors to work with."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from real_daemon import RealDaemon


@pytest.fixture
def connections() -> Iterator[list[socket.socket]]:
    opened: list[socket.socket] = []
    yield opened
    for connection in opened:
        connection.close()


def start(tmp_path: Path, limit: str) -> RealDaemon:
    daemon = RealDaemon(tmp_path / "node", "limited", prefix=["prlimit", f"--nofile={limit}"])
    daemon.wait_until_ready()
    return daemon


def test_it_takes_all_that_the_system_grants(tmp_path: Path) -> None:
    daemon = start(tmp_path, "200:4000")
    limits = Path(f"/proc/{daemon.process.pid}/limits").read_text()
    daemon.stop()
    assert next(line for line in limits.splitlines() if "open files" in line).split()[3] == "4000"


@pytest.mark.parametrize("crowded", ["socket", "port"])
def test_a_crowd_at_one_door_leaves_the_other_open(
    tmp_path: Path, connections: list[socket.socket], crowded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = start(tmp_path, "200:200")
    try:
        name = daemon.storage / "kachery-node" / "api.socket"
        monkeypatch.chdir(name.parent)  # the whole path may be too long for the name of a socket
        for _ in range(300):
            connection = socket.socket(socket.AF_UNIX if crowded == "socket" else socket.AF_INET)
            connection.setblocking(crowded == "port")
            with suppress(BlockingIOError):
                connection.connect(name.name if crowded == "socket" else ("127.0.0.1", daemon.api_port))
                connection.send(b"POST /store HTTP/1.1\r\n")  # an incomplete request
            connections.append(connection)
        if crowded == "socket":
            headers = {"KACHERY-CLIENT-AUTH-CODE": (daemon.storage / "client-auth").read_text()}
            url = f"http://127.0.0.1:{daemon.api_port}/store"
            with urllib.request.urlopen(urllib.request.Request(url, b"stored", headers), timeout=20) as answer:
                assert b'"success":true' in answer.read()
        else:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                client.connect(name.name)
                client.sendall(b"POST /store HTTP/1.0\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nstored")
                assert b'"success":true' in client.recv(10_000)
    finally:
        daemon.stop()
