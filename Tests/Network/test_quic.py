"""Links by QUIC: where TCP does not lead, and where the kernel's TCP slows down at every lost packet.

`make test-network` runs this as root.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from line import End, Line, built
from packets import capture
from real_daemon import free_port
from sites import Sites
from test_lines import Node, finished, sha1_of_copy, show

Start = Callable[..., Node]
# Both nodes know each other, have measured the round trip, and have changed to the better link within this time.
SETTLED = 20.0  # seconds
# Longer than a node that has met another one takes to dial its addresses.
QUIET = 5.0  # seconds
UDP = "protocol 17 "
# The kernel's TCP without BBR.
CUBIC = {"CONGESTION_CONTROLS": "cubic"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def start(end: End, label: str, *options: str, **settings: Any) -> Node:
            node = Node(end, tmp_path, label, *options, **settings)
            stack.callback(node.stop)
            return node

        yield start


@pytest.fixture
def sites() -> Iterator[Sites]:
    with contextlib.ExitStack() as stack:
        yield Sites(stack)


def wait_for_address(node: Node, label: str, prefix: str) -> str:
    """Waits until the link in use to the node with this label has an address that begins so."""
    deadline = time.monotonic() + SETTLED
    while not (address := node.address_of(label)).startswith(prefix):
        assert time.monotonic() < deadline, f"the link to {label} is {address or 'missing'}"
        time.sleep(0.1)
    return address


def without_tcp_in(sites: Sites, number: int) -> End:
    """A machine whose firewall admits no TCP connections."""
    end = sites.machine(number)
    end.run(["nft", "add table ip firewall"])
    end.run(["nft", "add chain ip firewall in { type filter hook input priority filter; policy accept; }"])
    end.run(["nft", "add rule ip firewall in ip saddr 203.0.113.0/24 meta l4proto tcp ct state new drop"])
    return end


def meet(sites: Sites, start: Start, *options: str) -> tuple[Node, Node]:
    """Two nodes that no TCP connection leads to, and a bootstrap node that both dial."""
    hub = sites.machine(1)
    start(hub, "hub", "--isbootstrap", "--port", "14507")
    joining = ("--bootstrap", f"{hub.address}:14507", "--no-punching", *options)
    source = start(without_tcp_in(sites, 2), "source", *joining)
    source.wait_for_links(1)
    reader = start(without_tcp_in(sites, 3), "reader", *joining)
    reader.wait_for_links(2)
    return source, reader


def test_nodes_that_tcp_does_not_reach_link_by_quic(sites: Sites, start: Start) -> None:
    source, reader = meet(sites, start)
    wait_for_address(reader, "source", "quic://203.0.113.2:")
    uri, digest = source.store(3_000_000)
    assert sha1_of_copy(reader.load(uri)) == digest


def test_without_udp_they_stay_on_the_relay(sites: Sites, start: Start) -> None:
    source, reader = meet(sites, start, "--noudp")
    deadline = time.monotonic() + QUIET
    while time.monotonic() < deadline:
        assert "quic" not in reader.address_of("source")
        time.sleep(0.2)
    uri, digest = source.store(3_000_000)
    assert sha1_of_copy(reader.load(uri)) == digest


def meet_over(line: Line, start: Start) -> tuple[Node, Node, str]:
    """Nodes at the ends of a line whose kernels have CUBIC alone, and the address of their link by QUIC."""
    network = {"LD_PRELOAD": str(built("congestion")), **CUBIC}
    with line.a.entered():
        port = free_port()
    start(line.a, "bootstrap", "--isbootstrap", "--port", str(port), environment=network)
    joining = ("--bootstrap", f"{line.a.address}:{port}")
    source = start(line.a, "source", *joining, environment=network)
    source.wait_for_links(1)
    reader = start(line.b, "reader", *joining, environment=network)
    reader.wait_for_links(2)
    return source, reader, wait_for_address(reader, "source", "quic://")


def test_a_long_line_that_loses_packets_is_used_by_quic(start: Start, capsys: Any) -> None:
    with Line(rate=1000, rtt=50, loss=0.1) as line:
        source, reader, address = meet_over(line, start)
        uri, digest = source.store(32_000_000)
        begun = time.monotonic()
        assert sha1_of_copy(reader.load(uri)) == digest
        seconds = time.monotonic() - begun
        show(capsys, f"32 MB over {address}: {32 / seconds:.1f} MB/s")
        paths = reader.paths_to("source")
        # Each link of TCP has brought one by QUIC to the same address.
        received = sum(path["bytesReceived"] for path in paths if path["address"] == address)
        assert received > 32_000_000, paths


@pytest.mark.parametrize("largest", [0, 1500])
def test_jumbo_frames_are_used_as_far_as_they_pass(start: Start, largest: int, capsys: Any) -> None:
    """Of networks with jumbo frames, some lead out through one without, as those of cloud hosts do."""
    with Line(rate=1000, rtt=10) as line:
        for end in (line.a, line.b):
            end.run(["ip", "link", "set", "dev", "line", "mtu", "9000"])
        line.change(largest=largest)
        source, reader, address = meet_over(line, start)
        uri, digest = source.store(32_000_000)
        before, _ = line.counters()
        begun = time.monotonic()
        assert sha1_of_copy(reader.load(uri)) == digest
        after, _ = line.counters()
        packets = after.packets - before.packets
        seconds = time.monotonic() - begun
        show(capsys, f"32 MB over {address}: {32 / seconds:.1f} MB/s in {packets:,} packets")
        assert packets < 8_000 if largest == 0 else packets > 20_000


def test_with_bbr_the_same_line_is_used_by_tcp(start: Start) -> None:
    network = {"LD_PRELOAD": str(built("congestion")), "CONGESTION_CONTROLS": "bbr"}
    with Line(rate=100, rtt=50) as line:
        with line.a.entered():
            port = free_port()
        start(line.a, "bootstrap", "--isbootstrap", "--port", str(port), environment=network)
        # Without it, the bootstrap node is asked by UDP how this node looks from outside.
        joining = ("--bootstrap", f"{line.a.address}:{port}", "--no-punching")
        source = start(line.a, "source", *joining, environment=network)
        source.wait_for_links(1)
        with capture(line.b, "line") as packets:
            reader = start(line.b, "reader", *joining, environment=network)
            reader.wait_for_links(2)
            time.sleep(QUIET)
            assert "quic" not in reader.address_of("source")
            assert [packet for packet in packets() if packet.target.startswith(UDP)] == []
        uri, _ = source.store(1_000)
        finished(reader.load(uri))
