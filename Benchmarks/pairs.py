"""Two contenders that take turns in one run, so that other work on the machine affects both alike.

The result is the ratio within each pair. The first use of memory and page cache is expensive, and the system may take
freed pages back. Therefore each contender has an untimed round first, and before every turn as many bytes are written
and deleted as the turn will write.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from processes import Machine


@dataclass
class Run:
    """One turn: the measured time, and parts of it or times beside it."""

    seconds: float
    parts: dict[str, float] = field(default_factory=dict)


Pair = tuple[Run, Run]


def parser(description: str, turns: int = 5) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    root = Path(__file__).resolve().parents[1]
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--pairs", type=int, default=turns, help=f"the number of turns of each contender ({turns})")
    options.add_argument(
        "--build", type=Path, default=root / ".build" / "release", help="the folder with kachery and kacheryd"
    )
    options.add_argument("--folder", type=Path, default=root / ".build", help="the folder to work in, on a real disk")
    return options


def parse(options: argparse.ArgumentParser, room: Callable[[argparse.Namespace], int]) -> argparse.Namespace:
    """Parses the command line. Ends if the programs are missing or fewer than `room` bytes are free."""
    chosen = options.parse_args()
    for program in ("kachery", "kacheryd"):
        if not (chosen.build / program).is_file():
            options.error(f"{chosen.build / program} does not exist; run `make bench`, which builds it")
    free = shutil.disk_usage(chosen.folder).free
    if free < room(chosen):
        options.error(f"{chosen.folder} has {free >> 20} MiB free, but this needs {room(chosen) >> 20} MiB")
    return chosen


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """A new work folder in `folder`. At the end its processes are stopped and it is removed."""
    work = Path(tempfile.mkdtemp(prefix="bench-", dir=folder))
    try:
        with Machine(work) as running:
            yield running
    finally:
        shutil.rmtree(work, ignore_errors=True)


def measure_large_file(
    description: str, measure: Callable[[Machine, argparse.Namespace], None], turns: int = 5
) -> None:
    """Runs a benchmark of one large file, whose size is an option."""
    arguments = parser(description.split("\n", maxsplit=1)[0], turns)
    arguments.add_argument("--size-mib", type=int, default=1024, help="the file's size in MiB (1024)")
    options = parse(arguments, room=lambda chosen: 4 * chosen.size_mib << 20)
    with machine(options.folder) as running:
        measure(running, options)


def take_turns(
    ours: Callable[[], Run], theirs: Callable[[], Run], pairs: int, name: str, prime: Callable[[], None] = lambda: None
) -> list[Pair]:
    """Runs both ``pairs`` times, in alternating order, and prints each pair."""

    def turn(contender: Callable[[], Run]) -> Run:
        prime()
        return contender()

    turn(ours), turn(theirs)
    results: list[Pair] = []
    for number in range(pairs):
        if number % 2 == 0:
            our_run, their_run = turn(ours), turn(theirs)
        else:
            their_run, our_run = turn(theirs), turn(ours)
        pair = our_run, their_run
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


def report_synced(pairs: list[Pair], peer: str) -> None:
    """Prints the ratio that includes the other contender's syncing, which is the part `sync` of its runs."""
    synced = median(run.parts["sync"] for _, run in pairs)
    together = median(ours.seconds / (theirs.seconds + theirs.parts["sync"]) for ours, theirs in pairs)
    print(f"         syncing after {peer} takes {synced:.2f} s more: ratio {together:.2f}")


def median(values: Iterable[float]) -> float:
    return float(statistics.median(values))
