#!/usr/bin/env python3
"""Two network namespaces joined by an emulated line, as a context manager and as a command.

The command runs another one at end A. --at-b runs a shell command at end B meanwhile:

    line.py --rate 1000 --rtt 50 --loss 0.1 --at-b 'iperf3 -s -1' -- iperf3 -c 10.77.0.2 -P 8

In the command's environment, LINE_A and LINE_B are the ends, for `nsenter --net="$LINE_B"`, and `kill -USR1 $LINE_PID`
switches the line off and on.

Needs root, a C compiler and iproute2. No packet leaves a line. It ends, with all processes at its ends, when this
program does, however that ends.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
_CLONE_NEWNET = 0x4000_0000
_libc = ctypes.CDLL(None, use_errno=True)


class LineError(Exception):
    """A line cannot be made or changed."""


class Counters(NamedTuple):
    """What one direction of a line has done since the start. The last one is since the counters were last read."""

    packets: int
    bytes: int
    lost: int
    overflowed: int
    too_large: int
    dropped_off: int
    failed_writes: int
    latest_ms: float  # how late a packet arrived at worst, because the emulator waited for a processor


class End:
    """One end of a line: a namespace with the device `line` and a loopback device."""

    def __init__(self, space: str, address: str) -> None:
        self.space = space  # a path, for `nsenter --net=`
        self.address = address

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Moves the calling thread into the namespace. Sockets and processes that it creates meanwhile belong there."""
        home, space = (os.open(path, os.O_RDONLY) for path in ("/proc/thread-self/ns/net", self.space))
        try:
            _enter(space)
            try:
                yield
            finally:
                _enter(home)
        finally:
            os.close(home)
            os.close(space)

    def start(self, command: list[str], **options: Any) -> subprocess.Popen[Any]:
        """Starts a process here. The end of the line ends it."""
        with self.entered():
            return subprocess.Popen(command, **options)

    def run(self, command: list[str], timeout: float = 60) -> str:
        """Runs a command here. Returns its output."""
        with self.entered():
            finished = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        if finished.returncode != 0:
            raise LineError(f"`{' '.join(command)}` failed ({finished.returncode}): {finished.stderr.strip()}")
        return finished.stdout

    def change_address(self, address: str) -> None:
        """Gives this end another address, as when a machine moves to another network. The old one is gone."""
        old, self.address = self.address, address
        # In this order: with its first address a device loses the others of the same net.
        self.run(["ip", "address", "delete", f"{old}/24", "dev", "line"])
        self.run(["ip", "address", "add", f"{address}/24", "dev", "line"])


class Line:
    """A line between the ends `a` and `b`, from the entry into a ``with`` block to its end.

    The rate is in Mbit/s. The round trip time, and the longest time that a packet waits in the queue, are in
    milliseconds. The loss is in percent, each way. Packets of more than `largest` bytes are dropped silently; with 0
    none is.
    """

    def __init__(
        self,
        rate: float = 1000,
        rtt: float = 50,
        queue: float = 25,
        loss: float = 0,
        largest: int = 0,
        seed: int = 1,
    ) -> None:
        self._settings: dict[str, float] = {
            "seed": seed,
            "rate": rate * 1e6,
            "delay": rtt / 2,
            "queue": queue,
            "loss": loss,
            "largest": largest,
        }

    def __enter__(self) -> Line:
        if os.geteuid() != 0:
            raise LineError("An emulated line needs network namespaces, so it needs root. Run this with sudo.")
        if shutil.which("ip") is None:
            raise LineError("There is no `ip`. Install iproute2 (Deploy/install-dependencies.sh --bench).")
        self._emulator = subprocess.Popen(
            [str(built("line"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        try:
            self.a, self.b = self._open_ends()
            for name, value in self._settings.items():
                self._change(name, value)
            for end in (self.a, self.b):
                self._set_up(end)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # The end of its input ends the emulator, which first ends the processes at both ends.
        try:
            self._emulator.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            self._emulator.kill()
            self._emulator.wait()

    @property
    def pid(self) -> int:
        """The emulator's process. SIGUSR1 switches the line off and on."""
        return self._emulator.pid

    def change(self, **settings: float) -> None:
        """Changes `rate`, `rtt`, `queue`, `loss` or `largest`, in the units of the class, for packets from now on."""
        for name, value in settings.items():
            if name not in {"rate", "rtt", "queue", "loss", "largest"}:
                raise LineError(f"A line has no '{name}'.")
            self._change("delay" if name == "rtt" else name, {"rate": value * 1e6, "rtt": value / 2}.get(name, value))

    def switch(self, on: bool) -> None:
        """While the line is off, it drops everything silently."""
        self._change("off", 0 if on else 1)

    def counters(self) -> tuple[Counters, Counters]:
        """The counters from A to B, and from B to A."""
        return self._change("counters", 0)

    def _change(self, name: str, value: float) -> tuple[Counters, Counters]:
        assert self._emulator.stdin is not None
        self._emulator.stdin.write(f"{name} {value:.6f}\n")
        forward, back = self._answer()
        return Counters(**forward), Counters(**back)

    def _answer(self) -> list[Any]:
        assert self._emulator.stdout is not None
        answer = self._emulator.stdout.readline()
        if not answer:
            raise LineError(f"The emulator ended with {self._emulator.wait(10)}; its message is above.")
        return list(json.loads(answer))

    def _open_ends(self) -> tuple[End, End]:
        a, b = (f"/proc/{self.pid}/fd/{number}" for number in self._answer())
        return End(a, "10.77.0.1"), End(b, "10.77.0.2")

    def _set_up(self, end: End) -> None:
        end.run(["ip", "link", "set", "lo", "up"])
        # Otherwise the kernel would send packets of its own at random times, and a seed would not repeat its losses.
        with end.entered(), contextlib.suppress(FileNotFoundError):
            Path("/proc/sys/net/ipv6/conf/line/disable_ipv6").write_text("1")
        # The emulator's own queue decides what is dropped, so this one must never be full.
        end.run(["ip", "link", "set", "line", "txqueuelen", "20000", "up"])
        end.run(["ip", "address", "add", f"{end.address}/24", "dev", "line"])
        # Otherwise a connection would start with what an earlier one had measured.
        with end.entered():
            Path("/proc/sys/net/ipv4/tcp_no_metrics_save").write_text("1")


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise LineError(f"Cannot enter a network namespace: {os.strerror(ctypes.get_errno())}.")


def built(name: str) -> Path:
    """Compiles `line.c` to a program or `congestion.c` to a library, unless that is done. Returns its path."""
    source = Path(__file__).with_name(f"{name}.c")
    target = ROOT / ".build" / "network" / (name if name == "line" else f"{name}.so")
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when complete, because another program may compile or use it at the same time.
    new = target.with_name(f"{target.name}.{os.getpid()}")
    kind = [] if name == "line" else ["-shared", "-fPIC", "-ldl"]
    # The Swift toolchain contains clang.
    compiler = shutil.which("cc") or shutil.which("clang") or "cc"
    command = [compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(new), str(source), *kind]
    try:
        subprocess.run(command, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        raise LineError(f"Cannot compile {source}: {error}.") from error
    new.rename(target)
    return target


def main() -> int:
    description, _, rest = (__doc__ or "").partition("\n\n")
    options = argparse.ArgumentParser(
        description=description, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rate", type=float, default=1000, help="Mbit/s (1000)")
    options.add_argument("--rtt", type=float, default=50, help="round trip time in ms (50)")
    options.add_argument("--queue", type=float, default=25, help="the longest wait in the queue in ms (25)")
    options.add_argument("--loss", type=float, default=0, help="random loss each way in percent (0)")
    options.add_argument("--largest", type=int, default=0, help="silently drop packets of more bytes (0: none)")
    options.add_argument("--seed", type=int, default=1, help="of the losses (1)")
    options.add_argument("--at-b", metavar="COMMAND", help="a shell command to run at end B meanwhile")
    options.add_argument("command", nargs="+", help="the command to run at end A, after --")
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Line(chosen.rate, chosen.rtt, chosen.queue, chosen.loss, chosen.largest, chosen.seed) as line:
            environment = dict(os.environ, LINE_A=line.a.space, LINE_B=line.b.space, LINE_PID=str(line.pid))
            if chosen.at_b:
                line.b.start(["sh", "-c", chosen.at_b], env=environment, stdout=sys.stderr)
                time.sleep(0.5)
            code = line.a.start(chosen.command, env=environment).wait()
            for direction, counters in zip(("A to B", "B to A"), line.counters()):
                print(f"{direction}: {counters}", file=sys.stderr)
            return int(code)
    except (LineError, OSError) as error:
        print(f"line: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
