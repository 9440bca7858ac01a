"""Nodes behind nginx, which passes WebSockets on to them.

`make test-network` runs this.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from real_daemon import free_port
from test_proxies import explanation, proxy, wait_for_link
from test_websockets import DEADLINE, Hub, Join, hub, join, share

# Fixtures.
__all__ = ["hub", "join"]


# What docs/operations.md recommends.
RECOMMENDED = Path(__file__).parents[2] / "Deploy" / "bootstrap-node" / "nginx.conf"


class Nginx:
    """A web server with TLS in front of a node."""

    def __init__(
        self, folder: Path, backend: int, settings: str = "", path: str = "/kachery", location: str | None = None
    ) -> None:
        folder.mkdir()
        location = (
            location
            or f"""
            location {path} {{
              proxy_pass http://127.0.0.1:{backend};
              proxy_http_version 1.1;
              proxy_set_header Upgrade $http_upgrade;
              proxy_set_header Connection upgrade;
              {settings}
            }}"""
        )
        self.port = free_port()
        self._log = folder / "error.log"
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=elsewhere.example"
        )
        subprocess.run(
            [*command.split(), "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
            check=True,
            capture_output=True,
        )
        temporary = "".join(
            f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = folder / "nginx.conf"
        configuration.write_text(f"""
            worker_processes 1; {user} pid {folder}/pid; daemon off;
            error_log {self._log};
            events {{ worker_connections 64; }}
            http {{
              access_log off; {temporary}
              server {{
                listen 127.0.0.1:{self.port} ssl;
                ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;
                {location}
              }}
            }}""")
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self._process = subprocess.Popen([program, "-e", self._log, "-c", configuration])

    def __enter__(self) -> Nginx:
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert self._process.poll() is None and time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE)

    @property
    def address(self) -> str:
        return f"wss://127.0.0.1:{self.port}"


@pytest.fixture
def nginx(tmp_path: Path, hub: Hub) -> Iterator[Callable[..., Nginx]]:
    running = list[Nginx]()

    def start(backend: int = hub.port, **settings: Any) -> Nginx:
        running.append(Nginx(tmp_path / f"nginx-{len(running)}", backend, **settings).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.__exit__()


def test_files_pass_through_nginx(hub: Hub, nginx: Callable[..., Nginx], join: Join, tmp_path: Path) -> None:
    """Its certificate is of another name and of no authority: the nodes prove their IDs inside."""
    location = RECOMMENDED.read_text()
    assert location.count("127.0.0.1:14508") == 1
    member = join(nginx(location=location.replace("14508", str(hub.port))).address)
    wait_for_link(member)
    share(hub.daemon, member, tmp_path)
    share(member, hub.daemon, tmp_path)


def test_two_members_meet_behind_nginx(hub: Hub, nginx: Callable[..., Nginx], join: Join, tmp_path: Path) -> None:
    address = nginx().address
    one, other = join(address, label="one"), join(address, label="other")
    share(one, other, tmp_path)


def test_an_idle_link_through_nginx_stays(hub: Hub, nginx: Callable[..., Nginx], join: Join) -> None:
    """nginx cuts a connection on which nothing was sent for a time, by default 60 s. Nodes send a ping every 3 s."""
    member = join(nginx(settings="proxy_read_timeout 4s; proxy_send_timeout 4s;").address, "--verbose", "1")
    wait_for_link(member)
    time.sleep(9)
    assert member.log.read_text().count("Linked to") == 1, member.log.read_text()


def test_nginx_through_a_proxy(hub: Hub, nginx: Callable[..., Nginx], join: Join, tmp_path: Path) -> None:
    server = nginx()
    with proxy() as campus:
        # The proxy knows this name alone.
        member = join(f"wss://hub.kachery.invalid:{server.port}", "--proxy", campus.url)
        wait_for_link(member)
        share(hub.daemon, member, tmp_path)
        assert campus.asked == [f"hub.kachery.invalid:{server.port}"]
        assert campus.carried > 5_000_000


def test_servers_that_lead_to_no_node(hub: Hub, nginx: Callable[..., Nginx], join: Join) -> None:
    wrong_path, down = nginx(path="/other"), nginx(backend=1)
    member = join(wrong_path.address, "--bootstrap", down.address)
    explanation(member, f"{wrong_path.address} does not accept a WebSocket at /kachery (404)")
    explanation(member, f"{down.address} does not accept a WebSocket at /kachery (502)")
    plain = join(f"wss://127.0.0.1:{hub.port}", label="plain")
    explanation(plain, "during the TLS handshake")
