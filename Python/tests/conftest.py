"""What the tests share: a clean environment, a stand-in daemon, and real ones."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Callable, Iterator

import pytest
from kachery_p2p import _daemon
from real_daemon import RealDaemon
from stand_in import StandIn


def pytest_configure(config: pytest.Config) -> None:
    """Gives the tests a folder of their own below TMPDIR. It goes with them; what a failed test left stays."""
    if config.option.basetemp is not None:
        return
    folder = tempfile.mkdtemp(prefix="kachery-tests-")
    config.option.basetemp = folder

    def remove() -> None:
        if config.kachery_tests_passed:
            shutil.rmtree(folder)

    config.kachery_tests_passed = True
    config.add_cleanup(remove)


def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.kachery_tests_passed = session.testsfailed == 0


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of whoever runs it, nor what an earlier one learned."""
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
    """A server that answers what a test tells it to, to see what a daemon would never do."""
    with StandIn(tmp_path / "stand-in") as server:
        monkeypatch.setenv("KACHERY_P2P_API_PORT", str(server.port))
        monkeypatch.setenv("KACHERY_P2P_API_HOST", "127.0.0.1")
        yield server


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[Callable[..., RealDaemon]]:
    """Starts real daemons; they stop with the test."""
    running = []

    def start(label: str, *options: str) -> RealDaemon:
        daemon = RealDaemon(tmp_path / label, label, *options)
        running.append(daemon)
        daemon.wait_until_ready()
        return daemon

    yield start
    for daemon in reversed(running):
        daemon.stop()


@pytest.fixture
def daemon(start_daemon: Callable[..., RealDaemon], monkeypatch: pytest.MonkeyPatch) -> RealDaemon:
    """A real daemon that the package finds through the environment."""
    started = start_daemon("alone")
    started.select(monkeypatch)
    return started
