#!/usr/bin/env python3
"""Loads many small files from another node, one by one, through threads of one Python program.

Each round stores new files on node A and loads them on node B, as a lab's script does with a folder of small records.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Python" / "src"))

import kachery_p2p as kp
from nodes import Node, Nodes
from pairs import machine, median, parse, parser

TARGET = 2.0  # seconds for 1,000 files through 8 threads


def main() -> None:
    arguments = parser(__doc__.split("\n")[0])
    arguments.add_argument("--files", type=int, default=1000, help="how many files (1000)")
    arguments.add_argument("--size", type=int, default=10 << 10, help="bytes per file (10240)")
    arguments.add_argument("--threads", type=int, default=8, help="how many threads load files (8)")
    options = parse(arguments, room=lambda chosen: 4 * chosen.pairs * chosen.files * max(chosen.size, 4096))
    print(f"{options.files} files of {options.size} bytes, one by one through {options.threads} threads of Python\n")
    with machine(options.folder) as running:
        nodes = Nodes(running, options.build)
        source, reader = nodes.start("A"), nodes.start("B")
        load(reader, store(source, 10, options.size), options.threads)
        rounds = [
            load(reader, store(source, options.files, options.size), options.threads) for _ in range(options.pairs)
        ]
    print(f"median:  {median(rounds):.2f} s; the target is {TARGET:.0f} s for 1,000 files through 8 threads")


def store(node: Node, count: int, size: int) -> list[str]:
    select(node)
    return [kp.store_text(os.urandom(size // 2).hex()) for _ in range(count)]


def load(node: Node, uris: list[str], threads: int) -> float:
    select(node)
    start, start_of_process = perf_counter(), process_time()
    with ThreadPoolExecutor(threads) as pool:
        paths = [path or "" for path in pool.map(lambda uri: kp.load_file(uri, strict=True), uris)]
    seconds, own = perf_counter() - start, process_time() - start_of_process
    if len(set(paths)) != len(uris) or not all(path.startswith(str(node.storage)) for path in paths):
        raise SystemExit("Some files were not loaded.")
    if len(uris) > 10:
        print(f"  {seconds:.2f} s, {len(uris) / seconds:,.0f} files/s; the Python process used {own:.2f} s", flush=True)
    return seconds


def select(node: Node) -> None:
    """Makes the package use this node."""
    for name, value in node.environment.items():
        if name.startswith("KACHERY_"):
            os.environ[name] = value


if __name__ == "__main__":
    main()
