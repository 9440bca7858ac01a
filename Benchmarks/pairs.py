"""Two contenders that take turns in one run, so that what the machine does meanwhile meets both.

What counts is the ratio within each pair. The first touch of memory and page cache is dear, and a machine may take freed
pages away again; so an untimed round of each comes first, and before every turn as much is written and deleted as the turn
will write.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

from processes import Machine


@dataclass
class Run:
    """One turn: what counts, and what it consists of."""

    seconds: float
    parts: Dict[str, float] = field(default_factory=dict)


Pair = Tuple[Run, Run]


def parser(description: str) -> argparse.ArgumentParser:
    """What every benchmark can be told."""
    root = Path(__file__).resolve().parents[1]
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--pairs", type=int, default=5, help="how often each takes its turn (5)")
    options.add_argument(
        "--build", type=Path, default=root / ".build" / "release", help="where kachery and kacheryd lie"
    )
    options.add_argument("--folder", type=Path, default=root / ".build", help="where to work; a real disk, not a tmpfs")
    return options


def parse(options: argparse.ArgumentParser, room: Callable[[argparse.Namespace], int]) -> argparse.Namespace:
    """Reads the command line; refuses where the programs are missing or fewer than `room` bytes are free."""
    chosen = options.parse_args()
    for program in ("kachery", "kacheryd"):
        if not (chosen.build / program).is_file():
            options.error(f"there is no {chosen.build / program}; type `make bench`, which builds it")
    free = shutil.disk_usage(chosen.folder).free
    if free < room(chosen):
        options.error(f"{chosen.folder} has {free >> 20} MiB free and this needs {room(chosen) >> 20}")
    return chosen


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """A new folder in `folder` to work in; it is gone at the end, and so is whatever runs there."""
    work = Path(tempfile.mkdtemp(prefix="bench-", dir=folder))
    try:
        with Machine(work) as running:
            yield running
    finally:
        shutil.rmtree(work, ignore_errors=True)


def take_turns(
    ours: Callable[[], Run], theirs: Callable[[], Run], pairs: int, name: str, prime: Callable[[], None] = lambda: None
) -> List[Pair]:
    """Runs both as often as told, the order changing from pair to pair, and prints each pair."""

    def turn(contender: Callable[[], Run]) -> Run:
        prime()
        return contender()

    turn(ours), turn(theirs)
    results: List[Pair] = []
    for number in range(pairs):
        if number % 2 == 0:
            pair = turn(ours), turn(theirs)
        else:
            pair = tuple(reversed((turn(theirs), turn(ours))))
        results.append(pair)
        print(
            f"pair {number + 1}:  kachery {pair[0].seconds:7.3f} s   {name} {pair[1].seconds:7.3f} s   "
            f"ratio {ratio(pair):5.2f}",
            flush=True,
        )
    print(
        f"median:  kachery {median(run.seconds for run, _ in results):7.3f} s   "
        f"{name} {median(run.seconds for _, run in results):7.3f} s   ratio {median(map(ratio, results)):5.2f}"
    )
    return results


def ratio(pair: Pair) -> float:
    return pair[0].seconds / pair[1].seconds


def report_synced(pairs: List[Pair], peer: str) -> None:
    """Prints the ratio with the time that syncing takes after the peer, which it leaves out: the part `sync` of its runs."""
    synced = median(run.parts["sync"] for _, run in pairs)
    together = median(ours.seconds / (theirs.seconds + theirs.parts["sync"]) for ours, theirs in pairs)
    print(f"         syncing after {peer} takes {synced:.2f} s more: ratio {together:.2f}")


def median(values) -> float:
    return statistics.median(values)
