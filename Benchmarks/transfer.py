#!/usr/bin/env python3
"""Moves a large file from node to node over loopback, beside curl from nginx over TLS 1.3, then `openssl sha1`.

The two take turns in one run, so that what the machine does meanwhile meets both; what counts is the ratio within each
pair. Both write to the same disk, verify the whole file, and use the system's congestion control. An untimed round of
each comes first: the first touch of memory and page cache is dear, and would fall on whoever begins.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from contenders import Kachery, NginxAndCurl, Run
from processes import Machine


def main() -> None:
    options = parse()
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=options.folder))
    try:
        with Machine(folder) as machine:
            measure(machine, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def parse() -> argparse.Namespace:
    root = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size-mib", type=int, default=1024, help="the file's size (1024)")
    parser.add_argument("--pairs", type=int, default=5, help="how often each takes its turn (5)")
    parser.add_argument(
        "--build", type=Path, default=root / ".build" / "release", help="where kachery and kacheryd lie"
    )
    parser.add_argument("--folder", type=Path, default=root / ".build", help="where to work; a real disk, not a tmpfs")
    options = parser.parse_args()
    for program in ("kachery", "kacheryd"):
        if not (options.build / program).is_file():
            parser.error(f"there is no {options.build / program}; type `make bench`, which builds it")
    free = shutil.disk_usage(options.folder).free
    if free < 4 * options.size_mib << 20:
        parser.error(f"{options.folder} has {free >> 20} MiB free and this needs {4 * options.size_mib}")
    return options


def measure(machine: Machine, options: argparse.Namespace) -> None:
    size = options.size_mib << 20
    print(f"{options.size_mib} MiB, from A to B over loopback, on disk and verified; {options.pairs} interleaved pairs")
    print(f"congestion control {machine.congestion_control}, {machine.processors} processors\n")
    source = machine.make_file("source.bin", size)
    kachery = Kachery(machine, options.build, source)
    curl = NginxAndCurl(machine, source)
    for contender in (kachery, curl):
        contender.run()

    pairs: list[tuple[Run, Run]] = []
    for number in range(options.pairs):
        # Who goes first changes from pair to pair.
        order = (kachery, curl) if number % 2 == 0 else (curl, kachery)
        runs = {contender: contender.run() for contender in order}
        pairs.append((runs[kachery], runs[curl]))
        ours, theirs = pairs[-1]
        print(
            f"pair {number + 1}:  kachery {ours.seconds:6.2f} s   curl + sha1 {theirs.seconds:6.2f} s "
            f"(curl alone {theirs.parts['curl']:5.2f})   ratio {ours.seconds / theirs.seconds:5.2f}"
        )
    report(pairs, size, kachery, curl)


def report(pairs: list[tuple[Run, Run]], size: int, kachery: Kachery, curl: NginxAndCurl) -> None:
    ours = statistics.median(ours.seconds for ours, _ in pairs)
    theirs = statistics.median(theirs.seconds for _, theirs in pairs)
    ratio = statistics.median(ours.seconds / theirs.seconds for ours, theirs in pairs)
    print(f"\nmedian:  kachery {ours:6.2f} s ({size / ours / 1e6:.0f} MB/s)   curl + sha1 {theirs:6.2f} s", end="")
    print(f" ({size / theirs / 1e6:.0f} MB/s)   ratio {ratio:5.2f}")
    synced = [theirs.parts["sync"] for _, theirs in pairs]
    print(
        f"         a load has the file synced to disk at its end; syncing after curl takes {statistics.median(synced):.2f} s"
        f" more: ratio {statistics.median(o.seconds / (t.seconds + t.parts['sync']) for o, t in pairs):.2f}"
    )
    print("\npeak memory (MiB), processor time of all rounds (s):")
    for name, usage in {**kachery.usage(), **curl.usage()}.items():
        print(f"  {name:<22} {usage.peak_bytes / 2**20:7.1f} {usage.processor_seconds:8.2f}")


if __name__ == "__main__":
    main()
