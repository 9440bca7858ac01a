"""Nodes linked by WebSockets, and seen by a client that is not ours. `Tests/Network` has them behind nginx."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from real_daemon import CHANNEL, RealDaemon, StartDaemon, free_port
from test_proxies import PATIENCE, explanation, wait_for_link

KACHERY = Subprotocol("kachery")
DEADLINE = 20.0  # seconds


class Hub:
    """A bootstrap node that accepts WebSockets, and can be reached by nothing else: no other node knows its port."""

    def __init__(self, start_daemon: StartDaemon) -> None:
        self.port = free_port()
        options = ("--isbootstrap", "--port", "0", "--websocket-port", str(self.port), "--channel", CHANNEL, "--no-lan")
        self.daemon = start_daemon("hub", *options, host=None)

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


@pytest.fixture
def hub(start_daemon: StartDaemon) -> Hub:
    return Hub(start_daemon)


Join = Callable[..., RealDaemon]


@pytest.fixture
def join(start_daemon: StartDaemon) -> Join:
    """Starts a node that knows one address alone."""

    def join(address: str, *options: str, label: str = "member") -> RealDaemon:
        return start_daemon(label, "--bootstrap", address, "--channel", CHANNEL, "--no-lan", *options, host=None)

    return join


def share(source: RealDaemon, target: RealDaemon, folder: Path, size: int = 5_000_000) -> None:
    path, copy = folder / f"from-{source.label}.bin", folder / f"at-{target.label}.bin"
    path.write_bytes(os.urandom(size))
    stored = source.kachery("store", str(path), timeout=PATIENCE)
    assert stored.returncode == 0, stored.stderr
    loaded = target.kachery("load", "--quiet", "--dest", str(copy), stored.stdout.strip(), timeout=PATIENCE)
    assert loaded.returncode == 0, loaded.stderr + target.log.read_text()
    assert copy.read_bytes() == path.read_bytes()


def test_files_pass_in_both_directions(hub: Hub, join: Join, tmp_path: Path) -> None:
    member = join(hub.address)
    wait_for_link(member)
    share(hub.daemon, member, tmp_path)
    share(member, hub.daemon, tmp_path)


def test_a_node_without_websockets_is_no_web_server(start_daemon: StartDaemon, join: Join) -> None:
    port = free_port()
    start_daemon("plain", "--isbootstrap", "--port", str(port), "--channel", CHANNEL, "--no-lan", host=None)
    member = join(f"ws://127.0.0.1:{port}", "--verbose", "1")
    explanation(member, f"The bootstrap node ws://127.0.0.1:{port}, where members meet, cannot be reached")


# A client that is not ours, which begins where TLS of the two nodes would.


def test_another_client_gets_an_answer(hub: Hub) -> None:
    with client(hub) as socket_:
        assert socket_.subprotocol == KACHERY
        socket_.ping().wait(DEADLINE)
        socket_.send(client_hello())
        answer = socket_.recv(DEADLINE)
        assert isinstance(answer, bytes) and answer[:3] == b"\x16\x03\x03", "a handshake message of TLS"


def test_another_client_may_split_and_join_messages(hub: Hub) -> None:
    hello = client_hello()
    with client(hub) as socket_:
        for byte in hello[:10]:
            socket_.send(bytes([byte]))
        socket_.send(iter([hello[10:20], b"", hello[20:]]))
        answer = socket_.recv(DEADLINE)
        assert isinstance(answer, bytes) and answer[:1] == b"\x16"


@pytest.mark.parametrize(
    ("message", "code"),
    [("text", None), (b"\x16\x03\x01", None), (bytes(300_000), 1009), (bytes(1_000), None)],
    ids=["text", "cut", "large", "zeros"],
)
def test_what_belongs_to_no_node_ends_the_connection(message: str | bytes, code: int | None, hub: Hub) -> None:
    with client(hub) as socket_:
        socket_.send(message)
        if message == b"\x16\x03\x01":
            socket_.close()
        with pytest.raises(ConnectionClosed) as closed:
            socket_.recv(DEADLINE)
    if code is not None:
        assert closed.value.rcvd is not None and closed.value.rcvd.code == code
    with client(hub) as another:
        another.ping().wait(DEADLINE)


@pytest.mark.parametrize(
    ("path", "settings", "status"),
    [
        ("/", {}, 404),
        ("/kachery/x", {}, 404),
        ("/kachery", {"origin": Origin("https://evil.example")}, 403),
        ("/kachery", {"subprotocols": [Subprotocol("chat")]}, 400),
        ("/kachery", {"subprotocols": None}, 400),
    ],
)
def test_other_requests_are_refused(path: str, settings: dict[str, Any], status: int, hub: Hub) -> None:
    with pytest.raises(InvalidStatus) as refused, client(hub, path, **settings):
        pass
    assert refused.value.response.status_code == status
    assert b"accepted here" in refused.value.response.body


def test_silent_and_endless_clients_are_dropped(hub: Hub) -> None:
    """They do not keep others out."""
    with socket.create_connection(("127.0.0.1", hub.port)) as endless:
        endless.settimeout(DEADLINE)
        with contextlib.suppress(OSError):
            for _ in range(100_000):
                endless.sendall(b"X" * 10_000)
            pytest.fail("It reads a head of a gigabyte.")
    silent = [socket.create_connection(("127.0.0.1", hub.port)) for _ in range(100)]
    try:
        # All places of the address are taken, until the clients have been silent for 10 s.
        deadline = time.monotonic() + 2 * DEADLINE
        while True:
            try:
                with client(hub) as socket_:
                    socket_.ping().wait(DEADLINE)
                break
            except (OSError, EOFError, WebSocketException):
                assert time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        for connection in silent:
            connection.close()


def client(hub: Hub, path: str = "/kachery", **settings: Any) -> ClientConnection:
    settings.setdefault("subprotocols", [KACHERY])
    return connect(f"{hub.address}{path}", compression=None, open_timeout=DEADLINE, proxy=None, **settings)


def client_hello() -> bytes:
    """The first bytes of a TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["kachery/1"])
    outgoing = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()
