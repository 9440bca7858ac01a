"""Pickles: plain data and arrays come back, and hostile pickles are harmless."""

from __future__ import annotations

import os
import pickle
import random
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Callable

import numpy as np
import pytest

import kachery_p2p as kp
from kachery_p2p import _pickle
from storage_layout import load_path

STRUCTURED: np.dtype[Any] = np.dtype([("time", "<i8"), ("point", ">f8", (2,)), ("name", "U3")])

PLAIN = [
    None, True, 3, 2**70, 1.5, 1 + 2j, "größer ✓", b"\x00\xff", range(1, 9, 2), slice(1, None), [1, [2]], (1, (2,)),
    {"a": {1: [None]}}, {1, 2}, frozenset({3}),
]  # fmt: skip

ARRAYS = [
    np.arange(6, dtype=np.int16).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(10)[::3],
    np.array(5), np.zeros((0, 3)), np.array([True, False]), np.array(["a", "bcd"]), np.array([b"x"]), np.zeros(3, "V5"),
    np.arange(3, dtype=">i2"), np.array(["2020-01-01", "NaT"], "M8[ns]"), np.array([1, 2], "m8[25us]"),
    np.zeros(3, STRUCTURED), np.zeros(2, np.dtype({"names": ["a"], "formats": ["i2"], "offsets": [2], "itemsize": 8})),
]  # fmt: skip

SCALARS = [
    np.float32(3.5), np.int64(-1), np.bool_(True), np.complex64(1j), np.str_("x"), np.datetime64("2020-01-01", "m"),
]  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Iterator[IO[bytes]]:
    with open(tmp_path / "pickle", "w+b") as opened:
        yield opened


def read(file: IO[bytes], content: bytes) -> Any:
    file.write(content)
    file.seek(0)
    return _pickle.load(file)


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_data_comes_back(offline: Path, value: Any) -> None:
    loaded = kp.load_pkl(kp.store_pkl(value))
    assert loaded == value and type(loaded) is type(value)


@pytest.mark.parametrize("value", ARRAYS + SCALARS, ids=lambda value: f"{type(value).__name__}-{value.dtype}")
def test_arrays_come_back_and_are_what_numpy_itself_reads(offline: Path, value: Any) -> None:
    uri = kp.store_pkl({"value": value})
    assert uri.endswith("/file.pkl")
    loaded = kp.load_pkl(uri)["value"]
    assert type(loaded) is type(value) and loaded.dtype == value.dtype and loaded.shape == value.shape
    assert str(loaded) == str(value)
    content = Path(load_path(uri)).read_bytes()
    assert b"numpy._core" not in content, "older versions of NumPy do not know that name"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert str(pickle.loads(content)["value"]) == str(value)


def test_loaded_arrays_can_be_written_to(offline: Path) -> None:
    array = kp.load_pkl(kp.store_pkl(np.zeros(3)))
    array[0] = 1


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_what_the_published_packages_stored_is_read(file: IO[bytes], protocol: int) -> None:
    value = {"a": np.arange(5.0), "b": [1, "x", np.int32(7)]}
    loaded = read(file, pickle.dumps(value, protocol))
    assert np.array_equal(loaded["a"], value["a"]) and loaded["b"] == value["b"]


def test_what_stands_twice_is_one_thing_again(file: IO[bytes]) -> None:
    array = np.arange(3)
    inner: list[Any] = [1]
    inner.append(inner)
    _pickle.dump([array, array], file)
    file.seek(0)
    first, second = _pickle.load(file)
    assert first is second
    file.seek(0)
    loaded = read(file, pickle.dumps(inner))
    assert loaded[1] is loaded


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("exit 1",)


class Own:
    pass


masked_array: Callable[..., Any] = np.ma.array
REFUSED = [
    Malicious(), Own(), len, np.array([object()]), np.array([(1, "x")], "i4,O"), {"a": [Own()]}, {Own(): 1},
    masked_array([1]),
]  # fmt: skip


@pytest.mark.parametrize("value", REFUSED)
def test_anything_else_is_not_stored(offline: Path, value: Any) -> None:
    with pytest.raises(kp.BadRequest):
        kp.store_pkl(value)


def dumped(value: Any) -> bytes:
    return pickle.dumps(value, 4)


HOSTILE = {
    "a call": dumped(Malicious()),
    "a function": b"cos\nsystem\n(S'exit 1'\ntR.",
    "a builtin": b"c__builtin__\neval\n(S'1'\ntR.",
    "an attribute of a known name": b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
    "a class": dumped(Own()),
    "an array of objects": dumped(np.array([1, None], dtype=object)),
    "a set of numbers without end": b"\x80\x04cbuiltins\nset\ncbuiltins\nrange\nI9999999999\n\x85R\x85R.",
    "a memo of gigabytes": b"\x80\x04Nr\xff\xff\xff\xff.",
    "bytes that are not there": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0f.",
    "more bytes than are there": b"\x80\x04B\xff\xff\xff\x7f.",
    "a buffer without end": b"\x80\x05\x96\x00\x00\x00\x00\x10\x00\x00\x00.",
    "nothing": b"",
    "text": b"hello",
    "something outside": b"Pname\n.",
    "deep lists": b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "an array without state": b"\x80\x04cnumpy.core.multiarray\n_reconstruct\n)R.",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_pickles_are_refused_or_harmless(file: IO[bytes], content: bytes) -> None:
    start = time.monotonic()
    with suppress(kp.BadRequest):
        assert read(file, content) is None
    assert time.monotonic() - start < 5


def test_a_pickle_that_breaks_what_it_names_breaks_nothing_else(file: IO[bytes]) -> None:
    # BUILD with a slot state sets attributes of the class that find_class returns.
    with pytest.raises(kp.BadRequest):
        read(file, b"\x80\x04cnumpy.core.multiarray\n_reconstruct\nN}X\x05\x00\x00\x00valueNs\x86b0N\x85.")
    file.seek(0)
    file.truncate()
    assert np.array_equal(read(file, dumped(np.arange(3))), np.arange(3))


def test_damaged_pickles_end_in_an_error_of_ours_or_not_at_all(file: IO[bytes]) -> None:
    generator = random.Random(20261121)
    whole = dumped({"a": np.arange(20.0), "b": [1, "x", (None, {2})], "t": np.array(["2020"], "M8[D]")})
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(generator.randint(1, 3)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        file.seek(0)
        file.truncate()
        with suppress(kp.BadRequest):
            read(file, bytes(damaged))
