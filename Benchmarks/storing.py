#!/usr/bin/env python3
"""Stores a large file through a daemon, beside `cp` and `openssl sha1` of the copy.

Both copy on the same disk. `kachery store` also computes the manifest, a second SHA-1 of every byte, and syncs
everything to the disk. `cp` leaves that to the system, so the time of syncing after it is reported separately.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nodes import Nodes
from pairs import Run, measure_large_file, report_synced, take_turns
from processes import Machine, sync


class Kachery:
    """A daemon that stores the same file in every turn."""

    def __init__(self, running: Machine, build: Path, source: Path) -> None:
        self._source = source
        self._node = Nodes(running, build).start("A")

    def run(self) -> Run:
        finished = self._node.run("store", str(self._source))
        stored = self._node.path_of(finished.output)
        if stored.stat().st_size != self._source.stat().st_size:
            raise SystemExit(f"{stored} differs from {self._source}.")
        stored.unlink()
        return Run(finished.seconds)


class Copy:
    """The manual way: copy the file, and compute its hash."""

    def __init__(self, running: Machine, source: Path) -> None:
        self._running = running
        self._source = source
        self._copy = running.folder / "copy.bin"

    def run(self) -> Run:
        copied = self._running.run(["cp", str(self._source), str(self._copy)])
        hashed = self._running.run(["openssl", "sha1", str(self._copy)])
        synced = sync(self._copy)
        self._copy.unlink()
        return Run(copied.seconds + hashed.seconds, {"sync": synced})


def measure(running: Machine, options: argparse.Namespace) -> None:
    print(f"storing {options.size_mib} MiB; {options.pairs} interleaved pairs\n")
    size = options.size_mib << 20
    source = running.make_file("source.bin", size)
    kachery, copy = Kachery(running, options.build, source), Copy(running, source)
    pairs = take_turns(kachery.run, copy.run, options.pairs, "cp + sha1", lambda: running.prime(size))
    report_synced(pairs, "cp")


if __name__ == "__main__":
    measure_large_file(__doc__, measure)
