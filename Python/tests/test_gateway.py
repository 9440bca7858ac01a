"""The gateway: files over plain HTTP, for browsers, curl and readers that know nothing of kachery."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.asyn import sync

from real_daemon import CHANNEL, RealDaemon, StartDaemon, free_port

CHUNK = 20_000_000  # bytes; fixed by the storage format
PAGE = "https://viewer.example"


class Gateway:
    """A daemon with a gateway, and what it answers."""

    def __init__(self, daemon: RealDaemon, port: int) -> None:
        self.daemon = daemon
        self.port = port

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """The status, the headers by lower-case name, and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=100)
        with contextlib.closing(connection):
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            found: dict[str, str] = {}
            for name, value in answer.getheaders():
                known = found.get(name.lower())
                found[name.lower()] = value if known is None else f"{known}, {value}"
            return answer.status, found, answer.read()

    def metric(self, name: str) -> int:
        headers = {"KACHERY-CLIENT-AUTH-CODE": (self.daemon.storage / "client-auth").read_text()}
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.api_port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics", headers=headers)
            found = re.search(rf"^{name} (\d+)$", connection.getresponse().read().decode(), re.MULTILINE)
        assert found, name
        return int(found[1])


def store(daemon: RealDaemon, path: Path, content: bytes) -> str:
    """Stores a file with this content; returns its hash."""
    path.write_bytes(content)
    stored = daemon.kachery("store", str(path))
    assert stored.returncode == 0, stored.stderr
    digest = hashlib.sha1(content).hexdigest()
    assert digest in stored.stdout
    return digest


@pytest.fixture
def gateway(start_daemon: StartDaemon) -> Gateway:
    """A node with a gateway for one channel that it has joined, beside one that is not named for the gateway."""
    port = free_port()
    options = ("--gateway", f"127.0.0.1:{port}", "--gateway-channel", CHANNEL, "--gateway-origin", PAGE)
    return Gateway(start_daemon("host", "--channel", CHANNEL, "--channel", "private-lab", *options), port)


def test_a_stored_file_is_served_to_anyone(gateway: Gateway, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4_000
    digest = store(gateway.daemon, tmp_path / "data.bin", content)
    path, tag = f"/sha1/{digest}/data.json", f'"sha1-{digest}"'

    status, headers, body = gateway.ask(path)
    assert (status, body) == (200, content)
    assert headers["content-length"] == str(len(content)) and headers["etag"] == tag
    assert headers["cache-control"] == "public, max-age=31536000, immutable" and headers["accept-ranges"] == "bytes"
    assert headers["content-type"] == "application/json" and headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"] and 'filename="data.json"' in headers["content-disposition"]
    assert "access-control-allow-origin" not in headers and headers["vary"] == "Origin"
    assert gateway.ask(f"/sha1/{digest}")[1]["content-type"] == "application/octet-stream"

    status, headers, body = gateway.ask(path, "HEAD", Range="bytes=0-9")
    assert (status, body, headers["content-length"]) == (200, b"", str(len(content)))
    for known in (tag, f"W/{tag}", "*"):
        status, headers, body = gateway.ask(path, If_None_Match=known)
        assert (status, body, headers["etag"]) == (304, b"", tag)
        assert headers.get("content-length", str(len(content))) == str(len(content))
    assert gateway.ask(path, If_Match='"other"')[0] == 412

    for written, part in (
        ("bytes=5-9", content[5:10]), ("bytes=-7", content[-7:]), ("bytes=1000000-", content[1_000_000:]),
        ("bytes=1-1,9-9", content[1:2]),
    ):  # fmt: skip
        status, headers, body = gateway.ask(path, Range=written)
        assert (status, body) == (206, part)
        first = len(content) - 7 if written == "bytes=-7" else int(re.findall(r"\d+", written)[0])
        assert headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(content)}"
    assert gateway.ask(path, Range="bytes=5-9", If_Range=tag)[0] == 206
    assert gateway.ask(path, Range="bytes=5-9", If_Range='"other"')[0] == 200
    assert gateway.ask(path, Range="bytes=x")[0] == 200
    status, headers, _ = gateway.ask(path, Range=f"bytes={len(content)}-")
    assert (status, headers["content-range"]) == (416, f"bytes */{len(content)}")

    empty = store(gateway.daemon, tmp_path / "empty", b"")
    assert (
        gateway.ask(f"/sha1/{empty}")[::2] == (200, b"") and gateway.ask(f"/sha1/{empty}", Range="bytes=0-")[0] == 416
    )

    # Pages of the allowed origin may read; they ask first if they send a range.
    status, headers, _ = gateway.ask(path, Origin=PAGE)
    assert (
        headers["access-control-allow-origin"] == PAGE and "Content-Range" in headers["access-control-expose-headers"]
    )
    status, headers, _ = gateway.ask(path, "OPTIONS", Origin=PAGE, Access_Control_Request_Method="GET")
    assert status == 204 and "Range" in headers["access-control-allow-headers"]
    for method in ("GET", "OPTIONS"):
        assert "access-control-allow-origin" not in gateway.ask(path, method, Origin="https://other.example")[1]

    # Nothing else is there: no other method, no API, no list, nothing beside the store's files.
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
        status, headers, _ = gateway.ask(path, method)
        assert (status, headers["allow"]) == (405, "GET, HEAD, OPTIONS"), method
    routes = ["/probe", "/metrics", "/stats", "/v1/store/list", "/page/main.js", "/x"]
    for absent in [*routes, "/sha1/", f"/sha1/{'0' * 39}", "/sha1/..%2f..%2fclient-auth", "/sha1dir/" + digest]:
        assert gateway.ask(absent)[0] == 404, absent
    assert b"/sha1/HASH" in gateway.ask("/")[2]
    shown = gateway.daemon.kachery("daemon", "status").stdout
    assert f"http://127.0.0.1:{gateway.port}, serves files of 1 channel\n  {CHANNEL}\n" in shown, shown
    assert "no token" not in gateway.daemon.log.read_text()
    assert gateway.metric("kachery_gateway_client_errors_total") >= 16
    assert gateway.metric("kachery_gateway_bytes_sent_total") >= 4 * len(content)


def test_a_folder_is_served_as_in_its_uri(gateway: Gateway, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    (folder / "sub dir").mkdir(parents=True)
    (folder / "a&b.txt").write_text("text")
    (folder / "sub dir" / "50%.csv").write_text("1,2\n")
    stored = gateway.daemon.kachery("store", str(folder))
    uri = re.search(r"sha1dir://([0-9a-f]{40})\S*", stored.stdout)
    assert uri, stored
    base = f"/sha1dir/{uri[1]}"

    index = json.loads(gateway.ask(base)[2])
    assert index["dirs"] == ["sub dir"] and index["files"]["a&b.txt"]["size"] == 4
    status, headers, _ = gateway.ask(base + ".results", Accept="text/html,*/*;q=0.8")
    assert (status, headers["location"], headers["vary"]) == (301, f"./{uri[1]}.results/", "Accept, Origin")
    status, headers, body = gateway.ask(base + ".results/", Accept="text/html,*/*;q=0.8")
    assert status == 200 and b'href="a%26b.txt"' in body and b"a&amp;b.txt" in body and b'href="sub%20dir/"' in body
    assert (
        headers["content-type"].startswith("text/html") and "default-src 'none'" in headers["content-security-policy"]
    )
    status, headers, body = gateway.ask(base + "/sub%20dir/50%25.csv", Range="bytes=1-")
    assert (status, body, headers["content-type"]) == (206, b",2\n", "text/csv; charset=utf-8")
    assert headers["etag"] == f'"sha1-{hashlib.sha1(b"1,2" + bytes([10])).hexdigest()}"'
    for absent in ("/nothing", "/sub%20dir/../a", "/a&b.txt/", "/a&b.txt/x"):
        assert gateway.ask(base + absent)[0] == 404, absent


@pytest.fixture
def remote(start_daemon: StartDaemon) -> tuple[RealDaemon, RealDaemon, Gateway]:
    """A node of the gateway's channel, one of another channel, and a gateway that has joined both channels."""
    port, gateway_port = free_port(), free_port()
    both = ("--channel", CHANNEL, "--channel", "private-lab")
    member = start_daemon("member", "--isbootstrap", "--port", str(port), "--channel", CHANNEL)
    joining = ("--bootstrap", f"127.0.0.1:{port}")
    outsider = start_daemon("outsider", *joining, "--channel", "private-lab")
    options = ("--gateway", f"127.0.0.1:{gateway_port}", "--gateway-channel", CHANNEL)
    return member, outsider, Gateway(start_daemon("host", *joining, *both, *options), gateway_port)


@contextlib.contextmanager
def opened_by_fsspec(address: str) -> Iterator[Any]:
    """The file at an address, as libraries read it. fsspec would keep the connection until the program ends."""
    files = fsspec.filesystem("http", skip_instance_cache=True)
    try:
        with files.open(address) as file:
            yield file
    finally:
        sync(files.loop, sync(files.loop, files.set_session).close)


def test_a_range_of_a_remote_file_costs_the_chunks_that_it_touches(
    remote: tuple[RealDaemon, RealDaemon, Gateway], tmp_path: Path
) -> None:
    member, outsider, gateway = remote
    numbers = np.arange(CHUNK, dtype=np.uint32)  # four chunks and a bit, all different
    array = io.BytesIO()
    np.save(array, numbers)
    content = array.getvalue()
    digest = store(member, tmp_path / "large.npy", content)
    private = store(outsider, tmp_path / "private.txt", b"of the other channel")
    small = store(member, tmp_path / "small.txt", b"of this channel")
    path = f"/sha1/{digest}/large.npy"

    deadline = time.monotonic() + 60
    while gateway.ask(f"/sha1/{small}")[::2] != (200, b"of this channel"):
        assert time.monotonic() < deadline, gateway.daemon.log.read_text()
    before = gateway.metric("kachery_file_bytes_received_total")
    status, headers, _ = gateway.ask(path, "HEAD")
    assert (status, headers["content-length"]) == (200, str(len(content)))
    # As readers of HDF5 do: a bit here, a bit there, and the same again.
    for start in (0, 512, 3 * CHUNK + 5, 100, 3 * CHUNK + 99):
        status, headers, body = gateway.ask(path, Range=f"bytes={start}-{start + 999}")
        assert (status, body) == (206, content[start : start + 1000]), headers
    loaded = gateway.metric("kachery_file_bytes_received_total") - before
    assert 2 * CHUNK < loaded < 2 * CHUNK + 100_000, "two chunks and the manifest"

    formats: Any = np.lib.format
    # The head of the array is in the first chunk, which is here, and the slice is in the second.
    with opened_by_fsspec(f"http://127.0.0.1:{gateway.port}{path}") as file:
        assert file.size == len(content) and formats.read_magic(file) == (1, 0)
        shape, _, kind = formats.read_array_header_1_0(file)
        assert (shape, kind) == (numbers.shape, numbers.dtype)
        first = 3 * CHUNK // 8
        file.seek(file.tell() + first * kind.itemsize)
        assert np.array_equal(np.frombuffer(file.read(4_000), kind), numbers[first : first + 1_000])
    sliced = gateway.metric("kachery_file_bytes_received_total") - before - loaded
    assert CHUNK <= sliced < CHUNK + 100_000, "one chunk more"
    assert gateway.ask(path)[2] == content
    # The gateway's node could load this file, but over a channel that is not named for the gateway.
    assert gateway.ask(f"/sha1/{private}")[0] in (404, 504)
    assert gateway.daemon.kachery("load", f"sha1://{private}").returncode == 0


def test_without_channels_nothing_is_served(start_daemon: StartDaemon, tmp_path: Path) -> None:
    port = free_port()
    daemon = start_daemon("silent", "--gateway", f"127.0.0.1:{port}", "--channel", CHANNEL)
    digest = store(daemon, tmp_path / "data.bin", b"data")
    assert Gateway(daemon, port).ask(f"/sha1/{digest}")[0] == 404
    assert "serves nothing" in daemon.log.read_text()
    shown = json.loads(daemon.kachery("daemon", "status", "--json").stdout)["gateway"]
    assert shown == {"address": f"127.0.0.1:{port}", "channels": []}
    checked = daemon.kachery("doctor").stdout
    assert "Gateway:" in checked and "no channel is named for it" in " ".join(checked.split()), checked
