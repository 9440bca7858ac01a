#!/usr/bin/env python3
"""Simulates downloads of 1 GB to 10 TB and bootstrap nodes with 100 to 10,000 members, and prints what the core needs.

The time for a piece should not depend on the size of the file, nor the time for a member on the number of members. No
byte moves: what the network and the disk cost is left out, and nothing but the core remains.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path


def main() -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    root = Path(__file__).resolve().parents[1]
    subprocess.run(
        ["swift", "build", "-c", "release", "--product", "scaling"], cwd=root, check=True, stdout=subprocess.DEVNULL
    )
    program = root / ".build" / "release" / "scaling"
    print("A simulated download from two nodes; medians of five rounds, in which the sizes take turns\n")
    print(f"{'size':>8} {'pieces':>8} {'µs a piece':>11} {'of 1 GB':>8}")
    output = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        size, pieces, time, ratio = line.split("\t")
        print(f"{size:>8} {pieces:>8} {float(time):>11.2f} {float(ratio):>8.2f}")
    print("\nA bootstrap node with ten members of each channel; the signatures of records are part of the times\n")
    print(f"{'members':>8} {'channels':>8} {'µs a new one':>12} {'µs a record':>11} {'messages a new one':>18}")
    output = subprocess.run([str(program), "members"], check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        members, channels, member, record, messages = line.split("\t")
        print(f"{members:>8} {channels:>8} {float(member):>12.1f} {float(record):>11.1f} {float(messages):>18.1f}")


if __name__ == "__main__":
    main()
