#!/usr/bin/env python3
"""Loads a large file from three nodes that each send 100 MB/s, and from one such node.

The nodes limit their rate (`--limit-up`), so that the processors of one machine suffice for four nodes. Each side has a
channel and a loading node of its own, and is idle during the other's turn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nodes import Nodes
from pairs import Run, machine, median, parse, parser, ratio, take_turns
from processes import Machine

TARGET = 2.7  # times as fast


class Sources:
    """``count`` nodes that have a file, and a node that loads it from all of them in every turn."""

    def __init__(self, running: Machine, options: argparse.Namespace, source: Path, count: int) -> None:
        nodes = Nodes(running, options.build, f"of-{count}")
        limit = ["--limit-up", str(options.rate)]
        senders = [nodes.start(f"source-{count}-{number}", *limit) for number in range(count)]
        self._receiver = nodes.start(f"loads-from-{count}")
        # As links, because three copies of the bytes would only fill the page cache.
        uris = [sender.run("link", str(source)).output for sender in senders]
        self._uri = uris[0]
        self._loaded = self._receiver.path_of(self._uri)
        self._receiver.wait_for_links(count + 1)

    def run(self) -> Run:
        self._loaded.unlink(missing_ok=True)
        finished = self._receiver.run("load", self._uri)
        if not self._loaded.is_file():
            raise SystemExit(f"The load printed {finished.output}, but {self._loaded} does not exist.")
        return Run(finished.seconds)


def main() -> None:
    arguments = parser(__doc__.split("\n")[0])
    arguments.add_argument("--size-mb", type=int, default=1000, help="the file's size in MB (1000)")
    arguments.add_argument("--rate", type=int, default=100, help="the rate of each source in MB/s (100)")
    arguments.add_argument("--sources", type=int, default=3, help="how many sources (3)")
    options = parse(arguments, room=lambda chosen: 4_000_000 * chosen.size_mb)
    with machine(options.folder) as running:
        measure(running, options)


def measure(running: Machine, options: argparse.Namespace) -> None:
    size = options.size_mb * 1_000_000
    print(f"{options.size_mb} MB from {options.sources} nodes and from one, at {options.rate} MB/s per node\n")
    source = running.make_file("source.bin", size)
    many = Sources(running, options, source, options.sources)
    one = Sources(running, options, source, 1)
    pairs = take_turns(many.run, one.run, options.pairs, "one source", lambda: running.prime(size))
    times: list[float] = [1 / ratio(pair) for pair in pairs]
    print(f"{options.sources} sources are {median(times):.2f} times as fast as one (target {TARGET}); ", end="")
    print(f"single pairs {min(times):.2f} to {max(times):.2f}")


if __name__ == "__main__":
    main()
