"""Nodes in campus networks, whose firewalls let connections out to TCP port 443 alone.

`make test-network` runs this as root.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

import proxy
from line import End
from packets import Packet, capture
from real_daemon import program
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

    def start_proxy(self, end: End, *credentials: str) -> None:
        running = end.start([sys.executable, proxy.__file__, end.address, "3128", *credentials], stdout=subprocess.PIPE)
        self._stack.callback(running.wait)
        self._stack.callback(running.terminate)
        assert running.stdout is not None and running.stdout.readline() == b"ready\n"
        self._stack.callback(running.stdout.close)

    def hub(self, *options: str) -> str:
        """Starts a bootstrap node in the internet. Returns its host."""
        end = self.sites.machine(1)
        self.start(end, "R", "--isbootstrap", "--port", "14507", *options)
        return end.address

    def machines(self, *names: str, allowed: str) -> list[End]:
        """Machines in a new network, whose firewall drops what does not match this nftables expression."""
        ends = self.sites.site(*names)
        for end in ends:
            with end.entered():
                # Otherwise the kernel looks for IPv6 routers and neighbors.
                Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
        router = self.sites.routers[-1]
        router.run(["nft", "add table ip firewall"])
        router.run(["nft", "add chain ip firewall out { type filter hook forward priority filter; policy drop; }"])
        router.run(["nft", 'add rule ip firewall out iifname "switch" oifname "switch" accept'])
        router.run(["nft", 'add rule ip firewall out iifname "outside" ct state established,related accept'])
        router.run(["nft", f"add rule ip firewall out {allowed} accept"])
        router.run(["nft", 'add rule ip firewall out ip protocol tcp counter comment "blocked tcp"'])
        router.run(["nft", 'add rule ip firewall out ip protocol != tcp counter comment "blocked other"'])
        return ends

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
    ends = [campus.machines(name, allowed="tcp dport 443")[0] for name in "AB"]
    a, b = (campus.start(end, name, "--bootstrap", f"{hub}:14507") for end, name in zip(ends, "AB"))
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
    end = campus.machines("A", allowed="tcp dport 443")[0]
    with capture(end) as packets:
        a = campus.start(end, "A", "--bootstrap", f"{hub}:443", "--no-port-mapping")
        a.wait_for_links(1)
        time.sleep(QUIET)
        sent = [packet for packet in packets() if packet.is_sent]
    assert sent and {packet.target for packet in sent} == {Packet.tcp(hub, 443)}
    assert campus.dropped(0, "blocked tcp") == campus.dropped(0, "blocked other") == 0


@pytest.mark.parametrize("credentials", [(), ("ann", "secret")], ids=["open", "with a password"])
def test_a_proxy_is_enough_and_nothing_goes_elsewhere(
    credentials: tuple[str, ...], campus: Campus, tmp_path: Path
) -> None:
    hub = campus.hub("--also-listen", "443")
    end, gate = campus.machines("A", "proxy", allowed="ip saddr 192.168.1.11")
    campus.start_proxy(gate, *credentials)
    url = f"http://{''.join(f'{word}:' for word in credentials).rstrip(':')}@{gate.address}:3128"
    b = campus.start(campus.sites.site("B")[0], "B", "--bootstrap", f"{hub}:14507")
    with capture(end) as packets:
        # It would announce itself in its network if there were no proxy.
        a = campus.start(end, "A", "--bootstrap", f"{hub}:14507", "--proxy", url, multicast=True)
        for node in (a, b):
            node.wait_for_links(2)
        sent = [packet for packet in packets() if packet.is_sent]
        size = 16_000_000
        took = share(a, b, tmp_path, size)
        print(f"\n  {size / took / 1e6:.0f} MB/s through a proxy and a relay")
        time.sleep(QUIET)
        sent += [packet for packet in packets() if packet.is_sent]
    assert sent and {packet.target for packet in sent} == {Packet.tcp(gate.address, 3128)}
    assert campus.dropped(0, "blocked tcp") == campus.dropped(0, "blocked other") == 0


def test_a_port_that_may_not_be_used_is_explained(campus: Campus, tmp_path: Path) -> None:
    end = campus.sites.machine(1)
    # Root without the right to use low ports, like other users.
    limited = ["setpriv", "--bounding-set", "-net_bind_service", str(program("kacheryd"))]
    campus.start(end, "first", "--port", "0", "--also-listen", "8443")

    def refusal(command: list[str], *options: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "second")}
        running = end.start(
            [*command, "--port", "0", *options], env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        _, message = running.communicate(timeout=20)
        assert running.returncode == 1
        return str(message.decode())

    message = refusal(limited, "--also-listen", "443")
    assert "port 443 failed: permission denied" in message
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in message and "ip_unprivileged_port_start=443" in message
    assert "sysctl" in refusal(limited, "--websocket-port", "80")
    message = refusal([str(program("kacheryd"))], "--also-listen", "8443")
    assert "port 8443 failed: address already in use" in message and "sport = :8443" in message
