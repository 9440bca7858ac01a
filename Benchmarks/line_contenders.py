"""The contenders that move a file over an emulated line: kachery, and curl or aria2c from nginx; and iperf3."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from line import Line
from nodes import Node
from processes import Machine, free_port, wait_for_port

OURS, CURL, ARIA2C = "kachery", "curl", "aria2c -x8"
# The other programs for comparison, if there are any.
EARLIER = "kachery, earlier"


class Contender(Protocol):
    """Something that moves the file from end A to end B. `prepare` and `clear` are not measured."""

    name: str

    def prepare(self) -> None: ...

    def command(self) -> tuple[list[str], dict[str, str]]: ...

    def result(self) -> Path: ...

    def clear(self) -> None: ...


@dataclass
class Setting:
    """What the contenders of one scenario share."""

    running: Machine
    line: Line
    source: Path
    control: str
    network: dict[str, str]  # variables that choose the congestion control


class Kachery:
    """A node at end A that has the file, and for each turn a new one at end B."""

    def __init__(self, setting: Setting, name: str, build: Path) -> None:
        self.name = name
        self._setting = setting
        self._build = build
        self._channel = f"bench-{os.urandom(4).hex()}"
        self._turn = 0
        with setting.line.a.entered():
            self._port = free_port()
            options = ["--isbootstrap", "--port", str(self._port), "--channel", self._channel]
            folder = f"{'earlier' if name == EARLIER else 'ours'}-sender"
            self._sender = Node(setting.running, build, folder, options, setting.line.a.address, setting.network)
            self._sender.wait_until_ready()
            self._uri = self._sender.run("store", str(setting.source)).output

    def prepare(self) -> None:
        self._turn += 1
        line = self._setting.line
        joining = ["--port", "0", "--bootstrap", f"{line.a.address}:{self._port}", "--channel", self._channel]
        name = f"{'earlier' if self.name == EARLIER else 'ours'}-{self._turn}"
        with line.b.entered():
            self._receiver = Node(
                self._setting.running, self._build, name, joining, line.b.address, self._setting.network
            )
            self._receiver.wait_until_ready()
            self._receiver.wait_for_links(1)

    def command(self) -> tuple[list[str], dict[str, str]]:
        return [str(self._build / "kachery"), "load", "--quiet", self._uri], self._receiver.environment

    def result(self) -> Path:
        return self._receiver.path_of(self._uri)

    def clear(self) -> None:
        self._receiver.stop()
        shutil.rmtree(self._receiver.storage.parent)


class Download:
    """nginx at end A, and a client at end B."""

    def __init__(self, setting: Setting, name: str, client: list[str], url: str) -> None:
        self.name = name
        self._setting = setting
        self._destination = setting.running.folder / f"{client[0]}.bin"
        self._client = [argument.replace("DESTINATION", str(self._destination)) for argument in client]
        self._url = url

    def prepare(self) -> None:
        pass

    def command(self) -> tuple[list[str], dict[str, str]]:
        return [*self._client, self._url], {"PATH": os.environ["PATH"], **self._setting.network}

    def result(self) -> Path:
        return self._destination

    def clear(self) -> None:
        for path in (self._destination, Path(f"{self._destination}.aria2")):
            path.unlink(missing_ok=True)


def start_nginx(setting: Setting) -> str:
    """Starts nginx at end A. Returns the URL of the file."""
    folder = setting.running.folder / "nginx"
    folder.mkdir()
    with setting.line.a.entered():
        port = free_port()
        paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(f"""
            daemon off;
            user root;
            pid {folder}/pid;
            error_log {folder}/error.log;
            env LD_PRELOAD; env CONGESTION_CONTROLS;
            events {{ worker_connections 64; }}
            http {{
              access_log off;
              sendfile on;
              client_body_temp_path {folder}/body; {paths}
              server {{ listen {port}; root {setting.source.parent}; }}
            }}
            """)
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
        command = [nginx, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        environment = {"PATH": os.environ["PATH"], **setting.network}
        wait_for_port(port, setting.running.serve(command, folder / "log", environment), folder / "log")
    return f"http://{setting.line.a.address}:{port}/{setting.source.name}"


def measured_line(setting: Setting, seconds: int = 6) -> float:
    """What iperf3 receives at end B over eight connections, in MB/s, without its first two seconds."""
    environment = {"PATH": os.environ["PATH"], **setting.network}
    with setting.line.b.entered():
        port = free_port()
    quiet = {"env": environment, "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    server = setting.line.b.start(["iperf3", "-s", "-1", "-p", str(port)], stdout=subprocess.DEVNULL, **quiet)
    client = None
    try:
        time.sleep(0.5)
        command = ["iperf3", "-c", setting.line.b.address, "-p", str(port), "-P", "8", "-t", str(seconds), "-O", "2"]
        client = setting.line.a.start([*command, "-J"], stdout=subprocess.PIPE, **quiet)
        output, _ = client.communicate(timeout=seconds + 30)
        answer = json.loads(output)
        if client.returncode != 0:
            raise SystemExit(f"iperf3 failed: {answer.get('error', output)}")
        return float(answer["end"]["sum_received"]["bits_per_second"]) / 8e6
    except subprocess.TimeoutExpired:
        return 0
    finally:
        for process in filter(None, (server, client)):
            process.kill()
            process.wait()


def contenders_of(setting: Setting, names: list[str], build: Path, earlier: Path | None) -> list[Contender]:
    """The contenders of these names. Kachery's programs are in the folder ``build``, earlier ones in ``earlier``."""
    contenders = list[Contender]()
    if OURS in names:
        contenders.append(Kachery(setting, OURS, build))
        if earlier:
            contenders.append(Kachery(setting, EARLIER, earlier))
    clients = {
        CURL: ["curl", "--silent", "--show-error", "--fail", "--output", "DESTINATION"],
        ARIA2C: ["aria2c", "-q", "-x8", "-s8", "-k1M", "--file-allocation=none", "-d/", "-oDESTINATION"],
    }
    chosen = {name: client for name, client in clients.items() if name in names}
    if chosen:
        url = start_nginx(setting)
        contenders += [Download(setting, name, client, url) for name, client in chosen.items()]
    return contenders
