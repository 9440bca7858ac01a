"""Each of the daemon's codes has an exception of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import kachery_p2p as kp
from kachery_p2p._errors import error_for

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "Tests/Vectors/error-codes.json").read_text())
CODES = [entry["code"] for entry in VECTORS]


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_an_exception_of_its_own(code: str) -> None:
    error = error_for(code, "why")
    assert type(error) is not kp.KacheryError and error.code == type(error).code == code
    assert getattr(kp, type(error).__name__) is type(error)


def test_what_is_not_found_for_a_command_is_not_found_here() -> None:
    for entry in VECTORS:
        kind = type(error_for(entry["code"], "why"))
        assert issubclass(kind, kp.NotFound) == (entry["exitCode"] == 3), entry["code"]
        assert issubclass(kind, kp.BadRequest) or entry["exitCode"] != 2


def test_the_list_is_the_daemons() -> None:
    source = (ROOT / "Sources/Base/Primitives/Errors/KacheryError.swift").read_text()
    assert set(re.findall(r'Self\(rawValue: "(\w+)"\)', source)) == set(CODES)


def test_a_code_that_is_new_is_kept() -> None:
    assert error_for("full_moon", "why").code == "full_moon"
    assert type(error_for(None, "why", kp.NotFound)) is kp.NotFound
