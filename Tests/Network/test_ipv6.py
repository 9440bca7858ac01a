"""Networks without IPv4: a bootstrap node and two members, each in a network of its own behind one router.

`make test-network` runs this as root.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from line import End
from sites import namespace
from test_doctor import doctor
from test_lines import Node
from test_nat import share

HUB = "2001:db8:1::10"
BOOTSTRAP = ("--bootstrap", f"[{HUB}]:14507")
MEETING = 30.0  # seconds


class Internet:
    """A router that forwards between networks of IPv6, and translates nothing."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self.router = stack.enter_context(namespace("router", ""))
        with self.router.entered():
            Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
            Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
        self._networks = 0

    def machine(self, name: str) -> End:
        """A machine in the next network, at address 10 of it. The router's device there has its name."""
        self._networks += 1
        network = f"2001:db8:{self._networks}:"
        end = self._stack.enter_context(namespace(name, f"{network}:10"))
        with end.entered():
            Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
        self.router.run(["ip", "link", "add", "dev", name, "type", "veth", "peer", "name", "cable", "netns", end.space])
        for side, device, address in ((self.router, name, f"{network}:1"), (end, "cable", end.address)):
            side.run(["ip", "-6", "address", "add", f"{address}/64", "dev", device, "nodad"])
            side.run(["ip", "link", "set", "dev", device, "up"])
        end.run(["ip", "-6", "route", "add", "default", "via", f"{network}:1", "dev", "cable"])
        assert "inet " not in end.run(["ip", "-4", "address", "show", "dev", "cable"])
        return end

    def part(self, one: str, other: str) -> None:
        """Drops everything between the networks of two machines."""
        self.router.run(["nft", "add table ip6 wall"])
        self.router.run(["nft", "add chain ip6 wall between { type filter hook forward priority filter; }"])
        for source, target in ((one, other), (other, one)):
            self.router.run(["nft", f'add rule ip6 wall between iifname "{source}" oifname "{target}" drop'])

    def start(self, end: End, label: str, *options: str) -> Node:
        node = Node(end, self._folder, label, *options)
        self._stack.callback(node.stop)
        return node

    def members(self, *options: str, walls: bool = False) -> tuple[Node, Node]:
        """Starts a bootstrap node, and members A and B that know its address, perhaps each behind a firewall."""
        self.start(self.machine("hub"), "R", "--isbootstrap", "--port", "14507")
        ends = [self.machine(name) for name in ("site-a", "site-b")]
        for end in ends if walls else []:
            close(end)
        a, b = (self.start(end, label, *BOOTSTRAP, *options) for end, label in zip(ends, "AB"))
        return a, b


def close(end: End) -> None:
    """Lets no connection in that was not begun at this machine."""
    end.run(["nft", "add table ip6 wall"])
    end.run(["nft", "add chain ip6 wall in { type filter hook input priority filter; policy drop; }"])
    for accepted in ("ct state established,related", 'iifname "lo"', "meta l4proto ipv6-icmp"):
        end.run(["nft", f"add rule ip6 wall in {accepted} accept"])


@pytest.fixture
def internet(tmp_path: Path) -> Iterator[Internet]:
    with contextlib.ExitStack() as stack:
        yield Internet(stack, tmp_path)


def path_in_use(node: Node, label: str) -> str:
    return next((str(path["kind"]) for path in node.paths_to(label) if path["isInUse"]), "")


def wait_for_path(node: Node, label: str, kind: str) -> None:
    deadline = time.monotonic() + MEETING
    while path_in_use(node, label) != kind:
        assert time.monotonic() < deadline, node.paths_to(label)
        time.sleep(0.1)


def test_nodes_share_files_without_ipv4(internet: Internet, tmp_path: Path) -> None:
    a, b = internet.members()
    for node in (a, b):
        node.wait_for_links(2)
    share(a, b, tmp_path, 30_000_000)
    assert path_in_use(b, "A") == "direct"
    # One of the two has dialed the other, which then knows that nodes outside can do that.
    assert any(doctor(node).facts["outside"]["wasDialedFromOutside"] for node in (a, b))
    for node in (a, b):
        verdict = doctor(node)
        assert verdict.code == 0 and verdict.findings == set()
        outside = verdict.facts["outside"]
        assert outside["nat"] == "none"
        assert {view["address"].split("]")[0] for view in outside["views"]} <= {"[2001:db8:2::10", "[2001:db8:3::10"}
        assert not outside["udp"]["isBlocked"]
        assert [channel["direct"] for channel in verdict.facts["channels"]] == [2]


def test_firewalls_at_both_ends(internet: Internet, tmp_path: Path) -> None:
    """The nodes meet through the bootstrap node and then dial each other at the same moment."""
    a, b = internet.members(walls=True)
    for node in (a, b):
        node.wait_for_links(2)
    wait_for_path(b, "A", "punched")
    share(a, b, tmp_path, 5_000_000)
    verdict = doctor(a)
    assert verdict.code == 0 and verdict.findings == set()


def test_a_relay_without_ipv4(internet: Internet, tmp_path: Path) -> None:
    # Nothing passes between the two. Firewalls alone would let them in when both happen to dial at the same moment.
    internet.part("site-a", "site-b")
    a, b = internet.members("--no-punching")
    for node in (a, b):
        node.wait_for_links(2)
    share(a, b, tmp_path, 5_000_000)
    assert path_in_use(b, "A") == "relayed"
    assert doctor(a).findings == {"advice members_relayed"}
