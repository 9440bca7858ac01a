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
import json
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
from typing import NamedTuple, Protocol

from nodes import Node
from pairs import machine, parse, parser
from processes import Machine, free_port, wait_for_port

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests" / "Network"))
from line import Line, LineError, built  # noqa: E402

OURS, CURL, ARIA2C, CHECK = "kachery", "curl", "aria2c -x8", "iperf3 -P 8"
# The other programs for comparison, if there are any.
EARLIER = "kachery, earlier"
CHECK_FLOOR = 0.84  # of the line's rate: 105 MB/s at 1 Gbit/s
CHECK_TRIES = 3
PAYLOAD = 1448 / 1500  # of a packet's bytes


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


class Contender(Protocol):
    """Something that moves the file from end A to end B. `prepare` and `clear` are not measured."""

    name: str

    def prepare(self) -> None: ...

    def command(self) -> tuple[list[str], dict[str, str]]: ...

    def result(self) -> Path: ...

    def clear(self) -> None: ...


@dataclass
class Setting:
    """What the contenders of one scenario share."""

    running: Machine
    line: Line
    source: Path
    control: str
    network: dict[str, str]  # variables that choose the congestion control


class Kachery:
    """A node at end A that has the file, and for each turn a new one at end B."""

    def __init__(self, setting: Setting, name: str, build: Path) -> None:
        self.name = name
        self._setting = setting
        self._build = build
        self._channel = f"bench-{os.urandom(4).hex()}"
        self._turn = 0
        with setting.line.a.entered():
            self._port = free_port()
            options = ["--isbootstrap", "--port", str(self._port), "--channel", self._channel]
            folder = f"{'earlier' if name == EARLIER else 'ours'}-sender"
            self._sender = Node(setting.running, build, folder, options, setting.line.a.address, setting.network)
            self._sender.wait_until_ready()
            self._uri = self._sender.run("store", str(setting.source)).output

    def prepare(self) -> None:
        self._turn += 1
        line = self._setting.line
        joining = ["--port", "0", "--bootstrap", f"{line.a.address}:{self._port}", "--channel", self._channel]
        name = f"{'earlier' if self.name == EARLIER else 'ours'}-{self._turn}"
        with line.b.entered():
            self._receiver = Node(
                self._setting.running, self._build, name, joining, line.b.address, self._setting.network
            )
            self._receiver.wait_until_ready()
            self._receiver.wait_for_links(1)

    def command(self) -> tuple[list[str], dict[str, str]]:
        return [str(self._build / "kachery"), "load", "--quiet", self._uri], self._receiver.environment

    def result(self) -> Path:
        return self._receiver.path_of(self._uri)

    def clear(self) -> None:
        self._receiver.stop()
        shutil.rmtree(self._receiver.storage.parent)


class Download:
    """nginx at end A, and a client at end B."""

    def __init__(self, setting: Setting, name: str, client: list[str], url: str) -> None:
        self.name = name
        self._setting = setting
        self._destination = setting.running.folder / f"{client[0]}.bin"
        self._client = [argument.replace("DESTINATION", str(self._destination)) for argument in client]
        self._url = url

    def prepare(self) -> None:
        pass

    def command(self) -> tuple[list[str], dict[str, str]]:
        return [*self._client, self._url], {"PATH": os.environ["PATH"], **self._setting.network}

    def result(self) -> Path:
        return self._destination

    def clear(self) -> None:
        for path in (self._destination, Path(f"{self._destination}.aria2")):
            path.unlink(missing_ok=True)


def start_nginx(setting: Setting) -> str:
    """Starts nginx at end A. Returns the URL of the file."""
    folder = setting.running.folder / "nginx"
    folder.mkdir()
    with setting.line.a.entered():
        port = free_port()
        paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(f"""
            daemon off;
            user root;
            pid {folder}/pid;
            error_log {folder}/error.log;
            env LD_PRELOAD; env CONGESTION_CONTROLS;
            events {{ worker_connections 64; }}
            http {{
              access_log off;
              sendfile on;
              client_body_temp_path {folder}/body; {paths}
              server {{ listen {port}; root {setting.source.parent}; }}
            }}
            """)
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
        command = [nginx, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        environment = {"PATH": os.environ["PATH"], **setting.network}
        wait_for_port(port, setting.running.serve(command, folder / "log", environment), folder / "log")
    return f"http://{setting.line.a.address}:{port}/{setting.source.name}"


def measured_line(setting: Setting, seconds: int = 6) -> float:
    """What iperf3 receives at end B over eight connections, in MB/s, without its first two seconds."""
    environment = {"PATH": os.environ["PATH"], **setting.network}
    with setting.line.b.entered():
        port = free_port()
    quiet = {"env": environment, "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    server = setting.line.b.start(["iperf3", "-s", "-1", "-p", str(port)], stdout=subprocess.DEVNULL, **quiet)
    client = None
    try:
        time.sleep(0.5)
        command = ["iperf3", "-c", setting.line.b.address, "-p", str(port), "-P", "8", "-t", str(seconds), "-O", "2"]
        client = setting.line.a.start([*command, "-J"], stdout=subprocess.PIPE, **quiet)
        output, _ = client.communicate(timeout=seconds + 30)
        answer = json.loads(output)
        if client.returncode != 0:
            raise SystemExit(f"iperf3 failed: {answer.get('error', output)}")
        return float(answer["end"]["sum_received"]["bits_per_second"]) / 8e6
    except subprocess.TimeoutExpired:
        return 0
    finally:
        for process in filter(None, (server, client)):
            process.kill()
            process.wait()


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


def take_turn(setting: Setting, contender: Contender, limit: float, digest: str) -> tuple[float, bool]:
    """One transfer: its MB/s, and whether it was complete."""
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
            delivered = setting.line.counters()[0].bytes - delivered
            return delivered * PAYLOAD / (time.monotonic() - began) / 1e6, False
        finally:
            process.kill()
            process.communicate()
        seconds = time.monotonic() - began
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed ({process.returncode}):\n{output.decode(errors='replace')}")
        if sha1_of(contender.result()) != digest:
            raise SystemExit(f"{contender.name} has altered the file.")
        return size / seconds / 1e6, True
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
        return f"{target:.1f}: {'met' if ours >= target else 'MISSED'}{' (busy)' if self.busy else ''}"


def measure(running: Machine, options: argparse.Namespace, scenario: Scenario, control: str) -> Row:
    row = Row(scenario, control, defaultdict(list), set())
    print(f"\n{scenario}, queue {scenario.queue:g} ms, {control}", flush=True)
    folder = running.folder / "turns"
    folder.mkdir()
    line = Line(scenario.rate, scenario.rtt, scenario.queue, scenario.loss)
    with Machine(folder) as turns, line:
        network = {"LD_PRELOAD": str(built("congestion")), "CONGESTION_CONTROLS": control.replace("+", " ")}
        setting = Setting(turns, line, running.folder / "source.bin", control, network)
        contenders = list(contenders_of(setting, options))
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
                rate, complete = take_turn(setting, contender, limit, digest)
                late = max(counters.latest_ms for counters in line.counters())
                row.rates[contender.name].append(rate)
                if not complete:
                    row.cut.add(contender.name)
                notes = [] if complete else [f"cut off after {limit:.0f} s"]
                notes += [f"packets late by {late:.0f} ms"] if late > 25 else []
                print(f"  {contender.name:<18} {rate:7.1f} MB/s  {'; '.join(notes)}", flush=True)
    shutil.rmtree(folder)
    return row


def contenders_of(setting: Setting, options: argparse.Namespace) -> list[Contender]:
    contenders = list[Contender]()
    if OURS in options.contenders:
        contenders.append(Kachery(setting, OURS, options.build))
        if options.programs:
            contenders.append(Kachery(setting, EARLIER, options.programs))
    clients = {
        CURL: ["curl", "--silent", "--show-error", "--fail", "--output", "DESTINATION"],
        ARIA2C: ["aria2c", "-q", "-x8", "-s8", "-k1M", "--file-allocation=none", "-d/", "-oDESTINATION"],
    }
    chosen = {name: client for name, client in clients.items() if name in options.contenders}
    if chosen:
        url = start_nginx(setting)
        contenders += [Download(setting, name, client, url) for name, client in chosen.items()]
    return contenders


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
    controls = chosen.control or ["bbr", "cubic"]
    if chosen.quick:
        chosen.pairs = 1
        controls = chosen.control or ["bbr"]
        scenarios = chosen.line or [SCENARIOS[1]]
    print(f"{chosen.size_mib} MiB over emulated lines: rate, round trip, loss each way; {chosen.pairs} turns each")
    with machine(chosen.folder) as running:
        print(f"{running.processors} processors, {processor()}; load {os.getloadavg()[0]:.1f}", flush=True)
        running.make_file("source.bin", chosen.size_mib << 20)
        rows = [
            measure(running, chosen, scenario, control) for scenario in scenarios for control in usable(controls)
        ]
    report(rows, chosen)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    try:
        main()
    except LineError as error:
        raise SystemExit(f"long_links: {error}") from error
