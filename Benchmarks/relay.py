#!/usr/bin/env python3
"""Transfers a large file between two nodes that reach each other only through a relay, all over loopback.

The joined lanes and the relayed stream alone take turns: before a turn of the stream, the relay refuses further
connections. Every turn has two new nodes. Runs in a network namespace of its own, whose firewall keeps the nodes from
dialing each other; needs root.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from nodes import Node, Nodes
from pairs import measure_large_file, median
from processes import Machine, enter_namespace, firewall, free_port

GIB = 1 << 30


class Way(NamedTuple):
    """A way through the relay: the GiB/s that it should reach, and the relay's core-seconds for a GiB."""

    name: str
    rate: float
    cost: float


LANES = Way("joined lanes", 0.6, 0.8)
STREAM = Way("relayed stream", 0.25, 2.2)


class Turn(NamedTuple):
    rate: float
    costs: dict[str, float]
    joined: float


def counter(node: Node, name: str) -> int:
    return int(node.statistics()[name])


def take_turn(running: Machine, options: argparse.Namespace, way: Way, source: Path, number: int) -> Turn:
    size = source.stat().st_size
    ports = [free_port() for _ in "AB"]
    closed = [f"tcp dport {port} reject with tcp reset" for port in ports]
    firewall(*closed)
    nodes = Nodes(running, options.build, f"R{number}")
    relay = nodes.bootstrap
    alone = ["--no-punching", "--noudp"]
    started = {name: nodes.start(f"{name}{number}", "--port", str(port), *alone) for name, port in zip("AB", ports)}
    a, b = started.values()
    for node in (a, b):
        node.wait_for_links(2)
    uri = a.run("store", str(source)).output.split()[-1]
    if way is STREAM:
        firewall(*closed, f"tcp dport {nodes.peer_port} reject with tcp reset")
    running.prime(size)
    everyone = {"relay": relay, **started}
    before = {name: node.usage().processor_seconds for name, node in everyone.items()}
    passed, joined = counter(relay, "kachery_relayed_bytes_total"), counter(relay, "kachery_joined_bytes_total")
    seconds = b.run("load", uri).seconds
    costs = {name: (node.usage().processor_seconds - before[name]) * GIB / size for name, node in everyone.items()}
    passed = counter(relay, "kachery_relayed_bytes_total") - passed
    joined = counter(relay, "kachery_joined_bytes_total") - joined
    if passed < size:
        raise SystemExit(f"Only {passed} of {size} bytes went through the relay.")
    for node in everyone.values():
        node.stop()
    for node in (a, b):
        node.path_of(uri).unlink()
    return Turn(size / seconds / GIB, costs, joined / passed)


def measure(running: Machine, options: argparse.Namespace) -> None:
    print(f"{options.size_mib} MiB, from A through a relay to B over loopback, on disk and verified")
    print(f"congestion control {running.congestion_control}, {running.processors} processors\n")
    source = running.make_file("source.bin", options.size_mib << 20)
    turns: dict[Way, list[Turn]] = {LANES: [], STREAM: []}
    for pair in range(options.pairs):
        # Turned around in every second pair.
        for way in list(turns)[:: -1 if pair % 2 else 1]:
            turn = take_turn(running, options, way, source, 2 * pair + (way is STREAM))
            turns[way].append(turn)
            costs = ", ".join(f"{name} {cost:.2f}" for name, cost in turn.costs.items())
            line = f"  {way.name:<16} {turn.rate:5.2f} GiB/s  core-s/GiB: {costs}  joined {turn.joined:.0%}"
            print(line, flush=True)
    print()
    for way, results in turns.items():
        rate, cost = median(turn.rate for turn in results), median(turn.costs["relay"] for turn in results)
        met = "met" if rate >= way.rate and cost <= way.cost else "MISSED"
        print(
            f"{way.name:<16} {rate:.2f} GiB/s (at least {way.rate}), "
            f"relay {cost:.2f} core-s/GiB (at most {way.cost}): {met}"
        )


def main() -> None:
    enter_namespace()
    measure_large_file(__doc__ or "", measure, turns=3)


if __name__ == "__main__":
    main()
