#!/usr/bin/env python3
"""Transfers a large file from node to node over loopback, beside curl from nginx over TLS 1.3 and `openssl sha1`.

Both write to the same disk, verify the whole file, and use the system's congestion control.
"""

from __future__ import annotations

import argparse

from contenders import Kachery, NginxAndCurl
from pairs import Pair, measure_large_file, median, report_synced, take_turns
from processes import Machine


def measure(running: Machine, options: argparse.Namespace) -> None:
    size = options.size_mib << 20
    print(f"{options.size_mib} MiB, from A to B over loopback, on disk and verified; {options.pairs} interleaved pairs")
    print(f"congestion control {running.congestion_control}, {running.processors} processors\n")
    source = running.make_file("source.bin", size)
    kachery = Kachery(running, options.build, source)
    curl = NginxAndCurl(running, source)
    pairs = take_turns(kachery.run, curl.run, options.pairs, "curl + sha1", lambda: running.prime(size))
    report(pairs, size, kachery, curl)


def report(pairs: list[Pair], size: int, kachery: Kachery, curl: NginxAndCurl) -> None:
    ours = median(run.seconds for run, _ in pairs)
    alone = median(run.parts["curl"] for _, run in pairs)
    print(f"         kachery {size / ours / 1e6:.0f} MB/s; curl alone {alone:.2f} s")
    print("         a load includes syncing the file to the disk")
    report_synced(pairs, "curl")
    print("\npeak memory (MiB), processor time of all rounds (s):")
    for name, usage in {**kachery.usage(), **curl.usage()}.items():
        print(f"  {name:<22} {usage.peak_bytes / 2**20:7.1f} {usage.processor_seconds:8.2f}")


if __name__ == "__main__":
    measure_large_file(__doc__, measure)
