"""A disk that is really full: clients get an error, nothing is lost, and work continues when there is space."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest

from real_daemon import RealDaemon, free_port
from small_disk import SmallDisk

DISK_MEGABYTES = 40
KEPT = bytes(range(256)) * 8_000  # 2 MB
LARGE = hashlib.sha256(b"large").digest() * 1_000_000  # 32 MB


class Client:
    """Calls a daemon whose storage directory only the daemon sees."""

    def __init__(self, daemon: RealDaemon, token: Path) -> None:
        self.daemon = daemon
        self._token = token

    def call(self, path: str, body: bytes) -> tuple[int, bytes]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.daemon.api_port}{path}",
            data=body,
            headers={"KACHERY-CLIENT-AUTH-CODE": self._token.read_text()},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def post(self, path: str, body: Any) -> tuple[int, bytes]:
        return self.call(path, json.dumps(body).encode())

    def store(self, data: bytes) -> dict[str, Any]:
        status, answer = self.call("/store", data)
        assert status == 200
        return dict(json.loads(answer))

    def load(self, sha1: str) -> dict[str, Any]:
        """The last message of a load."""
        return messages(self.post("/loadFile", {"fileKey": {"sha1": sha1}})[1])[-1]

    def download(self, sha1: str) -> bytes:
        status, data = self.post("/downloadFileData", {"fileKey": {"sha1": sha1}})
        assert status == 200, data
        return data

    def verify(self) -> dict[str, Any]:
        return messages(self.post("/v1/store/verify", {})[1])[-1]


def messages(stream: bytes) -> list[dict[str, Any]]:
    found = []
    while stream:
        length, _, rest = stream.partition(b"#")
        found.append(json.loads(rest[: int(length)]))
        stream = rest[int(length) :]
    return found


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "small", DISK_MEGABYTES)
    yield disk
    disk.unmount()


@pytest.fixture
def start(tmp_path: Path, disk: SmallDisk) -> Iterator[Callable[..., Client]]:
    """Starts a daemon on the small disk, and returns its client."""
    running = []

    def start(*options: str) -> Client:
        storage = disk.place / "storage"
        daemon = RealDaemon(tmp_path / "home", "small", *options, storage=storage, prefix=disk.prefix)
        running.append(daemon)
        daemon.wait_until_ready()
        return Client(daemon, disk.seen(storage / "client-auth"))

    yield start
    for daemon in running:
        daemon.stop()


def check_refused(reply: dict[str, Any]) -> None:
    assert reply["code"] == "disk_full", reply
    assert "free some space" in reply["error"], reply


def check_sound(client: Client, files: int) -> None:
    finished = client.verify()
    assert finished["checked"]["files"] == files and finished["damaged"] == finished["foreign"] == 0, finished


def test_storing_more_than_there_is_room_for(disk: SmallDisk, start: Callable[..., Client], tmp_path: Path) -> None:
    client = start()
    kept = client.store(KEPT)["sha1"]
    room = disk.free_bytes
    too_large = tmp_path / "too-large"
    too_large.write_bytes(LARGE * 2)
    for reply in (
        client.store(LARGE * 2),
        json.loads(client.post("/storeFile", {"localFilePath": str(too_large)})[1]),
    ):
        assert reply["success"] is False
        check_refused(reply)
        assert room - disk.free_bytes < 1_000_000, "a failed store leaves nothing behind"
    assert client.download(kept) == KEPT
    check_sound(client, 1)
    assert client.store(LARGE[:10_000_000])["success"]


def test_everything_that_writes_says_that_the_disk_is_full(disk: SmallDisk, start: Callable[..., Client]) -> None:
    client = start()
    kept = client.store(KEPT)["sha1"]
    client.post("/mutable/set", {"key": "before", "value": 1})
    feed = json.loads(client.post("/feed/createFeed", {"feedName": "log"})[1])["feedId"]
    subfeed = {"feedId": feed, "subfeedHash": hashlib.sha1(b"main").hexdigest()}
    append = {**subfeed, "messages": [{"text": "x" * 9_000}] * 10}
    assert client.post("/feed/appendMessages", append)[0] == 200
    disk.fill()
    check_refused(client.store(KEPT + b"and more"))
    large_value = {"key": "while full", "value": "x" * 1_000_000}
    large_append = {**append, "messages": [{"text": "y" * 9_000}] * 90}
    for path, body in [("/mutable/set", large_value), ("/feed/appendMessages", large_append)]:
        status, answer = client.post(path, body)
        assert status != 200 or b'"success":false' in answer, (path, answer)
        assert b"disk is full" in answer, (path, answer)
    # The old data is intact and served.
    assert client.download(kept) == KEPT
    assert json.loads(client.post("/mutable/get", {"key": "before"})[1])["value"] == 1
    assert json.loads(client.post("/feed/getNumLocalMessages", subfeed)[1])["numMessages"] == 10
    disk.empty()
    assert client.store(KEPT + b"and more")["success"]
    assert client.post("/mutable/set", large_value)[0] == 200
    assert client.post("/feed/appendMessages", append)[0] == 200
    assert json.loads(client.post("/feed/getNumLocalMessages", subfeed)[1])["numMessages"] == 20
    check_sound(client, 2)


@pytest.fixture
def source(start_daemon: Callable[..., RealDaemon]) -> tuple[list[str], str]:
    """A node that has the large file: the options that connect another node to it, and the file's hash."""
    port = free_port()
    source = start_daemon("source", "--isbootstrap", "--port", str(port), "--channel", "full-disk-2b1")
    request = urllib.request.Request(
        f"http://127.0.0.1:{source.api_port}/store",
        data=LARGE,
        headers={"KACHERY-CLIENT-AUTH-CODE": (source.storage / "client-auth").read_text()},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        sha1 = json.load(answer)["sha1"]
    return ["--bootstrap", f"127.0.0.1:{port}", "--channel", "full-disk-2b1"], sha1


def test_a_load_that_finds_too_little_room(
    disk: SmallDisk, start: Callable[..., Client], source: tuple[list[str], str]
) -> None:
    options, sha1 = source
    client = start(*options)
    kept = client.store(KEPT)["sha1"]
    disk.fill(leaving=12_000_000)
    for _ in range(2):
        check_refused(client.load(sha1))
    assert client.download(kept) == KEPT
    log = client.daemon.log.read_text()
    assert log.count("error: ") == 1 and "free some space" in log, log
    disk.empty()
    assert client.load(sha1)["type"] == "finished"
    assert client.download(sha1) == LARGE
    check_sound(client, 3)  # two files and the manifest


def test_room_that_runs_out_under_a_load(
    disk: SmallDisk, start: Callable[..., Client], source: tuple[list[str], str]
) -> None:
    options, sha1 = source
    client = start(*options, "--limit-down", "4")
    kept = client.store(KEPT)["sha1"]
    room = disk.free_bytes
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(client.load, sha1)
        deadline = time.monotonic() + 20
        while disk.free_bytes > room - 1_000_000:
            assert time.monotonic() < deadline and not load.done(), "no bytes arrive"
            time.sleep(0.005)
        disk.fill()
        check_refused(load.result(30))
    assert client.download(kept) == KEPT
    assert json.loads(client.post("/mutable/get", {"key": "x"})[1])["found"] is False
    disk.empty()
    assert client.load(sha1)["type"] == "finished"
    assert client.download(sha1) == LARGE
    check_sound(client, 3)  # two files and the manifest


def test_a_start_on_a_full_disk(disk: SmallDisk, start: Callable[..., Client], tmp_path: Path) -> None:
    """After a power cut, for example, the daemon serves its files or says why not, and loses nothing."""
    client = start()
    kept = client.store(KEPT)["sha1"]
    client.post("/mutable/set", {"key": "before", "value": 1})
    client.daemon.process.kill()
    client.daemon.process.wait()
    disk.fill()
    again = RealDaemon(tmp_path / "home", "small", storage=disk.place / "storage", prefix=disk.prefix)
    try:
        code = again.process.wait(20)
    finally:
        again.process.kill()
    assert code == 1 and "the disk is full; free some space" in again.log.read_text(), again.log.read_text()
    disk.empty()
    client = start()
    assert client.download(kept) == KEPT
    assert json.loads(client.post("/mutable/get", {"key": "before"})[1])["value"] == 1
    check_sound(client, 1)


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    """A limit as set by `ulimit -f` and some quotas."""
    limit = ["prlimit", "--fsize=10000000"]
    daemon = RealDaemon(tmp_path / "limited", "limited", prefix=limit)
    daemon.wait_until_ready()
    client = Client(daemon, daemon.storage / "client-auth")
    try:
        for _ in range(2):
            reply = client.store(LARGE)
            assert reply["code"] == "disk_full" and "not allowed here" in reply["error"], reply
        assert client.download(client.store(KEPT)["sha1"]) == KEPT
        check_sound(client, 1)
    finally:
        daemon.stop()
