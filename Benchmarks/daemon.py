#!/usr/bin/env python3
"""Starts, stops and watches idle daemons: the cost of a service that always runs.

A start lasts from the creation of the process to the first answer; a stop lasts from the signal, or the call of /halt,
to the end of the process. Both wait for the disk. The idle nodes are two that have a link to each other.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import time
from pathlib import Path

from nodes import environment_of
from pairs import machine, parse, parser
from processes import Machine, free_port, resident_bytes

START_TARGET, STOP_TARGET = 0.3, 3.0  # seconds
MEMORY_TARGET = 40_000_000  # bytes, resident
SHARE_TARGET = 0.002  # of a core
POLLS = 200
STORED = 2_000
LOADED_BYTES = 200_000_000


class Daemon:
    """One node whose process this benchmark starts and stops itself."""

    def __init__(self, running: Machine, build: Path, name: str, *options: str) -> None:
        self._home = running.folder / name
        self._home.mkdir(exist_ok=True)
        self._running = running
        self.api_port, self.peer_port = free_port(), free_port()
        self._command = [str(build / "kacheryd"), "--label", name, "--host", "127.0.0.1", "--nomulticast"]
        self._command += ["--port", str(self.peer_port), *options]

    def start(self) -> float:
        """Starts the daemon. Returns the seconds until it answers."""
        began = time.monotonic()
        environment = environment_of(self._home, self.api_port)
        self._process = self._running.serve(self._command, self._home / "log", environment)
        while self._process.poll() is None and time.monotonic() < began + 20:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.api_port)) == 0:
                    self.call("GET", "/probe")
                    return time.monotonic() - began
            time.sleep(0.001)
        raise SystemExit(f"The daemon did not start:\n{(self._home / 'log').read_text(errors='replace')}")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def storage(self) -> Path:
        return self._home / "storage"

    def send(self, method: str, path: str, body: bytes = b"") -> http.client.HTTPConnection:
        """Sends a request without waiting for the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=60)
        token = self.storage / "client-auth"
        headers = {"KACHERY-CLIENT-AUTH-CODE": token.read_text() if token.exists() else ""}
        connection.request(method, path, body or None, headers)
        return connection

    def post(self, path: str, body: object) -> http.client.HTTPConnection:
        return self.send("POST", path, json.dumps(body).encode())

    def begin_load(self, key: object) -> http.client.HTTPConnection:
        """Begins a load. Returns when bytes arrive."""
        connection = self.post("/loadFile", {"fileKey": key})
        connection.getresponse().read1(100)
        return connection

    def call(self, method: str, path: str, body: bytes = b"") -> bytes:
        connection = self.send(method, path, body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"{path} failed with status {answer.status}: {content!r}")
        return content

    def stop(self, by_call: bool) -> float:
        """Stops the daemon. Returns the seconds until its process has ended."""
        began = time.monotonic()
        if by_call:
            self.call("GET", "/halt")
        else:
            self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(20)
        if code != 0:
            raise SystemExit(f"The daemon exited with {code}:\n{(self._home / 'log').read_text(errors='replace')}")
        return time.monotonic() - began

    def links(self) -> int:
        return int(json.loads(self.call("GET", "/stats?format=json"))["stats"]["kachery_links"])

    def wait_for_links(self, count: int) -> None:
        deadline = time.monotonic() + 20
        while self.links() < count:
            if time.monotonic() > deadline:
                raise SystemExit("The nodes do not connect.")
            time.sleep(0.05)


def report(what: str, seconds: list[float], target: float) -> None:
    middle, worst = statistics.median(seconds), max(seconds)
    print(
        f"{what:46} median {middle:6.3f} s, worst {worst:6.3f} s, target {target} s: {judge(worst, target)}", flush=True
    )


def judge(value: float, target: float) -> str:
    return "met" if value <= target else "MISSED"


def measure_start(running: Machine, build: Path, rounds: int) -> None:
    new = []
    for number in range(rounds):
        daemon = Daemon(running, build, f"new-{number}")
        new.append(daemon.start())
        daemon.stop(by_call=False)
    report("start without a directory", new, START_TARGET)
    daemon = Daemon(running, build, "old")
    daemon.start()
    for number in range(STORED):
        daemon.call("POST", "/store", f"file {number}".encode())
    full, quiet, halted = list[float](), [daemon.stop(by_call=False)], list[float]()
    for number in range(rounds):
        full.append(daemon.start())
        (halted if number % 2 else quiet).append(daemon.stop(by_call=number % 2 == 1))
    report(f"start with a directory of {STORED} files", full, START_TARGET)
    report("stop by SIGTERM, idle", quiet, STOP_TARGET)
    report("stop by /halt, idle", halted, STOP_TARGET)


def pair_of_nodes(running: Machine, build: Path, name: str) -> tuple[Daemon, Daemon]:
    channel = f"bench-{os.urandom(4).hex()}"
    first = Daemon(running, build, f"{name}-first", "--isbootstrap", "--channel", channel)
    first.start()
    bootstrap = ["--bootstrap", f"127.0.0.1:{first.peer_port}", "--channel", channel]
    second = Daemon(running, build, f"{name}-second", "--limit-down", "10", *bootstrap)
    second.start()
    second.wait_for_links(1)
    return first, second


def measure_busy_stop(running: Machine, build: Path, by_call: bool) -> None:
    """Stops both ends of a transfer, with clients that wait for messages and for files that no node has."""
    name = "halted" if by_call else "ended"
    first, second = pair_of_nodes(running, build, name)
    stored = json.loads(first.call("POST", "/store", os.urandom(1 << 20) * (LOADED_BYTES >> 20)))
    key = {"sha1": stored["sha1"], "manifestSha1": stored["manifestSha1"]}
    feed = json.loads(second.call("POST", "/feed/createFeed", b"{}"))["feedId"]
    watch = {"feedId": feed, "subfeedHash": "0" * 40, "position": 0}
    means = "/halt" if by_call else "SIGTERM"
    waiting = []
    for number in range(POLLS):
        polled = {"subfeedWatches": {"a": watch}, "waitMsec": 60_000}
        wanted = {"fileKey": {"sha1": f"{number:040x}"}, "timeoutMsec": 60_000}
        waiting += [second.post("/feed/watchForNewMessages", polled), second.post("/findFile", wanted)]
    waiting.append(second.begin_load(key))
    report(f"stop of a receiver, {2 * POLLS} calls wait, {means}", [second.stop(by_call)], STOP_TARGET)
    for connection in waiting:
        connection.close()
    second.start()
    second.wait_for_links(1)
    load = second.begin_load(key)
    report(f"stop of a sender, {means}", [first.stop(by_call)], STOP_TARGET)
    load.close()
    second.stop(by_call=False)


def processor_seconds(pid: int) -> float:
    """Processor time in nanoseconds. The usual counter has steps of 10 ms, and an idle daemon uses few of them."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def measure_idle(running: Machine, build: Path, seconds: float) -> None:
    nodes = pair_of_nodes(running, build, "idle")
    time.sleep(5)  # until the work after a start is done
    before = [processor_seconds(node.pid) for node in nodes]
    time.sleep(seconds)
    for name, node, earlier in zip(("bootstrap node", "node"), nodes, before):
        memory = resident_bytes(node.pid)
        share = (processor_seconds(node.pid) - earlier) / seconds
        for what, value, target, text in [
            ("memory", memory, MEMORY_TARGET, f"{memory / 1e6:.1f} MB, target {MEMORY_TARGET / 1e6:.0f} MB"),
            ("processor", share, SHARE_TARGET, f"{share:.3%} of a core, target {SHARE_TARGET:.1%}"),
        ]:
            print(f"{f'idle {name}, {what}':46} {text}: {judge(value, target)}", flush=True)
    for node in nodes:
        node.stop(by_call=False)


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--idle-seconds", type=float, default=60, help="how long to watch idle nodes (60)")
    chosen: argparse.Namespace = parse(options, lambda _: 3 * LOADED_BYTES)
    with machine(chosen.folder) as running:
        measure_start(running, chosen.build, chosen.pairs)
        for by_call in (False, True):
            measure_busy_stop(running, chosen.build, by_call)
        measure_idle(running, chosen.build, chosen.idle_seconds)


if __name__ == "__main__":
    main()
