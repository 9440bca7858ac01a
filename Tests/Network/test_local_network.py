"""Nodes on one network, which find each other by multicast, without a bootstrap node that answers.

`make test-network` runs this as root. It prints how long two nodes took to meet.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from line import End
from sites import namespace
from test_lines import Node, finished

# Two nodes have a link within this time of the second one's start.
MEETING = 1.0  # seconds
# A node looks at its interfaces every 15 s.
NOTICED = 30.0  # seconds
# Longer than the time in which a node that has started announces itself four times.
QUIET = 4.0  # seconds
GROUPS = (socket.inet_pton(socket.AF_INET, "239.255.107.97"), socket.inet_pton(socket.AF_INET6, "ff12::6b61"))
NOWHERE = "192.0.2.1:14507"
ETH_P_ALL = 3
PACKET_OUTGOING = 4


class Switch:
    """A network without any other machine: neither a router nor a server."""

    def __init__(self, bridge: End, ends: list[End], family: int) -> None:
        self.ends = ends
        self._bridge = bridge
        self._family = family

    def plug(self, number: int, address: int) -> None:
        """Connects a machine by a new cable. In IPv6 it has only a link-local address."""
        end, port = self.ends[number], f"port{number}"
        self._bridge.run(
            ["ip", "link", "add", "dev", port, "type", "veth", "peer", "name", "cable", "netns", end.space]
        )
        with end.entered():
            settings = Path("/proc/sys/net/ipv6/conf/cable")
            if self._family == 4:
                end.run(["ip", "address", "add", f"10.78.0.{address}/24", "dev", "cable"])
                (settings / "disable_ipv6").write_text("1")
            else:
                (settings / "disable_ipv6").write_text("0")
                # Otherwise the address cannot be used for a second, while the kernel looks for a duplicate.
                (settings / "accept_dad").write_text("0")
        self._bridge.run(["ip", "link", "set", "dev", port, "master", "switch", "up"])
        end.run(["ip", "link", "set", "dev", "cable", "up"])
        self._wait_for_address(end)

    def unplug(self, number: int) -> None:
        """Removes a machine's cable, and with it the interface."""
        self.ends[number].run(["ip", "link", "delete", "dev", "cable"])

    def _wait_for_address(self, end: End) -> None:
        deadline = time.monotonic() + 10
        scope = ["-4"] if self._family == 4 else ["-6"]
        while True:
            shown = end.run(["ip", *scope, "address", "show", "dev", "cable"])
            link = end.run(["ip", "link", "show", "dev", "cable"])
            if "inet" in shown and "tentative" not in shown and "state UP" in link:
                return
            assert time.monotonic() < deadline, f"the interface does not come up: {shown}"
            time.sleep(0.02)


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def switch(request: pytest.FixtureRequest) -> Iterator[Switch]:
    """A network with three machines, over IPv4 alone or over IPv6 alone."""
    with contextlib.ExitStack() as stack:
        bridge, *ends = (stack.enter_context(namespace(name, "")) for name in ("bridge", "A", "B", "C"))
        bridge.run(["ip", "link", "add", "dev", "switch", "type", "bridge"])
        bridge.run(["ip", "link", "set", "dev", "switch", "up"])
        switch = Switch(bridge, ends, request.param)
        for number in range(len(ends)):
            switch.plug(number, 10 + number)
        yield switch


StartNode = Callable[..., Node]


@pytest.fixture
def start(switch: Switch, tmp_path: Path) -> Iterator[StartNode]:
    """Starts a node on a machine of the network."""
    with contextlib.ExitStack() as stack:

        def start(number: int, *options: str, channel: str = "lan", multicast: bool = True) -> Node:
            label = "ABC"[number]
            node = Node(switch.ends[number], tmp_path, label, *options, channel=channel, multicast=multicast)
            stack.callback(node.stop)
            return node

        yield start


def time_to_meet(node: Node, within: float) -> float:
    """Waits until the node, which has just started, has a link. Returns how long that took."""
    begun = time.monotonic()
    while node.links() == 0:
        assert time.monotonic() - begun < within, f"no link within {within} s"
        time.sleep(0.01)
    return time.monotonic() - begun


@contextlib.contextmanager
def capture(end: End) -> Iterator[Callable[[], list[tuple[bool, bytes]]]]:
    """Records what a machine sends and receives: whether it was sent, and the packet."""
    with end.entered():
        recorder = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    with recorder:
        recorder.bind(("cable", ETH_P_ALL))
        recorder.setblocking(False)

        def read() -> list[tuple[bool, bytes]]:
            packets = []
            with contextlib.suppress(BlockingIOError):
                while True:
                    packet, source = recorder.recvfrom(65_536)
                    packets.append((source[2] == PACKET_OUTGOING, packet))
            return packets

        yield read


def is_udp(packet: bytes) -> bool:
    return (packet[0] >> 4 == 4 and packet[9] == 17) or (packet[0] >> 4 == 6 and packet[6] == 17)


def is_tcp(packet: bytes) -> bool:
    return (packet[0] >> 4 == 4 and packet[9] == 6) or (packet[0] >> 4 == 6 and packet[6] == 6)


def mentions_group(packet: bytes) -> bool:
    """Whether it is sent to a group of nodes, or tells the switch that the machine belongs to one."""
    return any(group in packet for group in GROUPS)


@pytest.mark.parametrize("options", [(), ("--bootstrap", NOWHERE)], ids=["alone", "bootstrap node out of reach"])
def test_two_nodes_meet_and_share_a_file(options: tuple[str, ...], start: StartNode, tmp_path: Path) -> None:
    a = start(0, *options)
    uri, digest = a.store(3_000_000)
    b = start(1, *options)
    took = time_to_meet(b, MEETING)
    print(f"met {1000 * took:.0f} ms after the second one's start")
    finished(b.load(uri))
    assert hashlib.sha1((tmp_path / "B-copy.bin").read_bytes()).hexdigest() == digest
    assert a.links() == 1


def test_several_nodes_of_one_machine_meet(switch: Switch, tmp_path: Path, start: StartNode) -> None:
    a = start(0)
    beside = Node(switch.ends[0], tmp_path, "beside A", channel="lan", multicast=True)
    try:
        time_to_meet(beside, MEETING)
        b = start(1)
        for node in (a, beside, b):
            node.wait_for_links(2)
    finally:
        beside.stop()


def test_a_stranger_meets_nobody(switch: Switch, start: StartNode) -> None:
    a = start(0)
    start(1).wait_for_links(1)
    with capture(switch.ends[2]) as packets:
        stranger = start(2, channel="another lab")
        time.sleep(QUIET)
        seen = packets()
    assert stranger.links() == 0 and a.links() == 1
    sent = [packet for is_sent, packet in seen if is_sent]
    assert sum(is_udp(packet) and mentions_group(packet) for packet in sent) >= 4, "it did not announce itself"
    received = [packet for is_sent, packet in seen if not is_sent and is_udp(packet)]
    assert all(mentions_group(packet) for packet in received), "a node has answered the stranger"
    assert not any(is_tcp(packet) for is_sent, packet in seen if not is_sent), "a node has dialed the stranger"


def test_nothing_is_sent_or_answered_with_nomulticast(switch: Switch, start: StartNode) -> None:
    with capture(switch.ends[0]) as packets:
        quiet = start(0, multicast=False)
        speaker = start(1)
        time.sleep(QUIET)
        seen = packets()
    assert quiet.links() == 0 and speaker.links() == 0
    announced = [packet for is_sent, packet in seen if not is_sent and is_udp(packet) and mentions_group(packet)]
    assert len(announced) >= 4, "the other node did not announce itself"
    sent = [packet for is_sent, packet in seen if is_sent and (is_udp(packet) or mentions_group(packet))]
    assert sent == []


def test_copies_and_forgeries_lead_to_no_link(switch: Switch, start: StartNode) -> None:
    """A machine without a node repeats what it hears, and sends what is no announcement."""
    a = start(0)
    with capture(switch.ends[2]) as packets:
        b = start(1)
        time_to_meet(b, MEETING)
        # Earlier ones were sent before the other node was there to hear them.
        packets()
        time.sleep(QUIET)
        heard = [packet for is_sent, packet in packets() if not is_sent and is_udp(packet) and mentions_group(packet)]
        family = heard[0][0] >> 4
        datagrams = [packet[28 if family == 4 else 48 :] for packet in heard]
        assert all(datagram[:5] == b"\x0bkac\x07" for datagram in datagrams)
        with switch.ends[2].entered():
            copier = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
            index = socket.if_nametoindex("cable")
        with copier:
            if family == 4:
                interface = struct.pack("4s4si", bytes(4), bytes(4), index)
                copier.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
                group: tuple[str, int] | tuple[str, int, int, int] = ("239.255.107.97", 14507)
            else:
                group = ("ff12::6b61", 14507, 0, index)
            for datagram in datagrams * 20:
                for forged in (datagram, datagram[:-1], datagram[:5], b"", bytes(1_400), datagram + bytes(3_000)):
                    copier.sendto(forged, group)
        time.sleep(1)
        received = [packet for is_sent, packet in packets() if not is_sent]
    assert all(mentions_group(packet) for packet in received if is_udp(packet)), "a node has answered a copy"
    assert not any(is_tcp(packet) for packet in received), "a node has dialed the sender of a copy"
    assert a.links() == 1 and b.links() == 1


def test_a_network_that_vanishes_and_returns_is_used_again(switch: Switch, start: StartNode) -> None:
    a = start(0)
    switch.unplug(0)
    switch.plug(0, 20)
    b = start(1)
    print(f"met {time_to_meet(b, NOTICED):.1f} s after the second one's start")
    assert a.links() == 1
