"""Shared fixtures: a clean environment, a stand-in daemon, and real daemons."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from kachery_p2p import _daemon
from losses import Share
from real_daemon import CHANNEL, RealDaemon, StartDaemon, free_port
from stand_in import StandIn


def pytest_configure(config: pytest.Config) -> None:
    """Runs the tests in a folder of their own below TMPDIR. It is removed if all of them pass."""
    if config.option.basetemp is not None:
        # pytest-xdist's own name, such as popen-gw1, would make the paths of some Unix sockets too long.
        config.option.basetemp = str(config.option.basetemp).replace("/popen-gw", "/")
        return
    folder = tempfile.mkdtemp(prefix="kachery-")
    config.option.basetemp = folder

    config.pluginmanager.register(_RemovedIfPassed(folder))


class _RemovedIfPassed:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._passed = True

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._passed = session.testsfailed == 0

    def pytest_unconfigure(self) -> None:
        if not self._passed:
            return
        # Only root can remove what lies in a folder that a test has closed.
        for folder, subfolders, _ in os.walk(self._folder):
            for name in subfolders:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
        shutil.rmtree(self._folder)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides the user's settings, and what earlier tests cached."""
    for name in list(os.environ):
        if name.startswith("KACHERY_") and name not in ("KACHERY_BUILD_DIR", "KACHERY_PUBLISHED_PYTHON"):
            monkeypatch.delenv(name)
    _daemon.forget()


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage directory without a daemon."""
    directory = tmp_path / "offline"
    monkeypatch.setenv("KACHERY_OFFLINE_STORAGE_DIR", str(directory))
    return directory


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A server with answers that a test chooses, such as those that no daemon gives."""
    with StandIn(tmp_path / "stand-in") as server:
        monkeypatch.setenv("KACHERY_P2P_API_PORT", str(server.port))
        monkeypatch.setenv("KACHERY_P2P_API_HOST", "127.0.0.1")
        yield server


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[StartDaemon]:
    """Starts real daemons, which stop at the end of the test."""
    running = []

    def start(
        label: str,
        *options: str,
        host: str | None = "127.0.0.1",
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> RealDaemon:
        daemon = RealDaemon(tmp_path / label, label, *options, host=host, environment=environment)
        running.append(daemon)
        daemon.wait_until_ready()
        return daemon

    yield start
    for daemon in reversed(running):
        daemon.stop()


@pytest.fixture
def daemon(start_daemon: StartDaemon, monkeypatch: pytest.MonkeyPatch) -> RealDaemon:
    """A real daemon that the package finds through the environment."""
    started = start_daemon("alone")
    started.select(monkeypatch)
    return started


@pytest.fixture
def pair(start_daemon: StartDaemon) -> tuple[RealDaemon, RealDaemon]:
    """Two nodes on ``CHANNEL``: a source and a reader. A third node connects them."""
    port = free_port()
    start_daemon("bootstrap", "--isbootstrap", "--port", str(port), "--channel", CHANNEL)
    joining = ("--bootstrap", f"127.0.0.1:{port}", "--channel", CHANNEL)
    return start_daemon("source", *joining), start_daemon("reader", *joining)


@pytest.fixture
def share(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> Share:
    """The stand-in's storage directory, from which files can be lost."""
    return Share(stand_in, monkeypatch)


@pytest.fixture
def registered() -> None:
    """Registers the file systems with fsspec, as the entry points of the installed package do."""
    import fsspec

    from kachery_p2p.filesystem import KacheryFileSystem, KacheryFolderFileSystem

    for kind in (KacheryFileSystem, KacheryFolderFileSystem):
        fsspec.register_implementation(kind.protocol, kind, clobber=True)
        kind.clear_instance_cache()
