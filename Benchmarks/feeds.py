#!/usr/bin/env python3
"""Compares feeds with SQLite and Redis: appending, reading live and from the beginning, and a thousand waiting clients.

SQLite uses one transaction per message or batch, a write-ahead log and synchronous=FULL; Redis streams use
appendfsync=always. All three have every message on the disk before they confirm it. A node also signs each message.
"""

from __future__ import annotations

import argparse
import resource
import selectors
import statistics
import time
from typing import Callable

from logs import KacheryLog, RedisLog, SQLiteLog, message
from nodes import Node, Nodes
from pairs import Pair, machine, median, parse, parser, ratio, take_turns
from processes import Machine, resident_bytes
from round_trips import Line, http_json

PARTS = ("append", "live", "catch-up", "waiting")


def main() -> None:
    arguments = parser(__doc__.split("\n")[0])
    arguments.add_argument("--singles", type=int, default=1_000, help="messages per turn, one by one (1,000)")
    arguments.add_argument("--batched", type=int, default=20_000, help="messages per turn, in batches (20,000)")
    arguments.add_argument("--live", type=int, default=1_000, help="messages that reach another node live (1,000)")
    arguments.add_argument("--history", type=int, default=100_000, help="messages that a new reader reads (100,000)")
    arguments.add_argument("--waiting", type=int, default=1_000, help="clients that wait concurrently (1,000)")
    arguments.add_argument("--only", choices=PARTS, action="append", help="measure only this part; may be repeated")
    options = parse(
        arguments, room=lambda chosen: 4_000 * (chosen.history + chosen.batched * chosen.pairs * 4) + (1 << 28)
    )
    chosen = options.only or PARTS
    with machine(options.folder) as running:
        nodes = Nodes(running, options.build)
        writer, reader = nodes.start("A"), nodes.start("B")
        redis = RedisLog(running, "redis")
        if "append" in chosen:
            measure_appends(running, options, writer, redis)
        if "live" in chosen:
            measure_latency(running, options, writer, reader, redis)
        if "catch-up" in chosen:
            measure_catching_up(options, writer, reader)
        if "waiting" in chosen:
            measure_waiting(options, writer, redis)


# Appending


def measure_appends(running: Machine, options: argparse.Namespace, node: Node, redis: RedisLog) -> None:
    log, table = KacheryLog(node), SQLiteLog(running.folder / "sqlite")
    count, many, turns = options.singles, options.batched, options.pairs
    print(f"{count} messages, one client, one by one")
    report(take_turns(lambda: log.append(count, 1), lambda: table.append(count), turns, "SQLite"), count)
    report(take_turns(lambda: log.append(count, 1), lambda: redis.append(count, 1), turns, "Redis"), count)
    print(f"\n{count} messages, 16 clients, one by one; SQLite has only one writer")
    report(take_turns(lambda: log.append(count, 16), lambda: table.append(count), turns, "SQLite"), count)
    report(take_turns(lambda: log.append(count, 16), lambda: redis.append(count, 16), turns, "Redis"), count)
    print(f"\n{many} messages, one client, in batches of 1,000")
    report(take_turns(lambda: log.append_batches(many), lambda: table.append_batches(many), turns, "SQLite"), many)
    report(take_turns(lambda: log.append_batches(many), lambda: redis.append_batches(many), turns, "Redis"), many)


def report(pairs: list[Pair], count: int) -> None:
    ours = median(run.seconds for run, _ in pairs)
    theirs = median(run.seconds for _, run in pairs)
    client = median(run.parts["client"] / run.seconds for run, _ in pairs)
    print(
        f"rates:   {count / ours:,.0f} and {count / theirs:,.0f} a second, "
        f"{1 / median(map(ratio, pairs)):.2f} of theirs; the client used {client:.0%} of kachery's time"
    )


# Live


def measure_latency(running: Machine, options: argparse.Namespace, writer: Node, reader: Node, redis: RedisLog) -> None:
    print(
        f"\n{options.live} messages, each appended on A while a client on B waits for it: milliseconds until it has it"
    )
    replica = RedisLog(running, "replica", replica_of=redis.port)
    ours = Follower.of_feed(KacheryLog(writer), reader)
    theirs = Follower.of_stream(redis, replica)
    # In turns of fifty, so that other work on the machine affects both.
    for start in range(0, options.live, 50):
        for follower in (ours, theirs):
            for number in range(start, start + 50):
                follower.follow(number)
    for name, follower in (("kachery", ours), ("Redis", theirs)):
        print(f"{name:8} {follower.summary()}")
    print(f"ratio of the medians: {ours.median / theirs.median:.2f}")


class Follower:
    """A client that appends on one server, and a client that waits on another."""

    def __init__(
        self, writing: Line, reading: Line, append: Callable[[int], bytes], watch: Callable[[int], bytes]
    ) -> None:
        self._writing, self._reading = writing, reading
        self._append, self._watch = append, watch
        self._arrived: list[float] = []
        self._kept: list[float] = []

    @staticmethod
    def of_feed(log: KacheryLog, reader: Node) -> Follower:
        copy = KacheryLog(reader, feed=log.feed)
        # So that the reader has already found the feed's node.
        log.append(1, 1)
        line = copy.line()
        http_json(line.ask(copy.watch_request(0, 10_000)))
        return Follower(
            log.line(),
            line,
            lambda number: log.append_request([message(number)]),
            lambda number: copy.watch_request(number + 1, 10_000),
        )

    @staticmethod
    def of_stream(log: RedisLog, replica: RedisLog) -> Follower:
        deadline = time.monotonic() + 20
        with_state = replica.line()
        while b"master_link_status:up" not in with_state.ask(b"*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n"):
            if time.monotonic() > deadline:
                raise SystemExit("The replica of Redis did not connect.")
            time.sleep(0.05)
        return Follower(
            log.line(),
            replica.line(),
            lambda number: log.append_request(message(number)),
            lambda _: log.watch_request(),
        )

    def follow(self, number: int) -> None:
        request = self._append(number)
        self._reading.send(self._watch(number))
        # Until the server knows that the reader waits.
        time.sleep(0.004)
        with selectors.EpollSelector() as selector:
            waiting = {"arrived": self._reading, "kept": self._writing}
            for name, line in waiting.items():
                selector.register(line.socket, selectors.EVENT_READ, name)
            began = time.monotonic()
            self._writing.send(request)
            while waiting:
                ready = selector.select(20)
                if not ready:
                    raise SystemExit(f"Message {number} did not arrive: {', '.join(waiting)} is missing.")
                for key, _ in ready:
                    if not waiting[key.data].receive():
                        continue
                    selector.unregister(key.fileobj)
                    del waiting[key.data]
                    getattr(self, f"_{key.data}").append(1e3 * (time.monotonic() - began))

    @property
    def median(self) -> float:
        return statistics.median(self._arrived)

    def summary(self) -> str:
        last = statistics.quantiles(self._arrived, n=100)[98]
        return (
            f"median {self.median:.2f}   99 of 100 within {last:.2f}   "
            f"(on A's disk: median {statistics.median(self._kept):.2f})"
        )


# Catching up


def measure_catching_up(options: argparse.Namespace, writer: Node, reader: Node) -> None:
    print(f"\n{options.history} messages on A that are new to B, until a client of B has read them all")
    rates: list[float] = []
    for turn in range(min(3, options.pairs)):
        log = KacheryLog(writer, subfeed=f"history {turn}")
        log.append_batches(options.history)
        before = [node.usage().processor_seconds for node in (writer, reader)]
        copy = KacheryLog(reader, feed=log.feed, subfeed=f"history {turn}")
        line, position = copy.line(), 0
        began = time.monotonic()
        while position < options.history:
            messages = http_json(line.ask(copy.watch_request(position, 10_000)))["messages"].get("w", [])
            if not messages:
                raise SystemExit(f"Only {position} messages arrived.")
            if messages[0]["number"] != position or messages[-1]["number"] != position + len(messages) - 1:
                raise SystemExit(f"Wrong messages arrived at {position}.")
            position += len(messages)
        seconds = time.monotonic() - began
        rates.append(options.history / seconds)
        spent = [node.usage().processor_seconds - was for node, was in zip((writer, reader), before)]
        print(f"turn {turn + 1}:  {rates[-1]:,.0f} a second; seconds of a core: A {spent[0]:.2f}, B {spent[1]:.2f}")
    print(f"median:  {median(rates):,.0f} a second")


# Waiting


def measure_waiting(options: argparse.Namespace, node: Node, redis: RedisLog) -> None:
    count = options.waiting
    print(
        f"\n{count} clients that wait for the next message of one log: the server's memory, and the time until all "
        "have the message"
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * count + 500, _most_files()), _most_files()))
    log = KacheryLog(node)
    log.append(1, 1)
    stream = redis.line()
    stream.ask(redis.append_request(message(0)))
    watch, append = log.watch_request(1, 60_000), log.append_request([message(1)])
    report_waiting("kachery", count, lambda: node.resident_bytes, log.line, watch, append)
    watch, append = redis.watch_request(), redis.append_request(message(1))
    report_waiting("Redis", count, lambda: resident_bytes(redis.pid), redis.line, watch, append)


def report_waiting(
    name: str, count: int, memory: Callable[[], int], line: Callable[[], Line], watch: bytes, append: bytes
) -> None:
    before = memory()
    lines = [line() for _ in range(count)]
    for waiting in lines:
        waiting.send(watch)
    time.sleep(1)
    during = memory()
    began = time.monotonic()
    writing = line()
    writing.send(append)
    for waiting in lines:
        waiting.answer()
    seconds = time.monotonic() - began
    writing.answer()
    for waiting in [*lines, writing]:
        waiting.close()
    each = (during - before) / count / 1024
    print(
        f"{name:8} {before >> 20} MiB, then {during >> 20} MiB: {each:.1f} KiB each; "
        f"all have it after {1e3 * seconds:.0f} ms"
    )


def _most_files() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


if __name__ == "__main__":
    main()
