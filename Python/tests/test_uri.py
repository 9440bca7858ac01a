"""Kachery URIs in every published form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kachery_p2p import BadRequest
from kachery_p2p._uri import parse_directory_uri, parse_uri

HASH = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40
ARABIC_ZERO = "\u0660"  # a digit, but no ASCII digit


@pytest.mark.parametrize(
    ("text", "label", "manifest", "chunk"),
    [
        (f"sha1://{HASH}", "", None, None),
        (f"sha1://{HASH}/a.txt", "a.txt", None, None),
        (f"sha1://{HASH}/folder/a b.txt", "folder/a b.txt", None, None),
        (f"sha1://{HASH.upper()}/a.txt", "a.txt", None, None),
        (f"sha1://{HASH}.json", "", None, None),
        (f"sha1://{HASH}/a.txt?manifest={OTHER}", "a.txt", OTHER, None),
        (f"sha1://{HASH}?manifest={OTHER}&other=1", "", OTHER, None),
        (f"sha1://{HASH}?chunkOf={OTHER}~0~20000000", "", None, (OTHER, 0, 20_000_000)),
    ],
)
def test_every_published_form_is_read(text: str, label: str | None, manifest: str | None, chunk: Any) -> None:
    uri = parse_uri(text)
    assert uri.sha1 == HASH
    assert uri.label == label
    assert uri.manifest == manifest
    assert (uri.chunk and (uri.chunk.parent, uri.chunk.start, uri.chunk.end)) == chunk


@pytest.mark.parametrize(
    "text",
    [
        "", "sha1://", "md5://" + HASH, HASH, f"sha1://{HASH[1:]}", f"sha1://{HASH}0", f"sha1://{'g' * 40}",
        f"sha1://{HASH}?manifest=1", f"sha1://{HASH}?chunkOf={OTHER}~0", f"sha1://{HASH}?chunkOf={OTHER}~5~4",
        f"sha1://{HASH}?chunkOf={OTHER}~0~1000000001", f"sha1://{HASH}?chunkOf={OTHER}~0~{'9' * 5000}",
        f"sha1://{HASH}?chunkOf={OTHER}~{2**63 - 1}~{2**63}", f"sha1://{HASH}?chunkOf={OTHER}~0~{ARABIC_ZERO}",
        f"sha1://{HASH}?chunkOf={OTHER}~-1~4", f"sha1://{HASH}\n", f"sha1://{ARABIC_ZERO * 40}",
    ],
)  # fmt: skip
def test_what_is_no_uri_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadRequest) as failure:
        parse_uri(text)
    assert text in str(failure.value)


def test_file_keys_are_those_of_the_api() -> None:
    assert parse_uri(f"sha1://{HASH}/x?manifest={OTHER}").file_key == {"sha1": HASH, "manifestSha1": OTHER}
    assert parse_uri(f"sha1://{HASH}?chunkOf={OTHER}~1~2").file_key == {
        "sha1": HASH,
        "chunkOf": {"fileKey": {"sha1": OTHER}, "startByte": 1, "endByte": 2},
    }


def test_writing_and_reading_again_changes_nothing() -> None:
    for text in (f"sha1://{HASH}/a?manifest={OTHER}", f"sha1://{HASH}?chunkOf={OTHER}~1~2", f"sha1://{HASH}"):
        assert str(parse_uri(text)) == text


VECTORS = json.loads((Path(__file__).parents[2] / "Tests/Vectors/uris.json").read_text())


@pytest.mark.parametrize("entry", VECTORS, ids=lambda entry: entry["uri"])
def test_the_corpus_means_the_same_here_as_in_the_daemon(entry: dict[str, Any]) -> None:
    if "sha1dir" in entry:
        sha1, path = parse_directory_uri(entry["uri"])
        assert sha1 == entry["sha1dir"] and [name for name in path.split("/") if name] == entry["path"]
        return
    uri = parse_uri(entry["uri"])
    assert (uri.sha1, uri.label, uri.manifest) == (entry["sha1"], entry["label"], entry.get("manifest"))
    chunk = (entry["chunkOf"], entry["start"], entry["end"]) if "chunkOf" in entry else None
    assert uri.chunk == chunk
