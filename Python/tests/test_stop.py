"""A daemon stops within three seconds, whatever its clients are waiting for."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from real_daemon import RealDaemon, StartDaemon, free_port

LIMIT = 3.0  # seconds
CHANNEL = "stopping-77d"
SIZE = 60_000_000


class Callers:
    """Requests whose answers are pending."""

    def __init__(self) -> None:
        self.connections: list[http.client.HTTPConnection] = []

    def send(self, daemon: RealDaemon, path: str, body: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", daemon.api_port, timeout=30)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        token = (daemon.storage / "client-auth").read_text()
        connection.request("POST", path, content, {"KACHERY-CLIENT-AUTH-CODE": token})
        self.connections.append(connection)
        return connection

    def post(self, daemon: RealDaemon, path: str, body: Any) -> Any:
        answer = self.send(daemon, path, body).getresponse()
        assert answer.status == 200
        return json.loads(answer.read())


@pytest.fixture
def callers() -> Iterator[Callers]:
    callers = Callers()
    yield callers
    for connection in callers.connections:
        connection.close()


def end(daemon: RealDaemon, by: str, callers: Callers) -> float:
    began = time.monotonic()
    if by == "SIGTERM":
        daemon.process.send_signal(signal.SIGTERM)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", daemon.api_port, timeout=10)
        token = (daemon.storage / "client-auth").read_text()
        connection.request("GET", "/halt", headers={"KACHERY-CLIENT-AUTH-CODE": token})
        assert json.loads(connection.getresponse().read()) == {"success": True}
        connection.close()
    assert daemon.process.wait(20) == 0, daemon.log.read_text()
    return time.monotonic() - began


@pytest.mark.parametrize("by", ["SIGTERM", "/halt"])
@pytest.mark.parametrize("ended", ["sender", "receiver"])
def test_it_ends_under_long_polls_and_transfers(
    start_daemon: Callable[..., RealDaemon], callers: Callers, by: str, ended: str
) -> None:
    port = free_port()
    sender = start_daemon("sender", "--isbootstrap", "--port", str(port), "--channel", CHANNEL)
    stored = callers.post(sender, "/store", os.urandom(SIZE))
    key = {"sha1": stored["sha1"], "manifestSha1": stored["manifestSha1"]}
    receiver = start_daemon("receiver", "--bootstrap", f"127.0.0.1:{port}", "--channel", CHANNEL, "--limit-down", "4")
    daemon = {"sender": sender, "receiver": receiver}[ended]
    feed = callers.post(daemon, "/feed/createFeed", {})["feedId"]
    watch = {"feedId": feed, "subfeedHash": "0" * 40, "position": 0}
    for number in range(20):
        callers.send(daemon, "/feed/watchForNewMessages", {"subfeedWatches": {"a": watch}, "waitMsec": 60_000})
        callers.send(daemon, "/findFile", {"fileKey": {"sha1": f"{number:040x}"}, "timeoutMsec": 60_000})
    load = callers.send(receiver, "/loadFile", {"fileKey": key}).getresponse()
    assert b"progress" in load.read1(1000), "the transfer has begun"
    assert end(daemon, by, callers) < LIMIT
    assert not list((receiver.storage / "sha1").rglob(key["sha1"])), "an incomplete file must not get its name"


@pytest.mark.parametrize("call", ["storeFile", "linkFile"])
def test_a_file_that_takes_minutes_does_not_hold_it_up(
    daemon: RealDaemon, callers: Callers, tmp_path: Path, call: str
) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(200_000_000_000)  # a hole, which needs no space but has to be read
    body = {"localFilePath": str(path), "size": path.stat().st_size, "mtime": path.stat().st_mtime}
    callers.send(daemon, f"/{call}", body)
    wait_until_read(daemon)
    assert end(daemon, "SIGTERM", callers) < LIMIT
    assert not list((daemon.storage / "kachery-node" / "temporary").glob("*")), "no temporary file remains"
    assert "cut off" not in daemon.log.read_text()


def wait_until_read(daemon: RealDaemon) -> None:
    """Waits until the daemon has read many bytes."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = Path(f"/proc/{daemon.process.pid}/io").read_text().splitlines()
        if int(lines[0].split()[1]) > 50_000_000:
            return
        time.sleep(0.01)
    pytest.fail("The daemon does not read the file.")


def test_signals_that_the_parent_process_blocked_are_taken(start_daemon: StartDaemon) -> None:
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        daemon = start_daemon("masked")
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(timeout=20) == 0
