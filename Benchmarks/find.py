#!/usr/bin/env python3
"""Asks a hundred nodes for a file that one of them has, and for a file that none has.

All nodes are on this machine, so a round trip takes almost no time and the nodes' own time remains. It is measured from
the request at the local API to the answer, over a persistent connection, as in a program.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time

from nodes import Node, Nodes
from pairs import machine, median, parse, parser
from processes import Machine

TARGET = 50.0  # milliseconds beyond the round trip
QUESTIONS = 50


class Asker:
    """Asks a node's local API which nodes have a file."""

    def __init__(self, node: Node) -> None:
        self._headers = {
            "Content-Type": "application/json",
            "KACHERY-CLIENT-AUTH-CODE": (node.storage / "client-auth").read_text(),
        }
        self._connection = http.client.HTTPConnection("127.0.0.1", node.api_port, timeout=30)

    def seconds(self, digest: str, until_end: bool) -> float:
        """The seconds until the first node is found, or with `until_end` until all nodes have denied."""
        body = json.dumps({"fileKey": {"sha1": digest}, "timeoutMsec": 10_000})
        began = time.monotonic()
        self._connection.request("POST", "/findFile", body, self._headers)
        response = self._connection.getresponse()
        first = response.read(1)
        found = time.monotonic() - began
        response.read()
        ended = time.monotonic() - began
        if bool(first) == until_end:
            raise SystemExit(f"{digest} was {'' if first else 'not '}found.")
        return ended if until_end else found


def main() -> None:
    arguments = parser(__doc__.split("\n")[0])
    arguments.add_argument("--peers", type=int, default=100, help="how many nodes to ask (100)")
    options = parse(arguments, room=lambda chosen: 100 << 20)
    with machine(options.folder) as running:
        measure(running, options)


def measure(running: Machine, options: argparse.Namespace) -> None:
    nodes = Nodes(running, options.build)
    peers = [nodes.start(f"peer-{number}") for number in range(options.peers)]
    asker = nodes.start("asker")
    asker.wait_for_links(options.peers + 1, deadline=120)
    source = running.make_file("source.bin", 10_000)
    digest = peers[-1].run("store", str(source)).output[len("sha1://") :][:40]
    client = Asker(asker)
    print(f"{options.peers} connected peers, {running.processors} processors, {QUESTIONS} requests of each kind")
    report("one has it: first answer", [client.seconds(digest, until_end=False) for _ in range(QUESTIONS)])
    report("none has it: end of the answer", [client.seconds(f"{n:040x}", until_end=True) for n in range(QUESTIONS)])


def report(name: str, seconds: list[float]) -> None:
    milliseconds = sorted(1_000 * value for value in seconds)
    late = milliseconds[int(0.95 * len(milliseconds))]
    print(
        f"  {name:<32} median {median(milliseconds):6.1f} ms   95 of 100 within {late:6.1f} ms   target {TARGET:.0f} ms"
    )


if __name__ == "__main__":
    main()
