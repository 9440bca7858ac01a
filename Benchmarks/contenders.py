"""The contenders that transfer a file: two kachery nodes, or nginx and curl."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nodes import Nodes
from pairs import Run
from processes import Machine, Usage, children_of, free_port, sync, usage_of, wait_for_port


def certificate(machine: Machine, folder: Path) -> tuple[Path, Path]:
    """Makes a key and a certificate of this machine for itself, in this folder."""
    key, chain = folder / "key.pem", folder / "certificate.pem"
    machine.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(chain)]
    )  # fmt: skip
    return key, chain


class Kachery:
    """Two nodes on one channel. One has the file, and the other loads it in every turn."""

    def __init__(self, machine: Machine, build: Path, source: Path) -> None:
        self._client = Usage()
        self._nodes = Nodes(machine, build)
        self._sender, self._receiver = self._nodes.start("A"), self._nodes.start("B")
        self._uri = self._sender.run("store", str(source)).output
        self._loaded = self._receiver.path_of(self._uri)

    def run(self) -> Run:
        self._loaded.unlink(missing_ok=True)
        finished = self._receiver.run("load", self._uri)
        self._client = self._client.joined(finished.usage)
        if not self._loaded.is_file():
            raise SystemExit(f"The load printed {finished.output}, but {self._loaded} does not exist.")
        return Run(finished.seconds)

    def usage(self) -> dict[str, Usage]:
        return {
            "kacheryd, A (sends)": self._sender.usage(),
            "kacheryd, B (receives)": self._receiver.usage(),
            "kachery load": self._client,
        }


class NginxAndCurl:
    """The manual way: download over HTTPS, then check the hash."""

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
        certificate(machine, folder)
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
            raise SystemExit("curl's copy differs from the original.")
        for name, finished in (("curl", fetched), ("openssl sha1", checked)):
            self._clients[name] = self._clients[name].joined(finished.usage)
        # Not part of the measured time. Without it, the next turn would pay for the syncing.
        synced = sync(self._destination)
        return Run(fetched.seconds + checked.seconds, {"curl": fetched.seconds, "sync": synced})

    def usage(self) -> dict[str, Usage]:
        workers = [usage_of(pid) for pid in children_of(self._server.pid)]
        server = Usage(max(w.peak_bytes for w in workers), sum(w.processor_seconds for w in workers))
        return {"nginx worker": server, **self._clients}

    def _configuration(self, folder: Path, root: Path) -> str:
        return f"""
            daemon off;
            pid {folder}/pid;
            error_log {folder}/error.log;
            worker_processes 1;
            # By default a worker runs as another user, who may not read this folder.
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
