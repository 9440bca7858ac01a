"""Who moves the file: two kachery nodes, or nginx and curl."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict

from processes import Machine, Usage, children_of, free_port, usage_of, wait_for_port


@dataclass
class Run:
    """One turn: what counts, and what it consists of."""

    seconds: float
    parts: Dict[str, float] = field(default_factory=dict)


class Kachery:
    """Two daemons that share a channel by name; one has the file, the other loads it anew each time."""

    def __init__(self, machine: Machine, build: Path, source: Path) -> None:
        self._machine = machine
        self._build = build
        self._client = Usage()
        self._ports = {"bootstrap": free_port(), "A": free_port(), "B": free_port()}
        peer_port = free_port()
        channel = f"bench-{os.urandom(4).hex()}"
        self._pids = {
            "bootstrap": self._start("bootstrap", "--isbootstrap", "--port", str(peer_port), "--channel", channel)
        }
        for name in ("A", "B"):
            self._pids[name] = self._start(
                name, "--port", "0", "--bootstrap", f"127.0.0.1:{peer_port}", "--channel", channel
            )
        self._uri = machine.run([str(build / "kachery"), "store", str(source)], self._environment("A")).output
        digest = self._uri[len("sha1://") :][:40]
        self._loaded = self._storage("B") / "sha1" / digest[:2] / digest[2:4] / digest[4:6] / digest

    def run(self) -> Run:
        self._loaded.unlink(missing_ok=True)
        finished = self._machine.run([str(self._build / "kachery"), "load", self._uri], self._environment("B"))
        self._client = self._client.joined(finished.usage)
        if not self._loaded.is_file():
            raise SystemExit(f"The load said {finished.output}, but {self._loaded} is not there.")
        return Run(finished.seconds)

    def usage(self) -> Dict[str, Usage]:
        return {
            "kacheryd, A (sends)": usage_of(self._pids["A"]),
            "kacheryd, B (receives)": usage_of(self._pids["B"]),
            "kachery load": self._client,
        }

    def _start(self, name: str, *options: str) -> int:
        home = self._machine.folder / name
        home.mkdir()
        command = [str(self._build / "kacheryd"), "--label", name, "--host", "127.0.0.1", "--nomulticast", *options]
        server = self._machine.serve(command, home / "log", self._environment(name))
        wait_for_port(self._ports[name], server, home / "log")
        return server.pid

    def _storage(self, name: str) -> Path:
        return self._machine.folder / name / "storage"

    def _environment(self, name: str) -> Dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._machine.folder / name),
            "KACHERY_STORAGE_DIR": str(self._storage(name)),
            "KACHERY_P2P_CONFIG_DIR": str(self._machine.folder / name / "config"),
            "KACHERY_P2P_API_PORT": str(self._ports[name]),
            "KACHERY_P2P_API_HOST": "127.0.0.1",
        }


class NginxAndCurl:
    """What a person would do by hand: fetch over HTTPS, then check the hash."""

    def __init__(self, machine: Machine, source: Path) -> None:
        self._machine = machine
        self._port = free_port()
        self._destination = machine.folder / "curl" / "copy.bin"
        self._digest = machine.run(["openssl", "sha1", "-r", str(source)]).output.split()[0]
        self._clients = {"curl": Usage(), "openssl sha1": Usage()}
        self._url = f"https://127.0.0.1:{self._port}/{source.name}"
        folder = machine.folder / "nginx"
        folder.mkdir()
        self._destination.parent.mkdir()
        machine.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
            + ["-subj", "/CN=127.0.0.1", "-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
        )
        (folder / "nginx.conf").write_text(self._configuration(folder, source.parent))
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
        command = [nginx, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        self._server = machine.serve(command, folder / "log")
        wait_for_port(self._port, self._server, folder / "log")

    def run(self) -> Run:
        self._destination.unlink(missing_ok=True)
        fetch = ["curl", "--silent", "--show-error", "--fail", "--insecure", "--tlsv1.3", "--http1.1"]
        fetched = self._machine.run([*fetch, "--output", str(self._destination), self._url])
        checked = self._machine.run(["openssl", "sha1", "-r", str(self._destination)])
        if checked.output.split()[0] != self._digest:
            raise SystemExit("curl's copy is not the original.")
        for name, finished in (("curl", fetched), ("openssl sha1", checked)):
            self._clients[name] = self._clients[name].joined(finished.usage)
        # Outside the time that counts, and so that the next turn does not pay for it.
        began = time.monotonic()
        with self._destination.open("rb") as file:
            os.fsync(file.fileno())
        synced = time.monotonic() - began
        return Run(fetched.seconds + checked.seconds, {"curl": fetched.seconds, "sync": synced})

    def usage(self) -> Dict[str, Usage]:
        workers = [usage_of(pid) for pid in children_of(self._server.pid)]
        server = Usage(max(w.peak_bytes for w in workers), sum(w.processor_seconds for w in workers))
        return {"nginx worker": server, **self._clients}

    def _configuration(self, folder: Path, root: Path) -> str:
        return f"""
            daemon off;
            pid {folder}/pid;
            error_log {folder}/error.log;
            worker_processes 1;
            # A worker drops to another user unless told to stay, and that one may not read this folder.
            {"user root;" if os.geteuid() == 0 else ""}
            events {{ worker_connections 64; }}
            http {{
              access_log off;
              sendfile on;
              client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
              uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
              server {{
                listen 127.0.0.1:{self._port} ssl;
                ssl_certificate {folder}/certificate.pem;
                ssl_certificate_key {folder}/key.pem;
                ssl_protocols TLSv1.3;
                ssl_buffer_size 16k;
                root {root};
              }}
            }}
            """
