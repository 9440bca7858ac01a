"""Nodes behind two routers that share a member which can be dialed, and no bootstrap node that relays.

`make test-network` runs this as root.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from line import End
from sites import Sites
from test_lines import CHANNEL, Node, finished
from test_nat import share

WITHOUT_PUNCHING = "--no-punching"


class Place:
    """Members A and B, each behind a router of its own, and a member M that they can dial."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path, *options: str) -> None:
        sites = Sites(stack)
        self._stack, self._folder = stack, folder
        end = sites.machine(1)
        # It is no bootstrap node: the two nodes name it only to find it.
        self.m = self._start("M", end, "--port", "14507", *options)
        joining = ("--bootstrap", f"{end.address}:14507", WITHOUT_PUNCHING)
        self.a, self.b = (self._start(name, sites.site(name)[0], *joining) for name in "AB")
        for node in (self.a, self.b):
            node.wait_for_links(1)

    def _start(self, label: str, end: End, *options: str) -> Node:
        node = Node(end, self._folder, label, *options)
        self._stack.callback(node.stop)
        return node

    def offer(self, *options: str) -> None:
        finished(self.m.kachery("channel", "join", CHANNEL, *options))


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("option", ["--data-proxy", "--message-proxy"])
def test_two_members_share_files_through_a_third(stack: contextlib.ExitStack, tmp_path: Path, option: str) -> None:
    place = Place(stack, tmp_path)
    place.offer(option)
    for node in (place.a, place.b):
        node.wait_for_links(2)
    size = 40_000_000 if option == "--data-proxy" else 4_000_000
    took = share(place.a, place.b, tmp_path, size)
    passed, joined = (place.m.count(f"kachery_{kind}_bytes_total") for kind in ("relayed", "joined"))
    print(f"\n  {option}: {size / took / 1e6:.1f} MB/s through the member, {joined / passed:.0%} over joined lanes")
    assert passed > size
    # Messages only: 1 MB/s, and a quarter of a second ahead.
    assert joined > 0.5 * size if option == "--data-proxy" else joined == 0 and took > 3
    paths = place.b.paths_to("A")
    assert {path["relayLabel"] for path in paths} == {"M"}, paths
    assert "relayed through M" in finished(place.b.kachery("daemon", "peers"))
    uri, _ = place.a.store(1_000)
    explained, _ = place.b.kachery("explain", uri).communicate(timeout=60)
    assert f"it is linked through node {place.m.node_id[:8]} ('M')" in " ".join(explained.split()), explained


@pytest.mark.parametrize("options", [(), ("--no-relay",)])
def test_who_offers_nothing_relays_nothing(
    stack: contextlib.ExitStack, tmp_path: Path, options: tuple[str, ...]
) -> None:
    place = Place(stack, tmp_path, *options)
    if options:
        place.offer("--data-proxy")
    uri, _ = place.a.store(1_000)
    load = place.b.load(uri)
    load.communicate(timeout=60)
    assert load.returncode != 0
    assert place.b.paths_to("A") == []
    assert place.m.count("kachery_relayed_bytes_total") == 0
