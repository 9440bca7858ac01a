"""A real Prometheus, Debian's, scrapes a node with the settings of `Deploy/transfer-node`.

`make test-network` runs this.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from real_daemon import RealDaemon, free_port

FOLDER = Path(__file__).parents[2] / "Deploy" / "transfer-node"
DEADLINE = 30.0
# The counters of Prometheus itself about samples that it has refused.
REFUSED = [
    "prometheus_target_scrapes_sample_duplicate_timestamp_total",
    "prometheus_target_scrapes_sample_out_of_order_total",
    "prometheus_target_scrapes_sample_out_of_bounds_total",
    "prometheus_target_scrapes_exceeded_sample_limit_total",
]


class Prometheus:
    """A server that scrapes one node, and itself."""

    def __init__(self, folder: Path, target: int, token: Path, certificate: Path) -> None:
        settings = (FOLDER / "prometheus.yml").read_text()
        self.port = free_port()
        for old, new in {
            "/etc/prometheus/kachery-token": str(token),
            "/etc/prometheus/kachery-certificate.pem": str(certificate),
            "192.168.1.5:20443": f"127.0.0.1:{target}",
            "scrape_interval: 15s": "scrape_interval: 300ms\n    scrape_timeout: 300ms",
        }.items():
            assert settings.count(old) == 1, old
            settings = settings.replace(old, new)
        settings += f"""
  - job_name: prometheus
    scrape_interval: 300ms
    scrape_timeout: 300ms
    static_configs:
      - targets: ["127.0.0.1:{self.port}"]
"""
        folder.mkdir()
        (folder / "prometheus.yml").write_text(settings)
        shutil.copy(FOLDER / "kachery-alerts.yml", folder)
        program = shutil.which("prometheus")
        assert program, "Prometheus is missing; run: Deploy/install-dependencies.sh --lines"
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    program,
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def ask(self, path: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]

    def value(self, query: str) -> float | None:
        """The only value of a query; nothing if it has none."""
        found = self.ask("query", query=query)["result"]
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def wait_for(self, query: str, value: float) -> None:
        deadline = time.monotonic() + DEADLINE
        seen: Any = None
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                seen = self.value(query)
            except OSError as error:
                seen = error
            if seen == value:
                return
            time.sleep(0.05)
        pytest.fail(f"{query} is {seen}, not {value}:\n{self.log.read_text(errors='replace')}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def watched(start_daemon: Callable[..., RealDaemon], tmp_path: Path) -> Iterator[tuple[RealDaemon, Prometheus]]:
    """A node whose certificate is its own, and a Prometheus that has its token."""
    port = free_port()
    daemon = start_daemon("watched", "--api-listen", f"127.0.0.1:{port}")
    keys = Path(daemon.environment["KACHERY_P2P_CONFIG_DIR"])
    prometheus = Prometheus(tmp_path / "prometheus", port, keys / "api-token", keys / "api-certificate.pem")
    yield daemon, prometheus
    prometheus.stop()


def test_prometheus_scrapes_a_node(watched: tuple[RealDaemon, Prometheus]) -> None:
    daemon, prometheus = watched
    prometheus.wait_for('up{job="kachery"}', 1)
    target = next(t for t in prometheus.ask("targets")["activeTargets"] if t["labels"]["job"] == "kachery")
    assert (target["health"], target["lastError"], target["labels"]["node"]) == ("up", "", "lab-server")

    # Every series that the node shows is there, and none of them twice.
    token = (daemon.storage / "client-auth").read_text().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{daemon.api_port}/metrics", headers={"KACHERY-CLIENT-AUTH-CODE": token}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        text = answer.read().decode()
    shown = [line.rpartition(" ")[0] for line in text.splitlines() if line and not line.startswith("#")]
    assert len(shown) == len(set(shown)) > 30
    found = prometheus.ask("query", query='{job="kachery",__name__=~"kachery_.*"}')["result"]
    assert {series["metric"]["__name__"] for series in found} == {name.partition("{")[0] for name in shown}
    assert len(found) == len(shown)
    described = prometheus.ask("targets/metadata", match_target='{job="kachery"}')
    assert {entry["metric"] for entry in described} == {
        line.split()[2] for line in text.splitlines() if "# TYPE" in line
    }
    assert all(entry["help"] and entry["type"] in ("counter", "gauge", "histogram") for entry in described)

    # Some scrapes later, it has refused nothing.
    prometheus.wait_for('count_over_time(up{job="kachery"}[1m]) >= bool 4', 1)
    for counter in REFUSED:
        assert prometheus.value(f'sum({counter}{{job="prometheus"}})') == 0, counter

    (group,) = prometheus.ask("rules")["groups"]
    rules = (FOLDER / "kachery-alerts.yml").read_text().splitlines()
    assert [rule["name"] for rule in group["rules"]] == [line.split()[-1] for line in rules if "alert:" in line]
    assert [rule for rule in group["rules"] if rule.get("lastError")] == []

    daemon.stop()
    prometheus.wait_for('up{job="kachery"}', 0)
