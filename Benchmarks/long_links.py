#!/usr/bin/env python3
"""Transfers a large file over emulated long lines, beside curl and `aria2c -x8` from nginx.

The contenders take turns: kachery from node to node (`kachery load`, verified and synced to the disk), curl with one
connection and aria2c with eight, both over plain HTTP. Each turn begins with the start of the client, and kachery's
receiver is a new node that has just met the other. Before them, iperf3 with eight connections measures what the line
carries on this machine at that moment. Below 105 MB/s with BBR at 1 Gbit/s the machine is too busy to judge by, so the
check is repeated. Needs root.

A transfer that takes too long is cut off. Its rate is then that of the bytes which the line delivered.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pairs import machine, parse, parser
from processes import Machine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Tests" / "Network"))
from line import Line, LineError, built
from line_contenders import ARIA2C, CURL, EARLIER, OURS, Contender, Setting, contenders_of, measured_line

CHECK = "iperf3 -P 8"
CHECK_FLOOR = 0.84  # of the line's rate: 105 MB/s at 1 Gbit/s
CHECK_TRIES = 3
PAYLOAD = 1448 / 1500  # of a packet's bytes
LATE = 10.0  # milliseconds by which the emulator may be late without mention


class Scenario(NamedTuple):
    """A line: Mbit/s, ms, ms, percent each way; and the MB/s that kachery should reach with BBR."""

    rate: float
    rtt: float
    queue: float
    loss: float
    target: float | None = None

    def __str__(self) -> str:
        return f"{self.rate:g} Mbit/s, {self.rtt:g} ms, {self.loss:g} %"


SCENARIOS = [
    Scenario(1000, 50, 25, 0, 95),
    Scenario(1000, 50, 25, 0.1, 95),
    Scenario(1000, 50, 25, 1, 85),
    Scenario(100, 200, 25, 0, 11.25),
]


def checked_line(setting: Setting, scenario: Scenario) -> tuple[float, bool]:
    """What iperf3 reaches, and whether that is enough to judge by. Tries again on a busy machine."""
    reached = 0.0
    for attempt in range(CHECK_TRIES):
        if attempt > 0:
            print(f"  {CHECK:<18} {reached:7.1f} MB/s, too little: once more", flush=True)
            time.sleep(5)
        reached = max(reached, measured_line(setting))
        if setting.control != "bbr" or reached >= CHECK_FLOOR * scenario.rate / 8:
            return reached, True
    return reached, False


def wait_until_quiet(line: Line) -> None:
    """Waits until nothing of an earlier turn is under way."""
    packets = -1
    for _ in range(50):
        now = sum(counters.packets for counters in line.counters())
        if 0 <= now - packets < 50 and packets >= 0:
            return
        packets = now
        time.sleep(0.2)


class Turn(NamedTuple):
    """One transfer: its MB/s, whether it was complete, and by how many milliseconds the line was late at worst."""

    rate: float
    complete: bool
    late: float


def take_turn(setting: Setting, contender: Contender, limit: float, digest: str) -> Turn:
    size = setting.source.stat().st_size
    contender.prepare()
    setting.running.prime(size)
    wait_until_quiet(setting.line)
    try:
        command, environment = contender.command()
        delivered = setting.line.counters()[0].bytes
        began = time.monotonic()
        process = setting.line.b.start(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            seconds, counters = time.monotonic() - began, setting.line.counters()
            rate = (counters[0].bytes - delivered) * PAYLOAD / seconds / 1e6
            return Turn(rate, False, max(direction.latest_ms for direction in counters))
        finally:
            process.kill()
            process.communicate()
        seconds = time.monotonic() - began
        late = max(direction.latest_ms for direction in setting.line.counters())
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed ({process.returncode}):\n{output.decode(errors='replace')}")
        if sha1_of(contender.result()) != digest:
            raise SystemExit(f"{contender.name} has altered the file.")
        return Turn(size / seconds / 1e6, True, late)
    finally:
        contender.clear()


def sha1_of(path: Path) -> str:
    digest = hashlib.sha1()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@dataclass
class Row:
    """The rates of one scenario with one congestion control, in MB/s."""

    scenario: Scenario
    control: str
    rates: dict[str, list[float]]
    cut: set[str]
    busy: bool = False

    def cell(self, name: str) -> str:
        if not self.rates[name]:
            return ""
        return f"{statistics.median(self.rates[name]):.1f}{'*' if name in self.cut else ''}"

    def ratio(self) -> str:
        if not self.rates[OURS] or not self.rates[ARIA2C]:
            return ""
        return f"{statistics.median(self.rates[OURS]) / statistics.median(self.rates[ARIA2C]):.2f}"

    def verdict(self) -> str:
        """Whether the target is met. With CUBIC the target is what aria2c reaches."""
        if not self.rates[OURS]:
            return ""
        ours, target = statistics.median(self.rates[OURS]), self.scenario.target
        if self.control != "bbr" and self.scenario.rate == SCENARIOS[0].rate:
            if not self.rates[ARIA2C]:
                return ""
            target = statistics.median(self.rates[ARIA2C])
        if target is None:
            return ""
        return f"{target:.4g}: {'met' if ours >= target else 'MISSED'}{' (busy)' if self.busy else ''}"


def measure(running: Machine, options: argparse.Namespace, scenario: Scenario, control: str) -> Row:
    row = Row(scenario, control, defaultdict(list), set())
    print(f"\n{scenario}, queue {scenario.queue:g} ms, {control}", flush=True)
    folder = running.folder / "turns"
    folder.mkdir()
    line = Line(scenario.rate, scenario.rtt, scenario.queue, scenario.loss)
    with Machine(folder) as turns, line:
        network = {"LD_PRELOAD": str(built("congestion")), "CONGESTION_CONTROLS": control.replace("+", " ")}
        setting = Setting(turns, line, running.folder / "source.bin", control, network)
        contenders = list(contenders_of(setting, options.contenders, options.build, options.programs))
        digest = sha1_of(setting.source)
        limit = options.limit or max(30.0, 2.5 * setting.source.stat().st_size * 8e-6 / scenario.rate)
        for turn in range(options.pairs):
            if CHECK in options.contenders:
                reached, enough = checked_line(setting, scenario)
                row.rates[CHECK].append(reached)
                row.busy = row.busy or not enough
                print(f"  {CHECK:<18} {reached:7.1f} MB/s{'' if enough else ', too little: busy'}", flush=True)
            # Turned around in every second turn.
            for contender in contenders[:: -1 if turn % 2 else 1]:
                wait_until_quiet(line)
                result = take_turn(setting, contender, limit, digest)
                row.rates[contender.name].append(result.rate)
                if not result.complete:
                    row.cut.add(contender.name)
                notes = [] if result.complete else [f"cut off after {limit:.0f} s"]
                notes += [f"packets late by {result.late:.0f} ms"] if result.late > LATE else []
                print(f"  {contender.name:<18} {result.rate:7.1f} MB/s  {'; '.join(notes)}", flush=True)
    shutil.rmtree(folder)
    return row


def report(rows: list[Row], options: argparse.Namespace) -> None:
    names = [name for name in (OURS, EARLIER, CURL, ARIA2C, CHECK) if any(row.rates[name] for row in rows)]
    print(f"\nMB/s, medians of {options.pairs}")
    print(f"{'line':<26} {'control':<10}" + "".join(f" {name:>16}" for name in names) + "  ours/aria2c  target")
    for row in rows:
        cells = "".join(f" {row.cell(name):>16}" for name in names)
        print(f"{row.scenario!s:<26} {row.control:<10}{cells} {row.ratio():>12}  {row.verdict()}")
    if any(row.cut for row in rows):
        print("* at least one was cut off; its rate is that of the bytes that the line delivered")
    if any(row.busy for row in rows):
        print(f"busy: {CHECK} stayed below {CHECK_FLOOR:.0%} of the line, so other work on this machine slowed all")


def usable(controls: list[str]) -> list[str]:
    """Those that this kernel has."""
    for name in {name for control in controls for name in control.split("+")}:
        # Loads the module, if there is one.
        with suppress(OSError):
            subprocess.run(["modprobe", "-q", f"tcp_{name}"], check=False, timeout=10)
    available = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    for control in controls:
        if not set(control.split("+")) <= set(available):
            print(f"This kernel cannot use {control}, only {', '.join(available)}. Its rows are left out.")
    return [control for control in controls if set(control.split("+")) <= set(available)]


def scenario_of(text: str) -> Scenario:
    rate, rtt, queue, loss = (float(number) for number in text.split(","))
    return next(
        (known for known in SCENARIOS if known[:4] == (rate, rtt, queue, loss)), Scenario(rate, rtt, queue, loss)
    )


def main() -> None:
    names = {"kachery": OURS, "curl": CURL, "aria2c": ARIA2C, "iperf3": CHECK}
    options = parser(__doc__.splitlines()[0], turns=3)
    add = options.add_argument
    add("--quick", action="store_true", help="one turn, and if nothing else is chosen 0.1 %% loss and BBR")
    usual = "lines to measure instead of the usual ones, such as 1000,50,25,0.1"
    add("--line", type=scenario_of, nargs="+", metavar="MBIT,RTT,QUEUE,LOSS", help=usual)
    both = "congestion controls (bbr cubic); cubic+bbr is a kernel with both that begins with CUBIC"
    add("--control", nargs="+", metavar="NAME", help=both)
    add("--contenders", nargs="+", choices=names, default=list(names), help="those that take turns (all)")
    add("--programs", type=Path, help="a folder with earlier programs, which take turns as well")
    add("--size-mib", type=int, default=256, help="the file's size in MiB (256)")
    late = "cut a transfer off after these seconds (30, or 2.5 times as long as the line would need)"
    add("--limit", type=float, default=0, help=late)
    chosen = parse(options, room=lambda given: 8 * given.size_mib << 20)
    chosen.contenders = [names[name] for name in chosen.contenders]
    for name in ("build", "folder", "programs"):
        if getattr(chosen, name):
            setattr(chosen, name, getattr(chosen, name).resolve())
    scenarios = chosen.line or SCENARIOS
    controls = chosen.control or (["bbr"] if chosen.quick else ["bbr", "cubic"])
    if chosen.quick:
        chosen.pairs = 1
        scenarios = chosen.line or [SCENARIOS[1]]
    controls = usable(controls)
    print(f"{chosen.size_mib} MiB over emulated lines: rate, round trip, loss each way; {chosen.pairs} turns each")
    with machine(chosen.folder) as running:
        print(f"{running.processors} processors, {processor()}; load {os.getloadavg()[0]:.1f}", flush=True)
        running.make_file("source.bin", chosen.size_mib << 20)
        rows = [measure(running, chosen, scenario, control) for scenario in scenarios for control in controls]
    report(rows, chosen)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    try:
        main()
    except LineError as error:
        raise SystemExit(f"long_links: {error}") from error
