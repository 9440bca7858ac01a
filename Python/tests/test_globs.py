"""Patterns that leave files out of a stored folder. The Swift tests replay the same vectors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import kachery_p2p as kp
from kachery_p2p._globs import GlobPattern
from storage_layout import read_folder

VECTORS = json.loads((Path(__file__).parents[2] / "Tests" / "Vectors" / "globs.json").read_text())["cases"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["pattern"]))
def test_a_pattern_matches_what_the_vectors_say(vector: dict[str, list[str]]) -> None:
    pattern = GlobPattern(str(vector["pattern"]))
    assert [path for path in vector.get("matches", []) if not pattern.matches(path, False)] == []
    assert [path for path in vector.get("folders", []) if not pattern.matches(path, True)] == []
    assert [path for path in vector.get("others", []) if pattern.matches(path, False)] == []


def test_what_is_excluded_is_not_stored(offline: Path, tmp_path: Path) -> None:
    for name in ("a.txt", "b.tmp", ".git/config", "raw/one/x.avi", "raw/y.txt"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    uri = kp.store_dir(str(tmp_path / "data"), exclude=["*.tmp", ".git/", "raw/**/*.avi"])
    folder = read_folder(uri)
    assert list(folder["files"]) == ["a.txt"] and list(folder["dirs"]) == ["raw"]
    assert folder["dirs"]["raw"] == {
        "files": {"y.txt": folder["dirs"]["raw"]["files"]["y.txt"]},
        "dirs": {"one": {"files": {}, "dirs": {}}},
    }
    with pytest.raises(kp.BadRequest, match="list"):
        kp.store_dir(str(tmp_path / "data"), exclude="*.tmp")
