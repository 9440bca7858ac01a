"""The alerts, the dashboard and the scrape settings of `Deploy/transfer-node`, against a daemon's metrics."""

from __future__ import annotations

import json
import re
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from real_daemon import StartDaemon, free_port

FOLDER = Path(__file__).parents[2] / "Deploy" / "transfer-node"
# What Prometheus adds to the metrics that it fetches.
ADDED = {"up", "ALERTS"}


@pytest.fixture
def metrics(start_daemon: StartDaemon) -> set[str]:
    """The names of a daemon's metrics, fetched with the token and the certificate, as prometheus.yml says."""
    scrape = (FOLDER / "prometheus.yml").read_text()
    assert all(setting in scrape for setting in ("scheme: https", "credentials_file:", "ca_file:"))
    port = free_port()
    watched = start_daemon("watched", "--api-listen", f"127.0.0.1:{port}")
    keys = Path(watched.environment["KACHERY_P2P_CONFIG_DIR"])
    token = (keys / "api-token").read_text().strip()
    context = ssl.create_default_context(cafile=str(keys / "api-certificate.pem"))
    request = urllib.request.Request(f"https://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:
        text = answer.read().decode()
    kinds = re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE)
    return {f"{name}_bucket" if kind == "histogram" else name for name, kind in kinds}


def names(expression: str) -> set[str]:
    """The metrics in an expression of Prometheus."""
    return set(re.findall(r"\b(?:kachery_\w+|up|ALERTS)\b", expression))


def expressions(value: Any) -> list[str]:
    """Every `expr` in a dashboard."""
    if isinstance(value, dict):
        own = [value["expr"]] if "expr" in value else []
        return own + [found for part in value.values() for found in expressions(part)]
    return [found for part in value for found in expressions(part)] if isinstance(value, list) else []


def test_alerts_and_dashboard_ask_for_metrics_that_a_daemon_has(metrics: set[str]) -> None:
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    shown = {name for expression in expressions(dashboard["panels"]) for name in names(expression)} - ADDED
    assert metrics == shown, "the dashboard shows every metric"
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len({panel["id"] for panel in dashboard["panels"]}) == len(places)
    asked = names((FOLDER / "kachery-alerts.yml").read_text().split("groups:")[1]) - ADDED
    assert asked and asked <= metrics, asked - metrics
    series = names((FOLDER / "alerts-test.yml").read_text()) - ADDED
    assert series == asked, "promtool tests every alert"
