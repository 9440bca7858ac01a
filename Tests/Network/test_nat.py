"""Two nodes behind one router that translates addresses, met at a bootstrap node outside.

The router does not lead back in: a connection from inside to its outside address is refused, as at most home and campus
routers. `make test-lines` runs this as root.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from line import End
from test_lines import Node, finished

OUTSIDE, ROUTER, INSIDE = "203.0.113.1", "203.0.113.2", "192.168.7"


@contextlib.contextmanager
def namespace(name: str, address: str) -> Iterator[End]:
    """A network namespace that ends, with its processes, at the end of the ``with`` block."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo ready && exec sleep infinity"], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"ready\n", f"no network namespace for {name}"
        end = End(f"/proc/{holder.pid}/ns/net", address)
        end.run(["ip", "link", "set", "lo", "up"])
        yield end
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def join(one: End, other: End, name: str) -> None:
    """Connects two namespaces by a cable: the device `cable` in the first, and `name` in the second."""
    other.run(["ip", "link", "add", "dev", name, "type", "veth", "peer", "name", "cable", "netns", one.space])
    one.run(["ip", "address", "add", f"{one.address}/24", "dev", "cable"])
    one.run(["ip", "link", "set", "dev", "cable", "up"])
    other.run(["ip", "link", "set", "dev", name, "up"])


@pytest.fixture
def network() -> Iterator[tuple[End, End, End]]:
    """A machine outside, and two inside."""
    with contextlib.ExitStack() as stack:
        outside, a, b, router = (
            stack.enter_context(namespace(name, address))
            for name, address in (
                ("outside", OUTSIDE), ("A", f"{INSIDE}.10"), ("B", f"{INSIDE}.11"), ("router", ROUTER),
            )
        )  # fmt: skip
        join(outside, router, "outside")
        router.run(["ip", "address", "add", f"{ROUTER}/24", "dev", "outside"])
        router.run(["ip", "link", "add", "dev", "inside", "type", "bridge"])
        router.run(["ip", "address", "add", f"{INSIDE}.1/24", "dev", "inside"])
        router.run(["ip", "link", "set", "dev", "inside", "up"])
        for end, name in ((a, "a"), (b, "b")):
            join(end, router, name)
            router.run(["ip", "link", "set", "dev", name, "master", "inside"])
            end.run(["ip", "route", "add", "default", "via", f"{INSIDE}.1"])
        with router.entered():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        router.run(["nft", "add table ip nat"])
        router.run(["nft", "add chain ip nat after { type nat hook postrouting priority srcnat; }"])
        router.run(["nft", 'add rule ip nat after oifname "outside" masquerade'])
        yield outside, a, b


@pytest.fixture
def nodes(network: tuple[End, End, End], tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """The two nodes inside, which know only the bootstrap node's address."""
    outside, a, b = network
    with contextlib.ExitStack() as stack:

        def start(end: End, label: str, *options: str) -> Node:
            node = Node(end, tmp_path, label, *options)
            stack.callback(node.stop)
            return node

        start(outside, "R", "--isbootstrap", "--port", "14507")
        yield start(a, "A", "--bootstrap", f"{OUTSIDE}:14507"), start(b, "B", "--bootstrap", f"{OUTSIDE}:14507")


def test_nodes_behind_one_router_share_files(nodes: tuple[Node, Node], tmp_path: Path) -> None:
    a, b = nodes
    for node in (a, b):
        node.wait_for_links(2)
    uri, digest = a.store(3_000_000)
    finished(b.load(uri))
    assert hashlib.sha1((tmp_path / "B-copy.bin").read_bytes()).hexdigest() == digest
