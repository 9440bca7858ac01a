# ruff: noqa: F811
"""Every pair of 13 kinds of routers and firewalls: two nodes behind them share a file, by the best way that there is.

`make test-network` runs this as root for a few pairs, once with UDP and once with networks that drop it.
KACHERY_PAIRS=all takes all 91, in about 20 minutes, and KACHERY_PAIRS=port-fw,public-addr these.
"""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import pytest

from line import End
from routers import NODE_PORT, ROUTERS
from sites import Sites
from test_lines import Node, finished
from test_nat import Start, hub, share, stack, start  # noqa: F401 (fixtures)
from test_punching import ROUND_TRIP, are_direct, seconds_until_direct, sites  # noqa: F401 (a fixture)

KINDS = [
    *("public", "cone", "addr", "port", "fw", "rst", "greedy", "collide", "nosim", "cgnat"),
    *("symseq", "symrand", "campus"),
]
EASY = KINDS[:10]
ALL = list(itertools.combinations_with_replacement(KINDS, 2))
CHOSEN = os.environ.get("KACHERY_PAIRS", "")
# By default every kind is in two pairs.
PAIRS = (
    list(zip(KINDS, KINDS[1:]))
    if not CHOSEN
    else [p for p in ALL if CHOSEN == "all" or "-".join(p) in CHOSEN.split(",")]
)
# Neither of these opens a TCP connection from both sides, so it has to be UDP.
ONLY_UDP = {("nosim", "nosim")}
# A random port is guessed by UDP, from an end with one port for everyone. These accept only from the port they sent to.
ONLY_GUESSED = {(kind, "symrand") for kind in EASY[3:]}
# A random port cannot be guessed from another random port or from a sequence, and `campus` lets nothing in.
RELAYED = {("symseq", "symrand"), ("symrand", "symrand"), *((kind, "campus") for kind in KINDS)}
# A file that keeps the relay busy for 10 s: ports are guessed only for work that waits.
SIZE = 40_000_000
SHORT = 12_000_000
# What has no link directly by then stays on the relay.
RELAYED_FOR = 8.0  # seconds

_OCCUPY = """
import socket, sys, time
port, bootstraps = int(sys.argv[1]), sys.argv[2:]
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.bind(("", port))
held = []
for address in bootstraps:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.bind(("", port))
    connection.connect((address, 443))
    held.append(connection)
print("ready", flush=True)
while True:
    for address in bootstraps:
        sender.sendto(b"x", (address, 443))
    time.sleep(5)
"""


def place(sites: Sites, number: int, name: str, kind: str, bootstraps: list[str], *, udp: bool) -> End:
    """A machine behind a router of this kind."""
    if kind == "public":
        return sites.machine(10 + number)
    router = ROUTERS[kind]
    if not udp:
        router = router._replace(leaving=f"meta l4proto tcp {router.leaving}")
    names = [name, "neighbor"] if router.neighbor else [name]
    end, *neighbors = sites.site(*names, kind=router)
    for neighbor in neighbors:
        addresses = [address.partition(":")[0] for address in bootstraps]
        sites.occupy(neighbor, ["python3", "-c", _OCCUPY, str(NODE_PORT), *addresses])
    return end


def expected(kinds: tuple[str, str], *, udp: bool) -> bool:
    """Whether this pair can have a direct link."""
    if kinds in RELAYED:
        return False
    return udp or not (kinds in ONLY_UDP or kinds in ONLY_GUESSED)


@pytest.mark.parametrize("udp", [True, False], ids=["udp", "noudp"])
@pytest.mark.parametrize("kinds", PAIRS, ids="-".join)
def test_a_pair(sites: Sites, start: Start, tmp_path: Path, kinds: tuple[str, str], udp: bool) -> None:
    # Two, who tell nodes how their routers choose ports.
    bootstraps = [hub(sites, start, number, "--limit-relay", "4", port=443) for number in (1, 2)]
    options = [word for address in bootstraps for word in ("--bootstrap", address)]
    begun = time.monotonic()
    nodes: list[Node] = []
    for number, (name, kind) in enumerate(zip("AB", kinds)):
        end = place(sites, number, name, kind, bootstraps, udp=udp)
        begun = time.monotonic()
        nodes.append(start(end, name, *options, "--port", str(NODE_PORT), "--verbose", "1"))
    a, b = nodes
    for node in nodes:
        node.wait_for_links(3)
    linked = time.monotonic() - begun
    can = expected(kinds, udp=udp)
    uri, _ = a.store(SIZE if can else SHORT)
    load = b.load(uri)
    if can:
        direct = seconds_until_direct(a, b, begun)
        assert direct is not None, f"no direct link\n{a.log()}\n{b.log()}"
        address = a.address_of("B")
        finished(load)
        assert not (kinds in ONLY_UDP or kinds in ONLY_GUESSED) or address.startswith("quic://"), address
        said = f"direct after {direct:.2f} s by {'QUIC' if address.startswith('quic://') else 'TCP'}"
    else:
        finished(load)
        time.sleep(max(0.0, begun + RELAYED_FOR - time.monotonic()))
        said = "direct, against expectation" if are_direct(a, b) else "by the relay"
        share(a, b, tmp_path, 1_000_000)
    print(f"\n  {'-'.join(kinds)}, {'with' if udp else 'without'} UDP: linked after {linked:.2f} s, {said}")
