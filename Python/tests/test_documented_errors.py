"""``docs/python.md`` lists every exception with its code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import kachery_p2p as kp
from kachery_p2p import _errors

DOCUMENT = Path(__file__).parents[2] / "docs" / "python.md"


def test_every_exception_is_listed_and_exported() -> None:
    classes = {
        name: found.code
        for name, found in vars(_errors).items()
        if inspect.isclass(found) and issubclass(found, kp.KacheryError) and found is not kp.KacheryError
    }
    listed = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", DOCUMENT.read_text(), re.MULTILINE))
    assert listed == classes
    assert [name for name in classes if not hasattr(kp, name)] == []
