"""The contenders that store messages: a kachery node, plain SQLite, and Redis. Each confirms only stored messages."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable

from nodes import Node
from pairs import Run
from processes import Machine, free_port, wait_for_port
from round_trips import (
    Line,
    ask_all,
    http_complete,
    http_json,
    http_request,
    redis_command,
    redis_complete,
)

BATCH = 1_000  # messages of one request or transaction


def message(number: int) -> dict[str, Any]:
    """A message such as a job's progress: 130 bytes."""
    return {
        "type": "progress",
        "fraction": number % 1000 / 1000,
        "text": f"line {number} of the recording has been sorted; nothing was found that is out of order",
        "number": number,
    }


def batches(count: int) -> list[list[dict[str, Any]]]:
    return [[message(n) for n in range(start, min(start + BATCH, count))] for start in range(0, count, BATCH)]


class KacheryLog:
    """A subfeed of a feed that the node writes, or of another node's feed that it reads."""

    def __init__(self, node: Node, feed: str = "", subfeed: str = "main") -> None:
        self._node = node
        self.subfeed = hashlib.sha1(subfeed.encode()).hexdigest()
        self.feed = feed or self._call(self.line(), "createFeed", {})["feedId"]

    def line(self) -> Line:
        return Line(self._node.api_port, http_complete)

    def request(self, verb: str, body: dict[str, Any]) -> bytes:
        return http_request(f"/feed/{verb}", self._node.token, body)

    def append_request(self, messages: list[dict[str, Any]]) -> bytes:
        return self.request("appendMessages", {**self._key, "messages": messages})

    def watch_request(self, position: int, wait_msec: int) -> bytes:
        watch = {**self._key, "position": position}
        return self.request("watchForNewMessages", {"subfeedWatches": {"w": watch}, "waitMsec": wait_msec})

    def append(self, count: int, clients: int) -> Run:
        """Appends messages one by one. Each client sends its next message when the last one is stored."""
        lines = [self.line() for _ in range(clients)]
        requests = [self.append_request([message(number)]) for number in range(count)]
        return _timed(lambda: ask_all(lines, requests), lines)

    def append_batches(self, count: int) -> Run:
        lines = [self.line()]
        requests = [self.append_request(batch) for batch in batches(count)]
        return _timed(lambda: ask_all(lines, requests), lines)

    def count(self) -> int:
        return int(self._call(self.line(), "getNumLocalMessages", self._key)["numMessages"])

    @property
    def _key(self) -> dict[str, Any]:
        return {"feedId": self.feed, "subfeedHash": self.subfeed}

    def _call(self, line: Line, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = http_json(line.ask(self.request(verb, body)))
        line.close()
        return answer


class SQLiteLog:
    """A node's table of messages without the node: no signatures, no requests, one writer."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._connection = sqlite3.connect(folder / "log.db", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            "CREATE TABLE messages(feed TEXT, subfeed TEXT, position INTEGER, message TEXT, "
            "PRIMARY KEY(feed, subfeed, position)) WITHOUT ROWID"
        )
        self._position = 0

    def append(self, count: int) -> Run:
        """One transaction per message."""
        texts = [[self._text(message(number))] for number in range(count)]
        return _timed(lambda: self._write(texts))

    def append_batches(self, count: int) -> Run:
        """One transaction per batch."""
        texts = [[self._text(one) for one in batch] for batch in batches(count)]
        return _timed(lambda: self._write(texts))

    def _write(self, transactions: list[list[str]]) -> float:
        began = time.monotonic()
        for texts in transactions:
            self._connection.execute("BEGIN IMMEDIATE")
            rows = [("f" * 64, "5" * 40, self._position + place, text) for place, text in enumerate(texts)]
            self._connection.executemany("INSERT INTO messages VALUES(?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")
            self._position += len(texts)
        return time.monotonic() - began

    @staticmethod
    def _text(one: dict[str, Any]) -> str:
        """As long as the text that a node stores, with two signatures, a number and a time."""
        body = {"messageNumber": 0, "message": one, "previousSignature": "0" * 128, "timestamp": 1_800_000_000_000}
        return json.dumps({"body": body, "signature": "0" * 128}, separators=(",", ":"))


class RedisLog:
    """A stream in Redis, which syncs its log to the disk before it answers."""

    def __init__(self, machine: Machine, name: str, replica_of: int = 0) -> None:
        folder = machine.folder / name
        folder.mkdir()
        self.port = free_port()
        program = shutil.which("redis-server") or "redis-server"
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"]
        if replica_of:
            command += ["--replicaof", "127.0.0.1", str(replica_of)]
        self._server = machine.serve(command, folder / "log")
        wait_for_port(self.port, self._server, folder / "log")

    @property
    def pid(self) -> int:
        return self._server.pid

    def line(self, replies: int = 1) -> Line:
        return Line(self.port, redis_complete(replies))

    def append(self, count: int, clients: int) -> Run:
        lines = [self.line() for _ in range(clients)]
        requests = [self.append_request(message(number)) for number in range(count)]
        return _timed(lambda: ask_all(lines, requests), lines)

    def append_batches(self, count: int) -> Run:
        """Sends each batch in one piece, and waits for all its replies."""
        lines = [self.line(BATCH)]
        requests = [b"".join(map(self.append_request, batch)) for batch in batches(count)]
        return _timed(lambda: ask_all(lines, requests), lines)

    @staticmethod
    def append_request(one: dict[str, Any]) -> bytes:
        return redis_command("XADD", "log", "*", "message", json.dumps(one, separators=(",", ":")))

    @staticmethod
    def watch_request() -> bytes:
        """A request for the next message."""
        return redis_command("XREAD", "BLOCK", "10000", "STREAMS", "log", "$")


def _timed(work: Callable[[], float], lines: Sequence[Line] = ()) -> Run:
    """Runs ``work``, which returns its seconds. Also measures the client's own processor time."""
    spent = time.process_time()
    seconds = work()
    for line in lines:
        line.close()
    return Run(seconds, {"client": time.process_time() - spent})
