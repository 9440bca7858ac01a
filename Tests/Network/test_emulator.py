"""The emulated line itself: it delays, limits, loses and drops as it is told, and alters nothing."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from line import End, Line


@pytest.fixture
def line() -> Iterator[Line]:
    with Line(rate=1000, rtt=20) as line:
        yield line


def connected(line: Line) -> tuple[socket.socket, socket.socket]:
    """A connection from end A to end B."""
    with line.b.entered():
        listener = socket.create_server((line.b.address, 0))
    with line.a.entered():
        near = socket.create_connection(listener.getsockname(), timeout=60)
    far, _ = listener.accept()
    listener.close()
    for end in (near, far):
        end.settimeout(60)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


def seconds_of_transfer(line: Line, size: int) -> float:
    """Sends random bytes from A to B, and checks that they arrive unaltered."""
    content = os.urandom(size)
    near, far = connected(line)
    with near, far:
        began = time.monotonic()
        sender = Thread(target=send_all, args=(near, content))
        sender.start()
        received = hashlib.sha1()
        while block := far.recv(1 << 20):
            received.update(block)
        seconds = time.monotonic() - began
        sender.join()
    assert received.digest() == hashlib.sha1(content).digest()
    return seconds


def send_all(connection: socket.socket, content: bytes) -> None:
    connection.sendall(content)
    connection.shutdown(socket.SHUT_WR)


def test_a_round_trip_takes_at_least_its_time(line: Line) -> None:
    near, far = connected(line)
    with near, far:
        began = time.monotonic()
        near.send(b"?")
        far.recv(1)
        far.send(b"!")
        near.recv(1)
    assert time.monotonic() - began >= 0.02


def test_the_line_is_no_faster_than_its_rate(line: Line) -> None:
    line.change(rate=40)
    assert seconds_of_transfer(line, 5_000_000) >= 0.95 * 5_000_000 * 8 / 40e6


@pytest.mark.parametrize("queue", [0.2, 25])
def test_bytes_arrive_unaltered_although_packets_are_lost(line: Line, queue: float) -> None:
    """Packets are lost at random and by a full queue, out of the middle of groups of segments."""
    line.change(loss=5, queue=queue)
    seconds_of_transfer(line, 5_000_000)
    forward = line.counters()[0]
    offered = forward.packets + forward.lost
    assert offered > 3_000
    assert 0.03 < forward.lost / offered < 0.07


def test_one_seed_repeats_the_same_losses() -> None:
    """Datagrams are never sent again, so the same ones must be lost each time."""
    arrived = []
    for seed in (7, 7, 8):
        with Line(rate=0, rtt=0, loss=20, seed=seed) as line:
            arrived.append(datagrams_that_arrive(line.a, line.b))
    assert arrived[0] == arrived[1] != arrived[2]


def datagrams_that_arrive(near: End, far: End) -> list[int]:
    with far.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((far.address, 0))
    with near.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    numbers = []
    with receiver, sender:
        receiver.settimeout(1)
        for number in range(200):
            sender.sendto(number.to_bytes(2, "big"), receiver.getsockname())
        with suppress(socket.timeout):
            while True:
                numbers.append(int.from_bytes(receiver.recv(2), "big"))
    return numbers


def test_groups_of_datagrams_are_lost_one_by_one(line: Line) -> None:
    """The kernel passes on what a program sends at once as a group, and the receiver gets datagrams."""
    line.change(loss=10)
    size, udp_segment, receive_buffer_force = 1_200, 103, 33
    with line.b.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((line.b.address, 0))
    with line.a.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sent = [os.urandom(size) for _ in range(2_000)]
    arrived: list[bytes] = []
    with receiver, sender:
        receiver.settimeout(1)
        receiver.setsockopt(socket.SOL_SOCKET, receive_buffer_force, 32 << 20)
        sender.setsockopt(socket.IPPROTO_UDP, udp_segment, size)
        for start in range(0, len(sent), 40):
            # Slower than the line, whose queue would overflow otherwise.
            time.sleep(0.002)
            sender.sendto(b"".join(sent[start : start + 40]), receiver.getsockname())
        with suppress(socket.timeout):
            while True:
                arrived.append(receiver.recv(65_536))
    forward = line.counters()[0]
    assert forward.packets + forward.lost == len(sent)
    assert len(arrived) == forward.packets
    assert 0.05 < forward.lost / len(sent) < 0.15
    known = set(sent)
    assert all(datagram in known for datagram in arrived)


def test_large_packets_disappear(line: Line) -> None:
    near, far = connected(line)
    line.change(largest=1280)
    with near, far:
        far.settimeout(1)
        near.send(bytes(1000))
        assert len(far.recv(2000)) == 1000
        near.send(bytes(1400))
        with pytest.raises(socket.timeout):
            far.recv(2000)
    assert line.counters()[0].too_large > 0


def test_nothing_arrives_while_the_line_is_off(line: Line) -> None:
    near, far = connected(line)
    with near, far:
        line.switch(on=False)
        near.send(b"?")
        far.settimeout(0.5)
        with pytest.raises(socket.timeout):
            far.recv(1)
        os.kill(line.pid, signal.SIGUSR1)
        far.settimeout(60)
        assert far.recv(1) == b"?"
    assert line.counters()[0].dropped_off > 0


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_the_program_that_made_the_line(end: signal.Signals) -> None:
    program = [sys.executable, str(Path(__file__).with_name("line.py")), "--at-b", "echo $$; exec sleep 300"]
    with subprocess.Popen([*program, "--", "sleep", "300"], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        process = int(running.stderr.readline())
        running.send_signal(end)
        running.wait(30)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and Path(f"/proc/{process}").exists():
            time.sleep(0.05)
        assert not Path(f"/proc/{process}").exists()
