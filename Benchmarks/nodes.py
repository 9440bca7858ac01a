"""Kachery nodes on this machine that share a channel, and find each other through a bootstrap node of their own."""

from __future__ import annotations

import http.client
import json
import os
import time
from pathlib import Path

from processes import STOP_DEADLINE, Finished, Machine, Usage, free_port, resident_bytes, usage_of, wait_for_port


class Node:
    """One daemon with a storage directory of its own, and the commands that use it."""

    def __init__(
        self,
        machine: Machine,
        build: Path,
        name: str,
        options: list[str],
        host: str = "127.0.0.1",
        settings: dict[str, str] | None = None,
    ) -> None:
        """Starts a daemon that listens on ``host`` for peers. ``settings`` are further variables of its environment."""
        self.name = name
        self.api_port = free_port()
        self._machine = machine
        self._build = build
        self._home = machine.folder / name
        self._home.mkdir()
        command = [str(build / "kacheryd"), "--label", name, "--host", host, "--nomulticast", *options]
        environment = {**self.environment, **(settings or {})}
        self._server = machine.serve(command, self._home / "log", environment)

    def wait_until_ready(self) -> None:
        wait_for_port(self.api_port, self._server, self._home / "log")

    def wait_for_links(self, count: int, deadline: float = 30) -> None:
        """Waits until this node has links to ``count`` others."""
        links = 0
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            links = self.statistics()["kachery_links"]
            if links >= count:
                return
            time.sleep(0.1)
        raise SystemExit(f"{self.name} has links to {links} nodes, not to {count}.")

    def statistics(self) -> dict[str, int]:
        """The daemon's metrics."""
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=10)
        connection.request("GET", "/stats?format=json", headers={"KACHERY-CLIENT-AUTH-CODE": self.token})
        stats: dict[str, int] = json.loads(connection.getresponse().read())["stats"]
        connection.close()
        return stats

    def stop(self) -> None:
        """Stops the daemon."""
        self._server.terminate()
        self._server.wait(STOP_DEADLINE)

    def run(self, *arguments: str) -> Finished:
        """Runs `kachery` with these arguments against this node."""
        return self._machine.run([str(self._build / "kachery"), *arguments], self.environment)

    def path_of(self, uri: str) -> Path:
        """The path of a URI's file on this node."""
        digest = uri[len("sha1://") :][:40]
        return self.storage / "sha1" / digest[:2] / digest[2:4] / digest[4:6] / digest

    def usage(self) -> Usage:
        return usage_of(self._server.pid)

    @property
    def resident_bytes(self) -> int:
        """The daemon's present resident memory."""
        return resident_bytes(self._server.pid)

    @property
    def token(self) -> str:
        """The token of clients, which changes every few minutes."""
        return (self.storage / "client-auth").read_text()

    @property
    def storage(self) -> Path:
        return self._home / "storage"

    @property
    def environment(self) -> dict[str, str]:
        return environment_of(self._home, self.api_port)


def environment_of(home: Path, api_port: int) -> dict[str, str]:
    """The environment of a node, whose storage directory is ``home / "storage"``."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "KACHERY_STORAGE_DIR": str(home / "storage"),
        "KACHERY_P2P_CONFIG_DIR": str(home / "config"),
        "KACHERY_P2P_API_PORT": str(api_port),
        "KACHERY_P2P_API_HOST": "127.0.0.1",
    }


class Nodes:
    """A bootstrap node, and the nodes that find each other through it."""

    def __init__(self, machine: Machine, build: Path, name: str = "bootstrap", *options: str) -> None:
        """Starts the bootstrap node. ``options`` are further ones of its daemon."""
        self._machine = machine
        self._build = build
        self._channel = f"bench-{os.urandom(4).hex()}"
        self.peer_port = free_port()
        bootstrap = ["--isbootstrap", "--port", str(self.peer_port), "--channel", self._channel, *options]
        self.bootstrap = Node(machine, build, name, bootstrap)
        self.bootstrap.wait_until_ready()

    def start(self, name: str, *options: str, waits: bool = True) -> Node:
        port = [] if "--port" in options else ["--port", "0"]
        joining = [*port, "--bootstrap", f"127.0.0.1:{self.peer_port}", "--channel", self._channel]
        node = Node(self._machine, self._build, name, [*joining, *options])
        if waits:
            node.wait_until_ready()
        return node
