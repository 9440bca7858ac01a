#!/usr/bin/env python3
"""Loads a large file from three nodes that each send 100 MB/s, beside a load of it from one such node.

The nodes hold themselves to the rate (`--limit-up`), so that the processors of one machine can do the work of four. Each
side has a channel and a loading node of its own; both are idle while the other has its turn.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import List

from nodes import Nodes
from pairs import Run, machine, median, parse, parser, ratio, take_turns
from processes import Machine

TARGET = 2.7  # times as fast


class Sources:
    """So many nodes that have a file, and one that loads it from them all, anew each time."""

    def __init__(self, running: Machine, options: argparse.Namespace, source: Path, count: int) -> None:
        nodes = Nodes(running, options.build, f"of-{count}")
        limit = ["--limit-up", str(options.rate)]
        senders = [nodes.start(f"source-{count}-{number}", *limit) for number in range(count)]
        self._receiver = nodes.start(f"loads-from-{count}")
        # Stored as links: three copies of the bytes would only fill the page cache.
        self._uri = [sender.run("link", str(source)).output for sender in senders][0]
        self._loaded = self._receiver.path_of(self._uri)
        self._receiver.wait_for_links(count + 1)

    def run(self) -> Run:
        self._loaded.unlink(missing_ok=True)
        finished = self._receiver.run("load", self._uri)
        if not self._loaded.is_file():
            raise SystemExit(f"The load said {finished.output}, but {self._loaded} is not there.")
        return Run(finished.seconds)


def main() -> None:
    arguments = parser(__doc__.split("\n")[0])
    arguments.add_argument("--size-mb", type=int, default=1000, help="the file's size (1000)")
    arguments.add_argument("--rate", type=int, default=100, help="what each source sends in MB/s (100)")
    arguments.add_argument("--sources", type=int, default=3, help="how many sources (3)")
    options = parse(arguments, room=lambda chosen: 4_000_000 * chosen.size_mb)
    with machine(options.folder) as running:
        measure(running, options)


def measure(running: Machine, options: argparse.Namespace) -> None:
    size = options.size_mb * 1_000_000
    print(f"{options.size_mb} MB from {options.sources} nodes or from one, each sending {options.rate} MB/s\n")
    source = running.make_file("source.bin", size)
    many = Sources(running, options, source, options.sources)
    one = Sources(running, options, source, 1)
    pairs = take_turns(many.run, one.run, options.pairs, "one source", lambda: running.prime(size))
    times: List[float] = [1 / ratio(pair) for pair in pairs]
    print(f"{options.sources} sources are {median(times):.2f} times as fast as one (target {TARGET}); ", end="")
    print(f"single pairs {min(times):.2f} to {max(times):.2f}")


if __name__ == "__main__":
    main()
