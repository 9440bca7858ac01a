"""Nodes at the ends of an emulated line that is long, loses packets, or is interrupted.

`make test-network` runs these as root. They print how long a transfer took to continue.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from line import End, Line
from real_daemon import RealDaemon, free_port, program

CHANNEL = "lines"
# A path that has gone silent is given up, or used again, within this time.
NOTICED = 3.0  # seconds
PATIENCE = 120.0  # seconds for a load to finish


class Node:
    """A daemon at one end, which detects its own address."""

    def __init__(
        self,
        end: End,
        folder: Path,
        label: str,
        *options: str,
        channel: str = CHANNEL,
        multicast: bool = False,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._end = end
        self._folder = folder
        with end.entered():
            self._daemon = RealDaemon(
                folder / label,
                label,
                *options,
                "--channel",
                channel,
                host=None,
                multicast=multicast,
                environment=environment,
            )
            self._daemon.wait_until_ready()
            self.node_id = str(self._daemon.probe["nodeId"])

    def kachery(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts `kachery` with these arguments."""
        return self._end.start(
            [str(program("kachery")), *arguments],
            env=self._daemon.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def store(self, size: int) -> tuple[str, str]:
        """Stores random bytes. Returns the URI of the file and its SHA-1."""
        path = self._folder / f"{self._daemon.label}-source.bin"
        content = os.urandom(size)
        path.write_bytes(content)
        return finished(self.kachery("store", str(path))), hashlib.sha1(content).hexdigest()

    def load(self, uri: str) -> subprocess.Popen[str]:
        """Starts to load a file. The command's output is the path of a copy."""
        return self.kachery("load", "--quiet", "--dest", str(self._folder / f"{self._daemon.label}-copy.bin"), uri)

    def wait_for_links(self, count: int) -> None:
        """Waits until this node has links to ``count`` others."""
        deadline = time.monotonic() + 30
        while self.links() < count:
            if time.monotonic() > deadline:
                pytest.fail(f"{self._daemon.label} has {self.links()} links, not {count}.")
            time.sleep(0.05)

    def links(self) -> int:
        return self.count("kachery_links")

    def count(self, name: str) -> int:
        """The present value of a metric."""
        return int(self._get("/stats?format=json")["stats"][name])

    def address_of(self, label: str) -> str:
        """The address of the link in use to the node with this label; empty if there is none."""
        peers = self._get("/v1/peers")["peers"]
        return next((str(peer["address"]) for peer in peers if peer["label"] == label), "")

    def paths_to(self, label: str) -> list[dict[str, Any]]:
        """The paths to the node with this label, as the local API describes them."""
        peers = self._get("/v1/peers")["peers"]
        return next((list(peer["paths"]) for peer in peers if peer["label"] == label), [])

    def _get(self, path: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._daemon.api_port}{path}"
        token = (self._daemon.storage / "client-auth").read_text()
        request = urllib.request.Request(url, headers={"KACHERY-CLIENT-AUTH-CODE": token})
        with self._end.entered(), urllib.request.urlopen(request, timeout=5) as answer:
            return dict(json.load(answer))

    def log(self) -> str:
        """What the daemon has logged."""
        return self._daemon.log.read_text(errors="replace")

    def reload(self) -> None:
        """Makes the daemon read its settings again."""
        self.signal(signal.SIGHUP)

    def signal(self, number: signal.Signals) -> None:
        """Sends the daemon a signal."""
        self._daemon.process.send_signal(number)

    def stop(self) -> None:
        self._daemon.stop()


class Ends:
    """A bootstrap node and a source at end A, and readers at end B, which find it through the bootstrap node."""

    def __init__(self, line: Line, folder: Path) -> None:
        self.line = line
        self._folder = folder
        with line.a.entered():
            port = free_port()
        self._joining = ("--bootstrap", f"{line.a.address}:{port}")
        bootstrap = Node(line.a, folder, "bootstrap", "--isbootstrap", "--port", str(port))
        self._running = [bootstrap]
        self.source = self.new_source()

    def new_source(self, label: str = "source") -> Node:
        return self._start(self.line.a, label)

    def reader(self, label: str = "reader") -> Node:
        return self._start(self.line.b, label)

    def _start(self, end: End, label: str) -> Node:
        node = Node(end, self._folder, label, *self._joining)
        self._running.append(node)
        return node

    def stop(self) -> None:
        for node in reversed(self._running):
            node.stop()


@pytest.fixture
def line() -> Iterator[Line]:
    """100 Mbit/s and a round trip of 50 ms. Tests change what they need otherwise."""
    with Line(rate=100, rtt=50) as line:
        yield line


@pytest.fixture
def ends(line: Line, tmp_path: Path) -> Iterator[Ends]:
    ends = Ends(line, tmp_path)
    ends.source.wait_for_links(1)
    yield ends
    ends.stop()


def finished(command: subprocess.Popen[str], patience: float = PATIENCE) -> str:
    """The output of a command that must succeed."""
    try:
        output, _ = command.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        command.kill()
        output, _ = command.communicate()
        pytest.fail(f"{command.args!r} did not finish in {patience} s:\n{output}")
    assert command.returncode == 0, f"{command.args!r} failed ({command.returncode}):\n{output}"
    return output.strip()


def sha1_of_copy(load: subprocess.Popen[str]) -> str:
    return hashlib.sha1(Path(finished(load)).read_bytes()).hexdigest()


def wait_for_bytes(line: Line, count: int, patience: float = 60) -> float:
    """Waits until end B has got ``count`` more bytes. Returns the seconds that this took."""
    began, before = time.monotonic(), line.counters()[0].bytes
    while line.counters()[0].bytes < before + count:
        if time.monotonic() > began + patience:
            pytest.fail(f"Only {line.counters()[0].bytes - before} bytes arrived in {patience} s.")
        time.sleep(0.01)
    return time.monotonic() - began


def show(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n  {text}", flush=True)


@pytest.mark.parametrize("loss", [0, 1])
def test_a_file_arrives_over_a_round_trip_of_200_ms(ends: Ends, loss: float, capsys: Any) -> None:
    ends.line.change(rtt=200, loss=loss)
    uri, digest = ends.source.store(16 << 20)
    reader = ends.reader()
    reader.wait_for_links(2)
    began = time.monotonic()
    assert sha1_of_copy(reader.load(uri)) == digest
    show(capsys, f"16 MiB in {time.monotonic() - began:.1f} s at 200 ms and {loss} % loss")


def test_a_fresh_node_loads_over_a_round_trip_of_300_ms(ends: Ends, capsys: Any) -> None:
    """The order of the two IDs decides which node dials, so there are three pairs of either order."""
    ends.line.change(rtt=300)
    orders = {True: 0, False: 0}
    failed = list[str]()
    for number in range(40):
        source = ends.new_source(f"source-{number}")
        source.wait_for_links(1)
        reader = ends.reader(f"reader-{number}")
        order = reader.node_id < source.node_id
        orders[order] += 1
        if orders[order] <= 3:
            failed += failures_of_load(
                source, reader, f"the reader has the {'smaller' if order else 'larger'} ID", capsys
            )
        reader.stop()
        source.stop()
        if min(orders.values()) >= 3:
            break
    assert min(orders.values()) >= 3
    assert not failed


def failures_of_load(source: Node, reader: Node, what: str, capsys: Any) -> list[str]:
    """Loads a small file as soon as the daemon of the reader answers. Returns the message if that fails."""
    uri, digest = source.store(100_000)
    began, load = time.monotonic(), reader.load(uri)
    output, _ = load.communicate(timeout=PATIENCE)
    show(capsys, f"{'failed' if load.returncode else 'loaded'} in {time.monotonic() - began:.1f} s; {what}")
    if load.returncode != 0:
        return [output]
    assert hashlib.sha1(Path(output.strip()).read_bytes()).hexdigest() == digest
    return []


def test_a_load_continues_after_the_line_was_dead_for_10_seconds(ends: Ends, capsys: Any) -> None:
    uri, digest = ends.source.store(64 << 20)
    reader = ends.reader()
    reader.wait_for_links(2)
    load = reader.load(uri)
    wait_for_bytes(ends.line, 8 << 20)
    ends.line.switch(on=False)
    time.sleep(10)
    ends.line.switch(on=True)
    seconds = wait_for_bytes(ends.line, 1 << 20)
    show(capsys, f"continued {seconds:.1f} s after the line was back")
    assert sha1_of_copy(load) == digest
    assert seconds <= NOTICED


def test_a_load_continues_after_the_reader_got_another_address(ends: Ends, capsys: Any) -> None:
    uri, digest = ends.source.store(64 << 20)
    reader = ends.reader()
    reader.wait_for_links(2)
    load = reader.load(uri)
    wait_for_bytes(ends.line, 8 << 20)
    ends.line.b.change_address("10.77.0.3")
    time.sleep(0.2)  # What was under way to the old address has arrived.
    seconds = wait_for_bytes(ends.line, 1 << 20)
    show(capsys, f"continued {seconds:.1f} s after the change")
    assert sha1_of_copy(load) == digest
    assert seconds <= NOTICED


@pytest.mark.parametrize("size", [8, 64])
def test_a_file_arrives_over_a_line_that_silently_drops_large_packets(ends: Ends, size: int, capsys: Any) -> None:
    """As behind a tunnel with an MTU of 1280 whose ICMP messages are filtered. 64 MiB need several lanes."""
    ends.line.change(largest=1280)
    uri, digest = ends.source.store(size << 20)
    reader = ends.reader()
    reader.wait_for_links(2)
    began = time.monotonic()
    assert sha1_of_copy(reader.load(uri)) == digest
    show(capsys, f"{size} MiB in {time.monotonic() - began:.1f} s with packets of 1280 bytes")
