# ruff: noqa: F811
"""Nodes behind two routers, which reach each other through a relay and then directly, by dialing at the same moment.

`make test-network` runs this as root. It prints how long after the start the relayed and the direct link were up.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import socket
import time
from pathlib import Path
from typing import Callable

import pytest

from packets import capture
from routers import ROUTERS
from sites import Sites
from test_lines import Node, finished
from test_nat import Start, hub, share, stack, start  # noqa: F401 (fixtures)

PUNCHED = "the two nodes dialed each other"
PATIENCE = 40.0  # seconds for a direct link
# Two routers that refuse what comes unasked let a connection open only if both dials are on their way at the same time,
# which takes some distance.
ROUND_TRIP = 50  # milliseconds between any two machines of the internet
EASY = list(itertools.combinations_with_replacement(["port", "rst", "greedy", "fw"], 2))
# With one bootstrap node, the nodes cannot know that the first of these have no way, and try.
HARD = [("symrand", "symrand"), ("symrand", "port"), ("symrand", "fw"), ("campus", "port"), ("campus", "campus")]


@pytest.fixture
def sites(stack: contextlib.ExitStack) -> Sites:
    return Sites(stack, ROUND_TRIP)


def pair(sites: Sites, start: Start, kinds: tuple[str, str], *options: str, port: int = 14507) -> tuple[Node, Node]:
    """Nodes A and B behind routers of these kinds, and a bootstrap node. Further arguments are options of that one."""
    address = hub(sites, start, 1, *options, port=port)
    ends = [sites.site(name, kind=ROUTERS[kind])[0] for name, kind in zip("AB", kinds)]
    a, b = (start(end, name, "--bootstrap", address, "--verbose", "1") for end, name in zip(ends, "AB"))
    return a, b


def are_direct(a: Node, b: Node) -> bool:
    """Whether both nodes use a link that leads through no relay."""
    addresses = (a.address_of("B"), b.address_of("A"))
    return all(address and not address.startswith("relay:") for address in addresses)


def seconds_until_direct(a: Node, b: Node, begun: float) -> float | None:
    """Waits until both nodes use a direct link; ``None`` if that takes too long."""
    while time.monotonic() - begun < PATIENCE:
        if are_direct(a, b):
            return time.monotonic() - begun
        time.sleep(0.02)
    return None


def way(a: Node, b: Node) -> str:
    """How the direct link came up. Ordinary dials that happen to cross are as good as those of a round."""
    return "a round" if PUNCHED in a.log() + b.log() else "ordinary dials"


@pytest.mark.parametrize("kinds", EASY, ids="-".join)
def test_a_direct_link_comes_up(sites: Sites, start: Start, tmp_path: Path, kinds: tuple[str, str]) -> None:
    begun = time.monotonic()
    a, b = pair(sites, start, kinds, "--limit-relay", "1")
    for node in (a, b):
        node.wait_for_links(2)
    relayed = time.monotonic() - begun
    direct = seconds_until_direct(a, b, begun)
    assert direct is not None, f"no direct link\n{a.log()}\n{b.log()}"
    # The relay alone would need a minute.
    took = share(a, b, tmp_path, 64_000_000)
    print(
        f"\n  {'-'.join(kinds)}: first link after {relayed:.2f} s, direct after {direct:.2f} s by {way(a, b)};"
        f" 64 MB in {took:.1f} s"
    )
    assert took < 45, "the relay carries it"


@pytest.mark.parametrize("kinds", HARD, ids="-".join)
def test_a_pair_without_a_way_stays_on_the_relay(
    sites: Sites,
    start: Start,
    tmp_path: Path,
    kinds: tuple[str, str],
) -> None:
    a, b = pair(sites, start, kinds, port=443)
    for node in (a, b):
        node.wait_for_links(2)
    share(a, b, tmp_path, 20_000_000)
    # Beyond a whole session of three rounds.
    time.sleep(5)
    share(a, b, tmp_path, 1_000_000)
    assert not are_direct(a, b)


# Of these, neither router opens a TCP connection from both sides.
BY_UDP = [("nosim", "nosim"), ("keeper", "nosim"), ("keeper", "keeper")]


@pytest.mark.parametrize("kinds", BY_UDP, ids="-".join)
def test_where_tcp_has_no_way_udp_does(
    sites: Sites,
    start: Start,
    tmp_path: Path,
    kinds: tuple[str, str],
) -> None:
    begun = time.monotonic()
    a, b = pair(sites, start, kinds, "--limit-relay", "1")
    for node in (a, b):
        node.wait_for_links(2)
    relayed = time.monotonic() - begun
    direct = seconds_until_direct(a, b, begun)
    assert direct is not None, f"no direct link\n{a.log()}\n{b.log()}"
    addresses = (a.address_of("B"), b.address_of("A"))
    assert all(address.startswith("quic://203.0.113.") for address in addresses), addresses
    # The relay alone would need a minute.
    took = share(a, b, tmp_path, 64_000_000)
    print(
        f"\n  {'-'.join(kinds)}: first link after {relayed:.2f} s, direct after {direct:.2f} s; 64 MB in {took:.1f} s"
    )
    assert took < 45, "the relay carries it"
    for node, other in ((a, "B"), (b, "A")):
        assert [path["kind"] for path in node.paths_to(other) if path["isInUse"]] == ["punched"]


TRIES = int(os.environ.get("KACHERY_TRIES", "2"))
IN_TIME = 6.0  # seconds, from the moment when a file waits


def members(sites: Sites, start: Start, kinds: tuple[str, str], *options: str) -> Callable[[], tuple[Node, Node]]:
    """Prepares two bootstrap nodes, who tell nodes how their routers choose ports, and starts A and B when called."""
    addresses = [hub(sites, start, number, "--limit-relay", "8") for number in (1, 2)]
    bootstraps = [word for address in addresses for word in ("--bootstrap", address)]
    ends = [sites.site(name, kind=ROUTERS[kind])[0] for name, kind in zip("AB", kinds)]

    # New ones each time: for minutes, the routers lead nodes that have started again along the paths of the last ones.
    ports = itertools.count(20_000)

    def begin() -> tuple[Node, Node]:
        chosen = ("--port", str(next(ports)), "--verbose", "1", *options)
        a, b = (start(end, name, *bootstraps, *chosen) for end, name in zip(ends, "AB"))
        for node in (a, b):
            node.wait_for_links(3)
        return a, b

    return begin


@pytest.mark.parametrize("kinds", [("symrand", "port"), ("port", "symrand")], ids="-".join)
def test_a_random_port_is_guessed_for_a_file(sites: Sites, start: Start, kinds: tuple[str, str]) -> None:
    """`KACHERY_TRIES` sets the number of tries. Nodes that have just met, and ones that were idle before."""
    begin = members(sites, start, kinds)
    times: list[float | None] = []
    for number in range(TRIES):
        a, b = begin()
        if number % 2 == 1:
            # Longer than a session, and the rest after it.
            time.sleep(15)
            assert not are_direct(a, b), "ports were guessed for nothing"
        uri, _ = a.store(100_000_000)
        begun = time.monotonic()
        load = b.load(uri)
        times.append(seconds_until_direct(a, b, begun))
        assert times[-1] is not None, f"no direct link\n{a.log()}\n{b.log()}"
        assert a.address_of("B").startswith("quic://203.0.113.")
        finished(load)
        a.stop()
        b.stop()
    known = sorted(took for took in times if took is not None)
    in_time = sum(took <= IN_TIME for took in known)
    print(
        f"\n  {'-'.join(kinds)}: {in_time} of {TRIES} direct within {IN_TIME:.0f} s of the request;"
        f" {', '.join(f'{took:.1f}' for took in known)} s"
    )


@pytest.mark.parametrize("refusing", ["A", "B"])
def test_guessing_can_be_turned_off_at_either_end(sites: Sites, start: Start, tmp_path: Path, refusing: str) -> None:
    addresses = [hub(sites, start, number) for number in (1, 2)]
    bootstraps = [word for address in addresses for word in ("--bootstrap", address)]
    ends = {name: sites.site(name, kind=ROUTERS[kind])[0] for name, kind in (("A", "symrand"), ("B", "port"))}
    with capture(ends["A"]) as at_a, capture(ends["B"]) as at_b:
        a, b = (
            start(end, name, *bootstraps, *(["--no-port-guessing"] if name == refusing else []))
            for name, end in ends.items()
        )
        for node in (a, b):
            node.wait_for_links(3)
        share(a, b, tmp_path, 40_000_000)
        # Beyond a whole session of three rounds.
        time.sleep(8)
        probed = {f"protocol {socket.IPPROTO_UDP} to 203.0.113.{100 + number}" for number in (1, 2)}
        sent = sum(packet.is_sent and packet.target in probed for packets in (at_a, at_b) for packet in packets())
    assert not are_direct(a, b)
    # The probes of single ports; up to 2,000 would follow.
    assert 0 < sent < 1_000, sent


def test_where_udp_has_no_way_tcp_does(sites: Sites, start: Start, tmp_path: Path) -> None:
    begun = time.monotonic()
    a, b = pair(sites, start, ("tcponly", "port"))
    for node in (a, b):
        node.wait_for_links(2)
    assert seconds_until_direct(a, b, begun) is not None, f"no direct link\n{a.log()}\n{b.log()}"
    assert a.address_of("B").startswith("203.0.113.")
    share(a, b, tmp_path, 3_000_000)


@pytest.mark.parametrize("options", [("--noudp",), ("--no-punching",)], ids=" ".join)
def test_without_udp_or_punching_they_stay_on_the_relay(
    sites: Sites,
    start: Start,
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    address = hub(sites, start)
    ends = [sites.site(name, kind=ROUTERS["nosim"])[0] for name in "AB"]
    a = start(ends[0], "A", "--bootstrap", address, *options)
    b = start(ends[1], "B", "--bootstrap", address)
    for node in (a, b):
        node.wait_for_links(2)
    # Beyond a whole session of three rounds.
    time.sleep(5)
    share(a, b, tmp_path, 1_000_000)
    assert not are_direct(a, b)


def test_the_relay_is_left_in_mid_transfer(sites: Sites, start: Start, tmp_path: Path) -> None:
    address = hub(sites, start, 1, "--limit-relay", "2")
    ends = [sites.site(name, kind=ROUTERS["port"])[0] for name in "AB"]
    a = start(ends[0], "A", "--bootstrap", address)
    a.wait_for_links(1)
    uri, digest = a.store(100_000_000)
    b = start(ends[1], "B", "--bootstrap", address)
    begun = time.monotonic()
    load = b.load(uri)
    b.wait_for_links(2)
    first = b.address_of("A")
    finished(load)
    took = time.monotonic() - begun
    assert hashlib.sha1((tmp_path / "B-copy.bin").read_bytes()).hexdigest() == digest
    print(f"\n  100 MB in {took:.1f} s, of which the relay carries 2 MB/s; begun over {first}")
    assert are_direct(a, b)
    assert took < 45, "the relay alone takes 50 s"


def test_punching_can_be_turned_off(sites: Sites, start: Start, tmp_path: Path) -> None:
    address = hub(sites, start)
    ends = [sites.site(name, kind=ROUTERS["port"])[0] for name in "AB"]
    a = start(ends[0], "A", "--bootstrap", address, "--no-punching")
    b = start(ends[1], "B", "--bootstrap", address)
    for node in (a, b):
        node.wait_for_links(2)
    share(a, b, tmp_path, 1_000_000)
    time.sleep(5)
    assert PUNCHED not in a.log() + b.log()
