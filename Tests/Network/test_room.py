"""Files that go only if a member on another machine proves to hold them.

`make test-network` runs this as root.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from line import End
from sites import Sites
from test_lines import PATIENCE, Node, finished


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """A bootstrap node, and a node behind a router; both are members."""
    with contextlib.ExitStack() as stack:
        sites = Sites(stack)

        def start(end: End, label: str, *options: str) -> Node:
            node = Node(end, tmp_path, label, *options)
            stack.callback(node.stop)
            return node

        hub = sites.machine(1)
        (behind,) = sites.site("A")
        one = start(hub, "R", "--isbootstrap", "--port", "14507")
        other = start(behind, "A", "--bootstrap", f"{hub.address}:14507")
        other.wait_for_links(1)
        one.wait_for_links(1)
        yield one, other


def test_a_member_on_another_machine_is_a_proof_until_it_has_the_last_copy(
    nodes: tuple[Node, Node], tmp_path: Path
) -> None:
    one, other = nodes
    uri, _ = other.store(3_000_000)
    finished(one.load(uri))
    assert "held by R" in finished(other.kachery("rm", "--if-elsewhere", uri))
    last = one.kachery("rm", "--if-elsewhere", uri)
    output, _ = last.communicate(timeout=PATIENCE)
    assert last.returncode == 1 and "no other member" in output
    assert finished(one.kachery("ls", uri)).endswith(f"{uri.partition('?')[0].rpartition('/')[2]}")
