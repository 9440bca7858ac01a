#!/usr/bin/env python3
"""Transfers many small files from node to node over loopback, beside an rsync daemon.

Every turn writes to a folder of its own. Older files are moved away and not deleted, because deleting slows a file
system down for minutes. Before every turn one large file is written and deleted, and the disk is synced, so that
neither side pays for fresh memory pages or for the other's pending writes. A load verifies and encrypts each file, and
syncs all to the disk at its end. rsync does none of this, so the time of syncing after it is reported separately.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from nodes import Nodes
from pairs import Pair, Run, machine, median, parse, parser, report_synced, take_turns
from processes import Machine, free_port, wait_for_port


class Kachery:
    """Two nodes. One has the files, and the other loads all of them with one command."""

    def __init__(self, running: Machine, build: Path, files: list[Path]) -> None:
        nodes = Nodes(running, build)
        self._sender, self._receiver = nodes.start("A"), nodes.start("B")
        self._uris = self._sender.run("store", *map(str, files)).output.split()
        self._turn = 0

    def run(self) -> Run:
        finished = self._receiver.run("load", *self._uris)
        paths = finished.output.split()
        if len(paths) != len(self._uris):
            raise SystemExit(f"{len(paths)} of {len(self._uris)} files arrived.")
        self._turn += 1
        stored = self._receiver.storage / "sha1"
        stored.rename(self._receiver.storage / f"turn-{self._turn}")
        return Run(finished.seconds)


class Rsync:
    """A daemon that serves the folder, and a client that fetches all of it."""

    def __init__(self, running: Machine, folder: Path) -> None:
        self._running = running
        self._folder = running.folder / "rsync"
        self._folder.mkdir()
        self._port = free_port()
        self._turn = 0
        settings = self._folder / "rsyncd.conf"
        user = "uid = root\ngid = root\n" if os.geteuid() == 0 else ""
        settings.write_text(f"use chroot = no\n{user}[files]\npath = {folder}\nread only = yes\n")
        log = self._folder / "log"
        command = ["rsync", "--daemon", "--no-detach", f"--config={settings}", f"--port={self._port}"]
        wait_for_port(self._port, running.serve([*command, "--address=127.0.0.1"], log), log)

    def run(self) -> Run:
        self._turn += 1
        destination = self._folder / f"turn-{self._turn}"
        finished = self._running.run(["rsync", "-r", f"rsync://127.0.0.1:{self._port}/files/", f"{destination}/"])
        synced = self._running.run(["sync", "--file-system", str(destination)]).seconds
        return Run(finished.seconds, {"files": float(len(os.listdir(destination))), "sync": synced})


def main() -> None:
    arguments = parser(__doc__.split("\n")[0])
    arguments.add_argument("--files", type=int, default=10_000, help="how many files (10,000)")
    arguments.add_argument("--kib", type=int, default=10, help="the size of each in KiB (10)")
    options = parse(arguments, room=lambda chosen: (4 * chosen.pairs + 8) * chosen.files * (chosen.kib << 10))
    with machine(options.folder) as running:
        measure(running, options)


def measure(running: Machine, options: argparse.Namespace) -> None:
    print(f"{options.files} files of {options.kib} KiB, from A to B over loopback; {options.pairs} interleaved pairs\n")
    folder = running.folder / "files"
    folder.mkdir()
    files = [folder / f"{number:06}.bin" for number in range(options.files)]
    for file in files:
        file.write_bytes(os.urandom(options.kib << 10))
    kachery, rsync = Kachery(running, options.build, files), Rsync(running, folder)
    # Folders, inodes and the kernel's caches of them need about as much memory as the files.
    touched = 3 * options.files * (options.kib << 10)

    def prepare() -> None:
        # Otherwise the system would write a turn's folders to the disk half a minute later, in another turn.
        running.prime(touched)
        os.sync()

    pairs: list[Pair] = take_turns(kachery.run, rsync.run, options.pairs, "rsync", prepare)
    if median(run.parts["files"] for _, run in pairs) != options.files:
        raise SystemExit("rsync did not fetch every file.")
    report_synced(pairs, "rsync")


if __name__ == "__main__":
    main()
