"""Nodes that reach others only through an HTTP proxy."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from proxy import Proxy
from real_daemon import CHANNEL, RealDaemon, StartDaemon, free_port, program

PATIENCE = 30.0  # seconds
# A name that only the proxy knows: a node that resolved it itself would find nothing.
HUB = "hub.kachery.invalid"
UNKNOWN = f"sha1://{40 * 'a'}/unknown.bin"

StartBehind = Callable[..., RealDaemon]


class Hub:
    """A bootstrap node that also has files, under a name that only proxies know."""

    def __init__(self, start_daemon: StartDaemon) -> None:
        self.port = free_port()
        self.daemon = start_daemon(
            "hub", "--isbootstrap", "--port", str(self.port), "--channel", CHANNEL, "--no-lan", host=HUB
        )
        self.address = f"{HUB}:{self.port}"


@pytest.fixture
def hub(start_daemon: StartDaemon) -> Hub:
    return Hub(start_daemon)


@pytest.fixture
def start_behind(start_daemon: StartDaemon, hub: Hub) -> StartBehind:
    """Starts a node that uses a proxy, and knows the hub alone."""

    def start(url: str, *options: str) -> RealDaemon:
        return start_daemon(
            "behind", "--bootstrap", hub.address, "--channel", CHANNEL, "--no-lan", "--proxy", url, *options, host=None
        )

    return start


@contextlib.contextmanager
def proxy(**settings: Any) -> Iterator[Proxy]:
    with Proxy(hosts={HUB: "127.0.0.1"}, **settings) as running:
        yield running


def wait_for_link(daemon: RealDaemon) -> None:
    deadline = time.monotonic() + PATIENCE
    while "Linked nodes:      1" not in daemon.kachery("daemon", "status", timeout=PATIENCE).stdout:
        assert time.monotonic() < deadline, daemon.log.read_text()
        time.sleep(0.05)


def explanation(daemon: RealDaemon, sentence: str) -> str:
    """Waits until ``kachery explain`` contains this. Returns its whole output."""
    deadline = time.monotonic() + PATIENCE
    while True:
        explained = daemon.kachery("explain", UNKNOWN, timeout=PATIENCE)
        text = " ".join((explained.stdout + explained.stderr).split())
        if sentence in text:
            return text
        assert time.monotonic() < deadline, f"{text}\n{daemon.log.read_text()}"
        time.sleep(0.1)


def share(hub: Hub, behind: RealDaemon, folder: Path) -> None:
    source, copy = folder / "source.bin", folder / "copy.bin"
    source.write_bytes(bytes(range(256)) * 20_000)
    stored = hub.daemon.kachery("store", str(source), timeout=PATIENCE)
    assert stored.returncode == 0, stored.stderr
    loaded = behind.kachery("load", "--quiet", "--dest", str(copy), stored.stdout.strip(), timeout=PATIENCE)
    assert loaded.returncode == 0, loaded.stderr + behind.log.read_text()
    assert copy.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("method", ["", "Basic", "Digest"])
def test_files_pass_through_a_proxy(method: str, hub: Hub, start_behind: StartBehind, tmp_path: Path) -> None:
    settings = {"user": "ann", "password": "p:ss@/%", "method": method} if method else {}
    with proxy(**settings) as campus:
        credentials = "ann:p%3Ass%40%2F%25@" if method else ""
        behind = start_behind(campus.url.replace("//", f"//{credentials}"))
        wait_for_link(behind)
        share(hub, behind, tmp_path)
        assert campus.carried > 5_000_000
        assert campus.challenges == (len(campus.asked) if method else 0)
        assert hub.address in campus.asked
    log = behind.log.read_text()
    assert f"through the proxy {campus.url}" in log
    assert "p:ss" not in log and "p%3Ass" not in log, "the log shows the password"


def test_the_environment_names_the_proxy_and_its_exceptions(
    hub: Hub, start_daemon: StartDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy() as campus:
        options = ("--bootstrap", hub.address, "--channel", CHANNEL, "--no-lan")
        behind = start_daemon("behind", *options, host=None, environment={"https_proxy": campus.url})
        wait_for_link(behind)
        asked = len(campus.asked)
        exempt = start_daemon(
            "exempt",
            *options,
            host=None,
            environment={"https_proxy": campus.url, "no_proxy": "x.org, .kachery.invalid"},
        )
        text = explanation(exempt, f"The bootstrap node {hub.address}")
        assert "resolved" in text, "it asked a resolver, which does not know the name"
        assert len(campus.asked) == asked


def test_kachery_yaml_names_the_proxy(hub: Hub, start_daemon: StartDaemon, tmp_path: Path) -> None:
    with proxy() as campus:
        storage = tmp_path / "behind" / "storage"
        storage.mkdir(parents=True)
        (storage / "kachery.yaml").write_text("proxy: http://127.0.0.1:1\n")
        behind = start_daemon(
            "behind",
            *("--bootstrap", hub.address, "--channel", CHANNEL, "--no-lan"),
            host=None,
            environment={"https_proxy": "http://127.0.0.1:2"},
        )
        explanation(behind, "The proxy http://127.0.0.1:1 accepts no connections")
        (storage / "kachery.yaml").write_text(f"proxy: {campus.url}\n")
        behind.process.send_signal(1)
        wait_for_link(behind)


def test_a_port_that_the_proxy_does_not_allow(hub: Hub, start_behind: StartBehind) -> None:
    with proxy(allowed={80}) as campus:
        behind = start_behind(campus.url)
        text = explanation(behind, f"does not allow connections to {hub.address} (403)")
        assert "--also-listen 443" in text
        assert f"{HUB}:443" in campus.asked
    assert behind.log.read_text().count("does not allow connections to") == 1, "port 443 alone is worth a warning"
    assert f"does not allow connections to {HUB}:443 (403)" in behind.log.read_text()


@pytest.mark.parametrize(
    ("credentials", "sentence", "remedy"),
    [
        ("", "asks for a user name and a password", "http://USER:PASSWORD@HOST:PORT"),
        ("ann:wrong@", "does not accept the password of the user 'ann'", "correct it where the proxy is named"),
    ],
)
def test_a_password_that_is_missing_or_wrong(
    credentials: str, sentence: str, remedy: str, start_behind: StartBehind
) -> None:
    with proxy(user="ann", password="right") as campus:
        behind = start_behind(campus.url.replace("//", f"//{credentials}"))
        assert remedy in explanation(behind, sentence)
        assert campus.asked == []
    log = " ".join(behind.log.read_text().split())
    assert log.count(sentence) == 1, "it is logged once"
    assert "wrong" not in log


def _closes(client: socket.socket, _: str) -> None:
    client.close()


def _answers_garbage(client: socket.socket, _: str) -> None:
    client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" + b"\0\xff" * 2_000)


def _answers_endlessly(client: socket.socket, _: str) -> None:
    with contextlib.suppress(OSError):
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            client.sendall(b"X-Filler: " + b"x" * 8_000 + b"\r\n")


def _says_nothing(client: socket.socket, _: str) -> None:
    with contextlib.suppress(OSError):
        client.recv(1)


@pytest.mark.parametrize(
    ("respond", "sentence"),
    [
        (_closes, "does not answer as an HTTP proxy"),
        (_answers_garbage, "does not answer as an HTTP proxy"),
        (_answers_endlessly, "does not answer as an HTTP proxy"),
        (_says_nothing, "within 10 s"),
    ],
)
def test_what_is_no_proxy(respond: Any, sentence: str, start_behind: StartBehind) -> None:
    with proxy(respond=respond) as campus:
        behind = start_behind(campus.url)
        explanation(behind, sentence)
        assert behind.process.poll() is None


def test_a_slow_proxy(hub: Hub, start_behind: StartBehind, tmp_path: Path) -> None:
    with proxy(delay=2) as campus:
        behind = start_behind(campus.url)
        wait_for_link(behind)
        share(hub, behind, tmp_path)


def test_a_proxy_that_ends_and_returns(hub: Hub, start_behind: StartBehind, tmp_path: Path) -> None:
    with proxy() as campus:
        behind = start_behind(campus.url)
        wait_for_link(behind)
    explanation(behind, "accepts no connections")
    with proxy(port=campus.port):
        wait_for_link(behind)
        share(hub, behind, tmp_path)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_a_kind_of_proxy_that_cannot_be_used(url: str, hub: Hub, start_daemon: StartDaemon) -> None:
    refused = subprocess.run(
        [str(program("kacheryd")), "--proxy", url], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert refused.returncode == 2
    assert "only an http:// proxy" in refused.stderr
    # In the environment it may be meant for other programs, but no host is dialed against the owner's intent.
    options = ("--bootstrap", hub.address, "--channel", CHANNEL, "--no-lan")
    behind = start_daemon("behind", *options, host=None, environment={"https_proxy": url})
    explanation(behind, "cannot be used, only an http:// proxy")
