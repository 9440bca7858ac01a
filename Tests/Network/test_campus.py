"""Nodes in campus networks, whose firewalls let connections out to TCP port 443 alone.

`make test-lines` runs this as root.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from line import End
from packets import Packet, capture
from sites import Sites
from test_lines import Node
from test_nat import share

Start = Callable[..., Node]
# A bootstrap node whose usual port is blocked is reached at port 443 within this time.
REACHED = 5.0  # seconds
# Longer than the time in which a node that has started announces itself four times.
QUIET = 4.0  # seconds


class Campus:
    """An internet with a bootstrap node, and networks behind firewalls."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self.sites = Sites(stack)
        self._stack = stack
        self._folder = folder

    def start(self, end: End, label: str, *options: str, multicast: bool = False) -> Node:
        node = Node(end, self._folder, label, *options, multicast=multicast)
        self._stack.callback(node.stop)
        return node

    def hub(self, *options: str) -> str:
        """Starts a bootstrap node in the internet. Returns its host."""
        end = self.sites.machine(1)
        self.start(end, "R", "--isbootstrap", "--port", "14507", *options)
        return end.address

    def machine(self, name: str, *allowed: str) -> End:
        """A machine in a network of its own, whose firewall drops what matches none of these nftables expressions."""
        end = self.sites.site(name)[0]
        with end.entered():
            # Otherwise the kernel looks for IPv6 routers and neighbors.
            Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
        router = self.sites.routers[-1]
        router.run(["nft", "add table ip firewall"])
        router.run(["nft", "add chain ip firewall out { type filter hook forward priority filter; policy drop; }"])
        router.run(["nft", 'add rule ip firewall out iifname "outside" ct state established,related accept'])
        for expression in allowed:
            router.run(["nft", f"add rule ip firewall out {expression} accept"])
        router.run(["nft", "add rule ip firewall out ip protocol tcp counter comment \"blocked tcp\""])
        router.run(["nft", "add rule ip firewall out ip protocol != tcp counter comment \"blocked other\""])
        return end

    def dropped(self, number: int, comment: str) -> int:
        """How many packets the firewall of a network has dropped."""
        listing = json.loads(self.sites.routers[number].run(["nft", "--json", "list table ip firewall"]))
        for entry in listing["nftables"]:
            rule = entry.get("rule", {})
            if rule.get("comment") == comment:
                return int(next(part["counter"]["packets"] for part in rule["expr"] if "counter" in part))
        raise AssertionError(f"no rule has the comment {comment}")


@pytest.fixture
def campus(tmp_path: Path) -> Iterator[Campus]:
    with contextlib.ExitStack() as stack:
        yield Campus(stack, tmp_path)


def test_one_port_is_enough(campus: Campus, tmp_path: Path) -> None:
    hub = campus.hub("--also-listen", "443")
    begun = time.monotonic()
    a, b = (campus.start(campus.machine(name, "tcp dport 443"), name, "--bootstrap", f"{hub}:14507") for name in "AB")
    a.wait_for_links(1)
    assert time.monotonic() - begun < REACHED
    for node in (a, b):
        node.wait_for_links(2)
    print(f"\n  both linked {time.monotonic() - begun:.1f} s after the start of the first")
    size = 16_000_000
    took = share(a, b, tmp_path, size)
    print(f"\n  {size / took / 1e6:.0f} MB/s between two networks through port 443 of a third machine")
    for number in range(2):
        assert campus.dropped(number, "blocked tcp") > 0, "the given port was not blocked, or not tried"
        assert campus.dropped(number, "blocked other") == 0


def test_a_node_that_is_given_port_443_sends_nothing_else(campus: Campus) -> None:
    hub = campus.hub("--also-listen", "443")
    end = campus.machine("A", "tcp dport 443")
    with capture(end) as packets:
        a = campus.start(end, "A", "--bootstrap", f"{hub}:443")
        a.wait_for_links(1)
        time.sleep(QUIET)
        sent = [packet for packet in packets() if packet.is_sent]
    assert sent and {packet.target for packet in sent} == {Packet.tcp(hub, 443)}
    assert campus.dropped(0, "blocked tcp") == campus.dropped(0, "blocked other") == 0
