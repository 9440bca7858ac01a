"""Two nodes that reach each other only through relays, of which the one in use is lost.

`make test-network` runs this as root. It prints how long a transfer and a feed stood still.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from sites import Sites
from test_lines import Node, finished

# When a relay is lost, nothing stands still for longer than 3 s, on a machine that is not busy with other work.
STANDSTILL = 5.0  # seconds
# A second relay is ready within this time.
READY = 20.0  # seconds


class Place:
    """Nodes A and B, each behind a router of its own, and two bootstrap nodes that relay 10 MB/s."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        sites = Sites(stack)
        self.ends = {f"R{number}": sites.machine(number) for number in (1, 2)}
        joining = [word for end in self.ends.values() for word in ("--bootstrap", f"{end.address}:14507")]
        self._stack, self._folder = stack, folder
        self.relays = {
            name: self._start(name, "--isbootstrap", "--port", "14507", "--limit-relay", "10") for name in self.ends
        }
        self.a, self.b = (self._start(name, *joining, "--no-punching", site=sites) for name in "AB")
        for node in (self.a, self.b):
            node.wait_for_links(3)

    def _start(self, label: str, *options: str, site: Sites | None = None) -> Node:
        end = self.ends[label] if site is None else site.site(label)[0]
        node = Node(end, self._folder, label, *options)
        self._stack.callback(node.stop)
        # One that was stopped by a signal has to run again to end.
        self._stack.callback(node.signal, signal.SIGCONT)
        return node

    def relay_in_use(self) -> str:
        """The label of the relay through which B asks A, once there are two paths through different relays."""
        deadline = time.monotonic() + READY
        while True:
            paths = self.b.paths_to("A")
            if len({path["relayLabel"] for path in paths}) == 2:
                return str(next(path["relayLabel"] for path in paths if path["isInUse"]))
            assert time.monotonic() < deadline, f"the paths to A are {paths}"
            time.sleep(0.1)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        yield Place(stack, tmp_path)


class Readings:
    """The times at which something moved on, from its beginning."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def note(self) -> None:
        self.times.append(time.monotonic())

    @property
    def standstill(self) -> float:
        return max(after - before for before, after in zip(self.times, self.times[1:]))


def read_lines(stream: IO[str], lines: list[str], readings: Readings) -> None:
    for line in stream:
        lines.append(line)
        readings.note()


@pytest.mark.parametrize("loss", ["killed", "stopped", "cut off"])
def test_the_other_relay_takes_over(place: Place, tmp_path: Path, loss: str) -> None:
    a, b = place.a, place.b
    used = place.relay_in_use()
    uri, digest = a.store(80_000_000)
    feed = finished(a.kachery("feed", "create"))
    finished(a.kachery("feed", "append", f"{feed}/main", json.dumps({"number": 0})))
    tail = b.kachery("feed", "tail", "--follow", "--number", "1000", "--json", f"{feed}/main")
    assert tail.stdout is not None
    lines: list[str] = []
    messages, bytes_received = Readings(), Readings()
    reader = threading.Thread(target=read_lines, args=(tail.stdout, lines, messages))
    reader.start()
    load = b.load(uri)
    count, number, begun, lost = 0, 0, time.monotonic(), False
    while load.poll() is None:
        assert time.monotonic() - begun < 60, "the transfer does not end"
        received = b.count("kachery_file_bytes_received_total")
        if received > count:
            bytes_received.note()
        count = received
        if time.monotonic() - begun > 0.2 * number:
            number += 1
            finished(a.kachery("feed", "append", f"{feed}/main", json.dumps({"number": number})))
        if not lost and count > 20_000_000:
            lost = True
            if loss == "cut off":
                place.ends[used].run(["ip", "link", "set", "dev", "cable", "down"])
            else:
                place.relays[used].signal(signal.SIGKILL if loss == "killed" else signal.SIGSTOP)
        time.sleep(0.02)
    finished(load)
    assert lost
    assert hashlib.sha1((tmp_path / "B-copy.bin").read_bytes()).hexdigest() == digest
    deadline = time.monotonic() + 30
    while len(lines) <= number and time.monotonic() < deadline:
        time.sleep(0.05)
    tail.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        tail.wait(10)
    reader.join()
    numbers = [json.loads(line)["number"] for line in lines if line.startswith("{")]
    print(
        f"\n  {loss}: bytes stood still for {bytes_received.standstill:.1f} s, messages for {messages.standstill:.1f} s"
    )
    assert numbers == list(range(number + 1))
    assert {path["relayLabel"] for path in b.paths_to("A")} - {used}
    assert bytes_received.standstill < STANDSTILL
    assert messages.standstill < STANDSTILL
