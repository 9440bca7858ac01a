"""Nodes whose routers are asked to lead a port to them.

`make test-network` runs this as root.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hostile_gateway
from gateways import gateway
from packets import Packet, capture
from routers import ROUTERS
from sites import Sites
from test_lines import Node
from test_nat import share

# A real network's addresses, none of whose packets leave the namespaces: miniupnpd maps no port of an address that is
# reserved for examples.
INTERNET = "11.22.33"
# The search for a UPnP router takes a second or two.
MAPPED = 20.0  # seconds
PORT = 15_000


class Place:
    """Node A behind a router that maps ports, node B behind one that does not, and a bootstrap node."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self.sites = Sites(stack, internet=INTERNET)
        self._stack, self._folder = stack, folder
        hub = self.sites.machine(1)
        self.hub = f"{hub.address}:14507"
        self._start(hub, "R", "--isbootstrap", "--port", "14507")
        a, self.beside_a = self.sites.site("A", "C", kind=ROUTERS["port"])
        self.ends = [a, self.sites.site("B", kind=ROUTERS["port"])[0]]

    def _start(self, end: Any, label: str, *options: str, multicast: bool = False) -> Node:
        node = Node(end, self._folder, label, *options, multicast=multicast)
        self._stack.callback(node.stop)
        return node

    def start(self, label: str, *options: str, multicast: bool = True) -> Node:
        """Starts A or B. It stays on the relay with nodes that cannot be dialed."""
        options = ("--bootstrap", self.hub, "--no-punching", *options)
        return self._start(self.ends["AB".index(label)], label, *options, multicast=multicast)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def place(stack: contextlib.ExitStack, tmp_path: Path) -> Place:
    return Place(stack, tmp_path)


def mapping(node: Node) -> dict[str, Any]:
    """What `kachery doctor` says about the router."""
    output, _ = node.kachery("doctor", "--json").communicate(timeout=60)
    return dict(json.loads(output)["portMapping"])


def wait_for_state(node: Node, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + MAPPED
    while mapping(node)["state"] not in states:
        assert time.monotonic() < deadline, f"{mapping(node)} is none of {states}"
        time.sleep(0.2)
    return mapping(node)


@pytest.mark.parametrize(("protocol", "name"), [("natpmp", "NAT-PMP"), ("upnp", "UPnP")])
def test_a_mapped_node_is_dialed_through_its_router(
    place: Place, stack: contextlib.ExitStack, tmp_path: Path, protocol: str, name: str
) -> None:
    router = stack.enter_context(gateway(place.sites.routers[0], tmp_path / "router", protocol))
    begun = time.monotonic()
    a = place.start("A", "--port", str(PORT))
    router.wait_for([PORT], MAPPED)
    print(f"\n  mapped {time.monotonic() - begun:.1f} s after the start")
    router.wait_for([PORT], MAPPED, "udp")
    b = place.start("B")
    b.wait_for_links(2)
    deadline = time.monotonic() + 20
    while b.address_of("A") != f"{INTERNET}.101:{PORT}":
        assert time.monotonic() < deadline, f"B reaches A at {b.address_of('A')}"
        time.sleep(0.1)
    share(a, b, tmp_path, 3_000_000)
    said = mapping(a)
    assert said["state"] == "mapped" and said["method"] == name and said["address"] == f"{INTERNET}.101:{PORT}"
    assert len(wait_for_state(b, "failed")["problems"]) == 2
    assert said["udpAddress"] == f"{INTERNET}.101:{PORT}"
    text, _ = a.kachery("doctor").communicate(timeout=60)
    assert f"({name})" in text and "one has done so from outside" in text
    a.stop()
    assert router.mapped() + router.mapped("udp") == [], "a mapping outlives the node"


def test_quic_comes_in_by_the_mapped_port(place: Place, stack: contextlib.ExitStack, tmp_path: Path) -> None:
    """TCP has no way in, and the nodes do not punch: without the mapping B reaches A through the relay only."""
    router = stack.enter_context(gateway(place.sites.routers[0], tmp_path / "router", "natpmp"))
    a = place.start("A", "--port", str(PORT), multicast=False)
    router.wait_for([PORT], MAPPED, "udp")
    place.sites.routers[0].run(["nft", "insert rule inet filter forward tcp dport", str(PORT), "drop"])
    b = place.start("B", multicast=False)
    deadline = time.monotonic() + 30
    while b.address_of("A") != f"quic://{INTERNET}.101:{PORT}":
        assert time.monotonic() < deadline, f"B reaches A at {b.address_of('A')}"
        time.sleep(0.1)
    share(a, b, tmp_path, 3_000_000)


def test_a_restarted_node_has_the_same_mapping(place: Place, stack: contextlib.ExitStack, tmp_path: Path) -> None:
    router = stack.enter_context(gateway(place.sites.routers[0], tmp_path / "router", "natpmp"))
    a = place.start("A", multicast=False)
    address = wait_for_state(a, "mapped")["address"]
    ports = router.mapped()
    a.stop()
    assert len(ports) == 1 and router.mapped() == []
    again = place.start("A", multicast=False)
    assert wait_for_state(again, "mapped")["address"] == address
    assert router.mapped() == ports


def test_a_port_of_another_machine_is_left_to_it(place: Place, stack: contextlib.ExitStack, tmp_path: Path) -> None:
    router = stack.enter_context(gateway(place.sites.routers[0], tmp_path / "router", "upnp"))
    router.map_for(place.beside_a, PORT)
    assert router.mapped() == [PORT]
    a = place.start("A", "--port", str(PORT))
    said = wait_for_state(a, "mapped", "failed")
    print(f"\n  {said}")
    others = [port for port in router.mapped() if port != PORT]
    assert said["state"] == "mapped" and said["address"] == f"{INTERNET}.101:{others[0]}"


@pytest.mark.parametrize(
    ("options", "multicast", "asks", "searches"),
    [
        ((), True, True, True),
        ((), False, True, False),
        (("--noudp",), True, False, False),
        (("--no-port-mapping",), True, False, False),
        (("--host", "11.22.33.101"), True, False, False),
    ],
    ids=["by default", "without multicast", "without UDP", "without mapping", "with a known address"],
)
def test_only_what_is_allowed_is_sent(
    place: Place, options: tuple[str, ...], multicast: bool, asks: bool, searches: bool
) -> None:
    with capture(place.ends[0]) as packets:
        a = place.start("A", *options, multicast=multicast)
        a.wait_for_links(1)
        said = wait_for_state(a, "failed", "off")
        targets = {packet.target for packet in packets() if packet.is_sent}
    print(f"\n  {said}")
    assert (said["state"] == "off") == (not asks)
    assert Packet.tcp(f"{INTERNET}.1", 14507) in targets
    assert ("protocol 17 to 192.168.1.1" in targets) == asks
    assert ("protocol 17 to 239.255.255.250" in targets) == searches


def test_the_owner_can_change_that_while_the_node_runs(
    place: Place, stack: contextlib.ExitStack, tmp_path: Path
) -> None:
    router = stack.enter_context(gateway(place.sites.routers[0], tmp_path / "router", "natpmp"))
    settings = tmp_path / "A" / "storage" / "kachery.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text("portMapping: no\n")
    a = place.start("A", "--port", str(PORT), multicast=False)
    a.wait_for_links(1)
    assert mapping(a)["state"] == "off" and "kachery.yaml" in mapping(a)["reason"]
    settings.write_text("portMapping: yes\n")
    a.reload()
    router.wait_for([PORT], MAPPED)
    settings.write_text("portMapping: no\n")
    a.reload()
    router.wait_for([], MAPPED)


@pytest.mark.parametrize("kind", hostile_gateway.KINDS)
def test_a_hostile_router_costs_nothing(place: Place, stack: contextlib.ExitStack, tmp_path: Path, kind: str) -> None:
    """The node works as if nothing answered, and stops as fast."""
    command = [sys.executable, hostile_gateway.__file__, kind, "192.168.1.1", "switch"]
    running = place.sites.routers[0].start(command, stdout=subprocess.PIPE)
    stack.callback(running.wait)
    stack.callback(running.terminate)
    assert running.stdout is not None and running.stdout.readline() == b"ready\n"
    stack.callback(running.stdout.close)
    with capture(place.ends[0]) as packets:
        a, b = place.start("A", "--port", str(PORT)), place.start("B")
        for node in (a, b):
            node.wait_for_links(2)
        slowest, finish = 0.0, time.monotonic() + 8
        while time.monotonic() < finish:
            begun = time.monotonic()
            a.links()
            slowest = max(slowest, time.monotonic() - begun)
            time.sleep(0.02)
        sent = {packet.target for packet in packets() if packet.is_sent}
    print(f"\n  the slowest answer of the node took {1000 * slowest:.0f} ms")
    share(a, b, tmp_path, 3_000_000)
    said = mapping(a)
    assert said["state"] == "failed" and said["address"] is None, said
    assert "protocol 17 to 239.255.255.250" in sent
    assert not any("192.168.1.99" in target for target in sent), "a command went to another machine"
    assert slowest < 2
    begun = time.monotonic()
    a.stop()
    assert time.monotonic() - begun < 6
