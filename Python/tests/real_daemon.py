"""Daemons from the build under test."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable

import pytest

from kachery_p2p import _daemon

START_DEADLINE = 20.0  # seconds; a debug build on a busy machine
STOP_DEADLINE = 10.0
CHANNEL = "python-tests"


class RealDaemon:
    """One node with a home, a storage directory and an API port of its own."""

    def __init__(
        self,
        home: Path,
        label: str,
        *options: str,
        storage: Path | None = None,
        prefix: Sequence[str] = (),
        host: str | None = "127.0.0.1",
        multicast: bool = False,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Starts a daemon that tells its peers to reach it at ``host``, or that detects its address.

        With ``multicast`` it looks for others in its local networks. Of this process's variables it gets only PATH.
        """
        home.mkdir(parents=True, exist_ok=True)
        self.label = label
        self.storage = storage or home / "storage"
        self.log = home / "daemon.log"
        self.api_port = free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "KACHERY_STORAGE_DIR": str(self.storage),
            "KACHERY_P2P_CONFIG_DIR": str(home / "config"),
            "KACHERY_P2P_API_PORT": str(self.api_port),
            **environment,
        }
        command = [*prefix, str(program("kacheryd")), "--label", label, *options]
        if not multicast:
            command += ["--nomulticast"]
        if host is not None:
            command += ["--host", host]
        if "--port" not in options:
            command += ["--port", "0"]
        self._command = command
        self.start()

    def start(self) -> None:
        """Starts the daemon, at first or after it has stopped."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def probe(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.api_port}/probe", timeout=5) as answer:
            return dict(json.load(answer))

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_DEADLINE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                _ = self.probe
                return
            except OSError:
                time.sleep(0.02)
        pytest.fail(f"The daemon {self.label} did not start:\n{self.log.read_text(errors='replace')}")

    def kachery(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs ``kachery`` with these arguments against this daemon."""
        return subprocess.run(
            [str(program("kachery")), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def select(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Makes the package use this daemon."""
        monkeypatch.setenv("KACHERY_P2P_API_PORT", str(self.api_port))
        monkeypatch.setenv("KACHERY_P2P_API_HOST", "127.0.0.1")
        _daemon.forget()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"The daemon {self.label} did not stop on SIGTERM:\n{self.log.read_text(errors='replace')}")


StartDaemon = Callable[..., RealDaemon]  # a label, and options of the command line


def program(name: str) -> Path:
    """A program from the build folder that `make test-python` names."""
    folder = os.environ.get("KACHERY_BUILD_DIR")
    path = Path(folder or Path(__file__).parents[2] / ".build" / "debug") / name
    if not path.is_file():
        pytest.fail(
            f"{path} does not exist: run `make test-python`, or set KACHERY_BUILD_DIR to the folder with {name}."
        )
    return path


def free_port() -> int:
    """A free port. The kernel gives none of this range to tests that ask it for any port."""
    for _ in range(1_000):
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise OSError("No port is free.")
