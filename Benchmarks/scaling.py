#!/usr/bin/env python3
"""Simulates downloads of 1 GB to 10 TB, and prints what a piece costs the core that decides who is asked for it.

The time for a piece should not depend on the size of the file. No byte moves: what the
network and the disk cost is left out, and nothing but the core remains.
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


if __name__ == "__main__":
    main()
