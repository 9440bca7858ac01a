#!/usr/bin/env python3
"""Transfers a large file by QUIC over loopback, beside ngtcp2's own client and server and `openssl sha1`.

Both write to the same disk, verify the whole file, and use BBR. Runs in a network namespace of its own, whose firewall
refuses TCP between the nodes, which they would prefer; needs root, and the packages ngtcp2-client and ngtcp2-server.
"""

from __future__ import annotations

import argparse
import shutil

from contenders import certificate
from nodes import Nodes
from pairs import Run, measure_large_file, median, ratio, take_turns
from processes import Machine, enter_namespace, firewall, free_port, sync

CLIENT, SERVER = "gtlsclient", "gtlsserver"
TARGET = 0.6
QUIET = ["--quiet", "--no-quic-dump", "--no-http-dump"]


class Kachery:
    def __init__(self, running: Machine, options: argparse.Namespace) -> None:
        self._running = running
        self._source = running.folder / "source.bin"
        ports = [free_port() for _ in "AB"]
        firewall(*(f"tcp dport {port} reject with tcp reset" for port in ports))
        nodes = Nodes(running, options.build, "R", "--no-relay")
        self._a, self._b = (nodes.start(name, "--port", str(port)) for name, port in zip("AB", ports))
        for node in (self._a, self._b):
            node.wait_for_links(2)
        self._uri = self._a.run("store", str(self._source)).output.split()[-1]

    def run(self) -> Run:
        seconds = self._b.run("load", self._uri).seconds
        self._b.path_of(self._uri).unlink()
        return Run(seconds)


class ClientAndServer:
    def __init__(self, running: Machine) -> None:
        self._running = running
        self._target = running.folder / "downloaded"
        self._target.mkdir()
        key, chain = certificate(running, running.folder)
        self._port = free_port()
        command = [SERVER, *QUIET, "--cc=bbr", f"--htdocs={running.folder}", "127.0.0.1", str(self._port)]
        running.serve([*command, str(key), str(chain)], running.folder / "server.log")

    def run(self) -> Run:
        uri = f"https://127.0.0.1:{self._port}/source.bin"
        windows = ["--max-data=64M", "--max-stream-data-bidi-local=32M", "--max-window=64M", "--max-stream-window=32M"]
        command = [CLIENT, *QUIET, "--cc=bbr", *windows, "--exit-on-all-streams-close", f"--download={self._target}"]
        fetched = self._running.run([*command, "127.0.0.1", str(self._port), uri]).seconds
        path = self._target / "source.bin"
        hashed = self._running.run(["openssl", "sha1", str(path)]).seconds
        synced = sync(path)
        if path.stat().st_size != (self._running.folder / "source.bin").stat().st_size:
            raise SystemExit(f"{CLIENT} has downloaded another number of bytes.")
        path.unlink()
        return Run(fetched + hashed, {"sync": synced})


def measure(running: Machine, options: argparse.Namespace) -> None:
    size = options.size_mib << 20
    print(f"{options.size_mib} MiB, from A to B by QUIC over loopback, on disk and verified")
    print(f"BBR at both, {running.processors} processors\n")
    running.make_file("source.bin", size)
    ours, theirs = Kachery(running, options), ClientAndServer(running)
    pairs = take_turns(ours.run, theirs.run, options.pairs, "ngtcp2 + sha1", lambda: running.prime(size))
    reached = median(map(ratio, pairs))
    print(f"\nratio {reached:.2f} (at most {TARGET}): {'met' if reached <= TARGET else 'MISSED'}")


def main() -> None:
    missing = [name for name in (CLIENT, SERVER) if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"There is no {' and no '.join(missing)}. Install ngtcp2-client and ngtcp2-server.")
    enter_namespace()
    measure_large_file(__doc__ or "", measure, turns=3)


if __name__ == "__main__":
    main()
