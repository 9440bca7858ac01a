"""What `kachery doctor` says in networks of several kinds.

`make test-network` runs this as root.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from routers import ROUTERS
from test_campus import Campus
from test_lines import Node

# Every check takes at most 5 s, and all run concurrently.
LONGEST = 10.0  # seconds


@pytest.fixture
def campus(tmp_path: Path) -> Iterator[Campus]:
    with contextlib.ExitStack() as stack:
        yield Campus(stack, tmp_path)


class Verdict(NamedTuple):
    """What the command has said."""

    code: int
    facts: dict[str, Any]
    findings: set[str]  # severity and code


def doctor(node: Node) -> Verdict:
    begun = time.monotonic()
    command = node.kachery("doctor", "--json")
    output, _ = command.communicate(timeout=60)
    assert time.monotonic() - begun < LONGEST
    facts = json.loads(output)
    found = {f"{finding['severity']} {finding['code']}" for finding in facts["findings"]}
    assert command.returncode == (0 if facts["isWell"] else 1), output
    text, _ = node.kachery("doctor").communicate(timeout=60)
    print(f"\n{text}")
    for finding in facts["findings"]:
        assert finding["remedy"].split()[0] in text
    return Verdict(command.returncode, facts, found)


def hubs(campus: Campus, count: int, *options: str) -> list[Node]:
    """Bootstrap nodes in the internet, at 203.0.113.1 and following."""
    return [
        campus.start(campus.sites.machine(number), f"R{number}", "--isbootstrap", "--port", "14507", *options)
        for number in range(1, count + 1)
    ]


def bootstraps(count: int) -> list[str]:
    return [word for number in range(1, count + 1) for word in ("--bootstrap", f"203.0.113.{number}:14507")]


def attempts(verdict: Verdict) -> dict[str, bool]:
    """Whether each address of the bootstrap nodes was reached."""
    return {
        attempt["address"]: attempt["isReached"]
        for bootstrap in verdict.facts["bootstraps"]
        for attempt in bootstrap["attempts"]
    }


@pytest.mark.parametrize(
    ("kind", "count", "nat"), [("port", 1, "portKeptForOne"), ("port", 2, "portKept"), ("symrand", 2, "perDestination")]
)
def test_behind_a_router(campus: Campus, kind: str, count: int, nat: str) -> None:
    hubs(campus, count)
    a = campus.start(campus.sites.site("A", kind=ROUTERS[kind])[0], "A", *bootstraps(count), "--port", "15000")
    a.wait_for_links(count)
    verdict = doctor(a)
    assert verdict.code == 0
    outside = verdict.facts["outside"]
    assert outside["nat"] == nat
    assert {view["address"].split(":")[0] for view in outside["views"]} == {"203.0.113.101"}
    assert not outside["wasDialedFromOutside"]
    udp = outside["udp"]
    assert udp["nat"] == nat and not udp["isBlocked"] and len(udp["views"]) == count
    assert {view["address"].split(":")[0] for view in udp["views"]} == {"203.0.113.101"}
    assert ("advice port_per_destination" in verdict.findings) == (nat == "perDestination")
    assert attempts(verdict)["203.0.113.1:14507"] and not attempts(verdict)["203.0.113.1:443"]


def test_udp_does_not_get_through(campus: Campus) -> None:
    hubs(campus, 1, "--also-listen", "443")
    a = campus.start(campus.sites.site("A", kind=ROUTERS["campus"])[0], "A", *bootstraps(1))
    a.wait_for_links(1)
    deadline = time.monotonic() + 20
    while not (udp := doctor(a).facts["outside"]["udp"])["isBlocked"]:
        assert time.monotonic() < deadline, udp
    assert udp["views"] == [] and udp["nat"] is None


def test_a_node_in_the_internet_is_dialed_by_others(campus: Campus) -> None:
    hubs(campus, 1)
    a = campus.start(campus.sites.machine(9), "A", *bootstraps(1))
    b = campus.start(campus.sites.site("B", kind=ROUTERS["port"])[0], "B", *bootstraps(1))
    for node in (a, b):
        node.wait_for_links(2)
    deadline = time.monotonic() + 20
    while a.address_of("B").startswith("relay") and time.monotonic() < deadline:
        time.sleep(0.1)
    verdict = doctor(a)
    assert verdict.code == 0 and verdict.findings == set()
    assert verdict.facts["outside"]["nat"] == "none" and verdict.facts["outside"]["wasDialedFromOutside"]
    assert [channel["direct"] for channel in verdict.facts["channels"]] == [2]


def test_only_a_proxy_leads_out(campus: Campus) -> None:
    hubs(campus, 1, "--also-listen", "443")
    end, gate = campus.machines("A", "proxy", allowed="ip saddr 192.168.1.11")
    campus.start_proxy(gate)
    url = f"http://{gate.address}:3128"
    a = campus.start(end, "A", *bootstraps(1), "--proxy", url)
    a.wait_for_links(1)
    verdict = doctor(a)
    assert verdict.code == 0
    assert verdict.facts["proxy"] == {"address": url, "source": "--proxy", "exceptions": "", "problem": None}
    assert verdict.facts["outside"] is None
    assert attempts(verdict)["203.0.113.1:443"]
    assert all(attempt["isThroughProxy"] for attempt in verdict.facts["bootstraps"][0]["attempts"])
    assert not verdict.facts["multicast"]["isOn"]


def test_without_the_proxy_it_says_what_to_do(campus: Campus) -> None:
    hubs(campus, 1, "--also-listen", "443")
    end, _ = campus.machines("A", "proxy", allowed="ip saddr 192.168.1.11")
    a = campus.start(end, "A", *bootstraps(1))
    verdict = doctor(a)
    assert verdict.code == 1 and "problem bootstraps_unreachable" in verdict.findings
    remedy = next(f["remedy"] for f in verdict.facts["findings"] if f["code"] == "bootstraps_unreachable")
    assert "--also-listen 443" in remedy and "--proxy" in remedy


def test_one_port_is_enough(campus: Campus) -> None:
    hubs(campus, 1, "--also-listen", "443")
    a = campus.start(campus.machines("A", allowed="tcp dport 443")[0], "A", *bootstraps(1))
    a.wait_for_links(1)
    verdict = doctor(a)
    assert verdict.code == 0
    assert attempts(verdict) == {"203.0.113.1:14507": False, "203.0.113.1:443": True}


def test_a_dead_bootstrap_node(campus: Campus) -> None:
    running = hubs(campus, 2)
    a = campus.start(campus.sites.site("A", kind=ROUTERS["port"])[0], "A", *bootstraps(2))
    a.wait_for_links(2)
    running[1].stop()
    verdict = doctor(a)
    assert verdict.code == 0 and "advice bootstrap_unreachable" in verdict.findings
    assert attempts(verdict)["203.0.113.1:14507"] and not attempts(verdict)["203.0.113.2:14507"]
    running[0].stop()
    verdict = doctor(a)
    assert verdict.code == 1 and "problem bootstraps_unreachable" in verdict.findings
