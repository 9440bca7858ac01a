"""Processes under measurement: their time and peak memory. All of them end with the benchmark."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

COMMAND_DEADLINE = 180.0  # seconds for a command to finish
STOP_DEADLINE = 10.0
_INSIDE = "KACHERY_BENCH_NAMESPACE"
_BLOCK = 4 << 20


class Usage(NamedTuple):
    """What a process has used: its peak resident memory and its processor time."""

    peak_bytes: int = 0
    processor_seconds: float = 0.0

    def joined(self, other: Usage) -> Usage:
        """The usage of two runs of one program: the higher peak, and the total time."""
        return Usage(max(self.peak_bytes, other.peak_bytes), self.processor_seconds + other.processor_seconds)


class Finished(NamedTuple):
    """A command that has finished."""

    seconds: float
    usage: Usage
    output: str


def enter_namespace() -> None:
    """Runs the benchmark again in a network namespace of its own, whose loopback interface is up. Needs root."""
    if os.geteuid() != 0:
        raise SystemExit("The benchmark needs root, for a network namespace.")
    if _INSIDE not in os.environ:
        os.environ[_INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def firewall(*rules: str) -> None:
    """Replaces the rules for connections that are being opened."""
    lines = [
        "flush ruleset",
        "table inet bench {",
        "chain input {",
        "type filter hook input priority 0;",
        *(f"tcp flags & (syn | ack) == syn {rule}" for rule in rules),
        "}",
        "}",
    ]
    subprocess.run(["nft", "-f", "-"], input="\n".join(lines) + "\n", text=True, check=True)


class Machine:
    """A folder to work in, and the servers that run there. Leaving the ``with`` block stops them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Machine:
        # So that SIGTERM also leaves the ``with`` block.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            try:
                server.wait(STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()

    @property
    def processors(self) -> int:
        return len(os.sched_getaffinity(0))

    @property
    def congestion_control(self) -> str:
        return Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()

    def prime(self, size: int) -> None:
        """Writes and deletes ``size`` bytes, so that the next writer gets memory pages that were used before."""
        path = self.folder / "primer"
        with path.open("wb", buffering=0) as file:
            block = bytes(_BLOCK)
            for _ in range(0, size, _BLOCK):
                file.write(block)
        path.unlink()

    def make_file(self, name: str, size: int) -> Path:
        """Creates a file of random bytes, which are then in the page cache."""
        path = self.folder / name
        with path.open("wb") as file:
            left = size
            while left > 0:
                block = os.urandom(min(_BLOCK, left))
                file.write(block)
                left -= len(block)
            os.fsync(file.fileno())
        return path

    def serve(
        self, command: list[str], log: Path, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Starts a server that runs until the end of the benchmark."""
        with log.open("wb") as output:
            server = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        self._servers.append(server)
        return server

    def run(self, command: list[str], environment: dict[str, str] | None = None) -> Finished:
        """Runs a command. If it fails or takes too long, the benchmark ends with the command's output."""
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with PeakMemory(process.pid) as peak, killing_late(process):
            assert process.stdout is not None
            output = process.stdout.read()
            _, status, spent = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
        # wait4 has taken the status that Popen would wait for.
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed ({process.returncode}):\n{output}")
        return Finished(seconds, Usage(peak.bytes, spent.ru_utime + spent.ru_stime), output.strip())


class PeakMemory:
    """Samples a process's peak memory. The peak from wait4 would include the Python process that started it."""

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            try:
                self.bytes = max(self.bytes, usage_of(self._pid).peak_bytes)
            except (OSError, StopIteration):
                return


@contextmanager
def killing_late(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Kills a command that exceeds its deadline."""
    timer = threading.Timer(COMMAND_DEADLINE, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def sync(path: Path) -> float:
    """Syncs a file to the disk. Returns the seconds that this takes."""
    began = time.monotonic()
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return time.monotonic() - began


def usage_of(pid: int) -> Usage:
    """What a running process has used so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Usage(peak, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))


def resident_bytes(pid: int) -> int:
    """The present resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def children_of(pid: int) -> list[int]:
    """The IDs of a process's children."""
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for_port(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until the server listens. If it exits instead, the benchmark ends with its log."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"The server does not listen on port {port}:\n{log.read_text(errors='replace')}")
