"""The progress of a load: one line that is overwritten, only on a terminal or in a notebook."""

from __future__ import annotations

import io
import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from kachery_p2p import _progress
from kachery_p2p._progress import FileOfFolder, FolderProgress, Progress

REPORT: dict[str, Any] = {"bytesLoaded": 36_700_000, "bytesTotal": 70_900_000, "nodeId": "c925ad33" + "0" * 56}
LAST: dict[str, Any] = {"bytesLoaded": 70_900_000, "bytesTotal": 70_900_000, "nodeId": None}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class NotebookOutput(io.StringIO):
    """Like the stream that replaces standard error in a notebook."""


NotebookOutput.__module__ = "ipykernel.iostream"


@pytest.fixture
def immediately(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "_DELAY", 0.0)
    monkeypatch.setattr(_progress, "_INTERVAL", 0.0)


def shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *reports: dict[str, Any]) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("sha1://x") as progress:
        for report in reports:
            if report.get("type") == "waiting":
                progress.report_wait(report)
            else:
                progress.report(report)
    return stream.getvalue()


@pytest.mark.parametrize("stream", [Terminal, NotebookOutput])
def test_a_line_is_written_over(immediately: None, monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]) -> None:
    text = shown(monkeypatch, stream(), REPORT, LAST)
    lines = [line.rstrip() for line in text.rstrip("\n").split("\r")]
    assert lines == ["", " 51.8 %  36.7 MB of 70.9 MB from c925ad33", "100.0 %  70.9 MB of 70.9 MB"]
    assert text.endswith("\n")


def test_a_load_that_waits_says_for_whom(immediately: None, monkeypatch: pytest.MonkeyPatch) -> None:
    wait = {"type": "waiting", "nodeId": REPORT["nodeId"], "others": None}
    lines = [line.rstrip() for line in shown(monkeypatch, Terminal(), wait, LAST).rstrip("\n").split("\r")]
    assert lines == ["", "waiting for c925ad33, which serves others first", "100.0 %  70.9 MB of 70.9 MB"]


def test_nothing_that_a_terminal_obeys_is_shown(immediately: None, monkeypatch: pytest.MonkeyPatch) -> None:
    wait = {"type": "waiting", "nodeId": "\x1b[2J\u202e\x9b\x07", "others": None}
    text = shown(monkeypatch, Terminal(), wait)
    assert "waiting for  [2J   , which" in text
    assert all(letter.isprintable() or letter in "\r\n" for letter in text)


def test_nothing_is_shown_where_nobody_looks_or_wants_it(immediately: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO(), REPORT, LAST) == ""
    monkeypatch.setenv("KACHERY_QUIET", "1")
    assert shown(monkeypatch, Terminal(), REPORT, LAST) == ""


def test_what_is_quick_needs_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, Terminal(), REPORT, LAST) == ""


def test_a_program_without_standard_error_loads_all_the_same(
    immediately: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with Progress("sha1://x") as progress:
        progress.report(REPORT)


def test_the_log_has_every_report(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "kachery_p2p"):
        shown(monkeypatch, io.StringIO(), REPORT, LAST, {"bytesLoaded": 0, "bytesTotal": 0})
    assert "51.8 %" in caplog.text and "0 B of 0 B" in caplog.text and len(caplog.records) == 3


def test_a_folder_shows_one_line_over_all_bytes_and_files(immediately: None, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, clock = Terminal(), iter(range(1000, 2000))
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("kachery_p2p._progress.time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    with FolderProgress("sha1dir://x", [60_000_000, 40_000_000]) as folder:
        for size in (60_000_000, 40_000_000):
            file = FileOfFolder(folder)
            with file:
                file.report({"bytesLoaded": size // 2, "bytesTotal": size, "nodeId": None})
            folder.has(size)
    lines = [line.rstrip() for line in stream.getvalue().rstrip("\n").split("\r")][1:]
    assert lines[0].startswith(" 30.0 %  30.0 MB of 100.0 MB  0 of 2 files  0:") and lines[0].endswith(" left")
    assert lines[-1] == "100.0 %  100.0 MB of 100.0 MB  2 of 2 files"
    assert all(len(line) <= 76 for line in lines)
