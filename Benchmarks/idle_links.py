#!/usr/bin/env python3
"""Measures what an idle link costs: memory at a bootstrap node, packets and processor time.

Many nodes, each with a channel of its own, are linked to one bootstrap node and do nothing. Runs in a network namespace
of its own, so that no other packets are counted; needs root.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

from nodes import Node
from pairs import machine, parse, parser
from processes import Machine, enter_namespace, free_port

# After the links are up, records and pings of the beginning settle.
SETTLING = 20


class Idle(NamedTuple):
    memory: int
    packets: int
    processor_seconds: float


def packets() -> int:
    """Packets that loopback has carried."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[2]) for line in lines if line.split()[0] == "lo:")


def observe(server: Node, seconds: float) -> Idle:
    """What the server holds, and what happens in a time without anything to do."""
    before = packets(), server.usage().processor_seconds
    time.sleep(seconds)
    return Idle(server.resident_bytes, packets() - before[0], server.usage().processor_seconds - before[1])


def measure(running: Machine, options: argparse.Namespace) -> None:
    port = free_port()
    server = Node(running, options.build, "bootstrap", ["--isbootstrap", "--port", str(port), *options.transport])
    server.wait_until_ready()
    nodes: list[Node] = []
    print(f"{options.seconds:.0f} s each; at the bootstrap node, and packets of both ends")
    print("links  resident MiB  KiB a link  packets a link and minute  processor ms a link and minute")
    first = None
    for count in [options.first, options.nodes]:
        while len(nodes) < count:
            joining = ["--port", "0", "--bootstrap", f"127.0.0.1:{port}", "--channel", f"idle-{len(nodes)}"]
            nodes.append(Node(running, options.build, f"node{len(nodes)}", [*joining, *options.transport]))
            nodes[-1].wait_until_ready()
        server.wait_for_links(count)
        time.sleep(SETTLING)
        idle = observe(server, options.seconds)
        minutes = count * options.seconds / 60
        added = (idle.memory - first.memory) / 1024 / (count - options.first) if first else 0
        first = first or idle
        print(
            f"{count:5}  {idle.memory / 2**20:12.1f}  {added:10.1f}  {idle.packets / minutes:25.1f}"
            f"  {idle.processor_seconds * 1000 / minutes:30.1f}",
            flush=True,
        )


def main() -> None:
    enter_namespace()
    arguments = parser((__doc__ or "").split("\n", maxsplit=1)[0])
    arguments.add_argument("--nodes", type=int, default=100, help="the nodes that are linked in the end (100)")
    arguments.add_argument("--first", type=int, default=20, help="the nodes that the rest is compared with (20)")
    arguments.add_argument("--seconds", type=float, default=30, help="the time that is observed (30)")
    arguments.add_argument("--noudp", dest="transport", action="store_const", const=["--noudp"], default=[])
    options = parse(arguments, room=lambda _: 1 << 30)
    if not 0 < options.first < options.nodes:
        arguments.error("--nodes must be more than --first")
    with machine(options.folder) as running:
        measure(running, options)


if __name__ == "__main__":
    main()
