"""Nodes behind routers that translate addresses, met at a bootstrap node outside.

`make test-network` runs this as root.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from line import End
from sites import Sites
from test_lines import Node, finished

Start = Callable[..., Node]


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def sites(stack: contextlib.ExitStack) -> Sites:
    return Sites(stack)


@pytest.fixture
def start(stack: contextlib.ExitStack, sites: Sites, tmp_path: Path) -> Start:
    """Starts a node. Further arguments are options of the daemon."""

    def start(end: End, label: str, *options: str) -> Node:
        node = Node(end, tmp_path, label, *options)
        stack.callback(node.stop)
        return node

    return start


def relay_at(sites: Sites, start: Start, number: int = 1, *options: str, port: int = 14507) -> tuple[Node, str]:
    """Starts a bootstrap node in the internet. Returns it, and its address."""
    end = sites.machine(number)
    node = start(end, f"R{number}", "--isbootstrap", "--port", str(port), *options)
    return node, f"{end.address}:{port}"


def hub(sites: Sites, start: Start, number: int = 1, *options: str, port: int = 14507) -> str:
    """Starts a bootstrap node in the internet. Returns its address."""
    return relay_at(sites, start, number, *options, port=port)[1]


def share(a: Node, b: Node, folder: Path, size: int) -> float:
    """Loads a file of node A at node B. Returns the seconds that it took."""
    uri, digest = a.store(size)
    begun = time.monotonic()
    finished(b.load(uri))
    took = time.monotonic() - begun
    assert hashlib.sha1((folder / "B-copy.bin").read_bytes()).hexdigest() == digest
    return took


def test_nodes_behind_one_router_share_files(sites: Sites, start: Start, tmp_path: Path) -> None:
    address = hub(sites, start)
    a, b = (start(end, name, "--bootstrap", address) for end, name in zip(sites.site("A", "B"), "AB"))
    for node in (a, b):
        node.wait_for_links(2)
    share(a, b, tmp_path, 3_000_000)


def two_sites(sites: Sites, start: Start, *addresses: str, options: tuple[str, ...] = ()) -> tuple[Node, Node]:
    """Nodes A and B, each behind a router of its own. Neither can dial the other."""
    joining = [option for address in addresses for option in ("--bootstrap", address)]
    return start(sites.site("A")[0], "A", *joining, *options), start(sites.site("B")[0], "B", *joining, *options)


def test_nodes_behind_two_routers_share_files_through_a_relay(sites: Sites, start: Start, tmp_path: Path) -> None:
    relay, address = relay_at(sites, start)
    begun = time.monotonic()
    a, b = two_sites(sites, start, address, options=("--no-punching",))
    for node in (a, b):
        node.wait_for_links(2)
    print(f"\n  linked {time.monotonic() - begun:.1f} s after the start")
    size = 64_000_000
    took = share(a, b, tmp_path, size)
    print(f"\n  {size / took / 1e6:.0f} MB/s through the relay")
    passed, joined = relay.count("kachery_relayed_bytes_total"), relay.count("kachery_joined_bytes_total")
    print(f"\n  {joined / passed:.0%} of {passed} bytes over joined lanes")
    assert passed > size
    assert joined > 0.8 * size
    assert relay.count("kachery_relay_refusals_total") == 0


@pytest.mark.parametrize("verdict", ["drop", "reject with tcp reset"])
def test_a_network_that_cuts_joined_lanes(sites: Sites, start: Start, tmp_path: Path, verdict: str) -> None:
    """The stream goes on carrying everything."""
    relay, address = relay_at(sites, start)
    a, b = two_sites(sites, start, address, options=("--no-punching",))
    for node in (a, b):
        node.wait_for_links(2)
    # From now on the router of B lets no further connection out.
    router = sites.routers[1]
    router.run(["nft", "add chain ip nat cut { type filter hook forward priority filter; }"])
    router.run(["nft", f"add rule ip nat cut tcp flags & (syn | ack) == syn {verdict}"])
    size = 20_000_000
    took = share(a, b, tmp_path, size)
    print(f"\n  {size / took / 1e6:.0f} MB/s without joined lanes")
    assert relay.count("kachery_relayed_bytes_total") > size
    assert relay.count("kachery_joined_bytes_total") == 0


def test_a_direct_path_takes_over_in_mid_transfer(sites: Sites, start: Start, tmp_path: Path) -> None:
    address = hub(sites, start, 1, "--limit-relay", "2")
    a = start(sites.site("A")[0], "A", "--bootstrap", address)
    end = sites.site("B")[0]
    b = start(end, "B", "--bootstrap", address, "--port", "15000")
    for node in (a, b):
        node.wait_for_links(2)
    uri, digest = a.store(100_000_000)
    begun = time.monotonic()
    load = b.load(uri)
    time.sleep(2)
    # From now on the router of B lets connections in.
    router = sites.routers[1]
    router.run(["nft", "add chain ip nat before { type nat hook prerouting priority dstnat; }"])
    rule = f'add rule ip nat before iifname "outside" tcp dport 15000 dnat to {end.address}'
    router.run(["nft", rule])
    finished(load)
    took = time.monotonic() - begun
    print(f"\n  100 MB in {took:.1f} s, of which the relay carries 2 MB/s")
    assert took < 45, "the relay alone takes 50 s"
    assert hashlib.sha1((tmp_path / "B-copy.bin").read_bytes()).hexdigest() == digest


def test_another_relay_takes_over(sites: Sites, start: Start, tmp_path: Path) -> None:
    ends = [sites.machine(number) for number in (1, 2)]
    relays = [start(end, f"R{end.address[-1]}", "--isbootstrap", "--port", "14507") for end in ends]
    a, b = two_sites(sites, start, *(f"{end.address}:14507" for end in ends))
    for node in (a, b):
        node.wait_for_links(3)
    for relay in relays:
        share(a, b, tmp_path, 1_000_000)
        relay.stop()
        if relay is relays[0]:
            for node in (a, b):
                node.wait_for_links(2)


def test_a_bootstrap_node_that_does_not_relay(sites: Sites, start: Start) -> None:
    a, b = two_sites(sites, start, hub(sites, start, 1, "--no-relay"))
    for node in (a, b):
        node.wait_for_links(1)
    uri, _ = a.store(1_000)
    load = b.load(uri)
    output, _ = load.communicate(timeout=60)
    assert load.returncode != 0
    assert "no" in output.lower(), output
    explained, _ = b.kachery("explain", "--json", uri).communicate(timeout=60)
    summary = json.loads(explained)["summary"]
    assert "this node is behind a router itself" in summary and "do not relay" in summary
