"""Values come back unchanged, or are refused with a remedy: tables of values, for both packages."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import json
import math
import pathlib
import random
import warnings
from pathlib import Path
from typing import Any, Callable, NamedTuple

import numpy as np
import pytest

import kachery_client
import kachery_p2p as kp
from kachery_p2p import _remedies

CLIENTS = pytest.mark.parametrize("client", [kp, kachery_client], ids=lambda client: client.__name__)


class Point(NamedTuple):
    x: Any
    y: Any


with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    MATRIX = np.matrix([[1, 2]])
masked_array: Callable[..., Any] = np.ma.array
RECORDS = np.rec.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")])


class Level(enum.IntEnum):
    HIGH = 3


class Color(str, enum.Enum):
    RED = "red"


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal and of equal types, NaN and the sign of zero included."""
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray):
        order = left.flags.fnc == right.flags.fnc
        return same_type(left.dtype, right.dtype) and left.shape == right.shape and order and same_elements(left, right)
    if isinstance(left, np.generic):
        return same_type(left.dtype, right.dtype) and bool(left.tobytes() == right.tobytes())
    if isinstance(left, float):
        return repr(left) == repr(right)
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(same(*pair) for pair in zip(left, right))
    return bool(left == right)


def same_type(left: Any, right: Any) -> bool:
    return bool(left == right and left.names == right.names and left.fields == right.fields)


def same_elements(left: Any, right: Any) -> bool:
    if left.dtype.names is not None:
        return all(same_elements(left[name], right[name]) for name in left.dtype.names)
    return bool(left.tobytes() == right.tobytes())


# JSON

EXACT_JSON = [
    None, True, False, 0, 1, -1, 2**53, 2**53 + 1, 2**63, 10**400, 1.0, -0.0, 0.1, 1e16, 1e22, 5e-324, 1.7e308, "",
    "größer ✓", "\u2028\0\x7f", "\U0001f600", "\ud800", "\udcff.txt", [], {}, [[1, [2.0]]],
    {"a": {"b": [None, True]}, "": 1}, {"z": 1, "a": 2}, [1.0, 1, True],
]  # fmt: skip


@CLIENTS
@pytest.mark.parametrize("value", EXACT_JSON, ids=ascii)
def test_json_comes_back_equal_and_of_the_same_type(offline: Path, client: Any, value: Any) -> None:
    assert same(client.load_json(client.store_json(value)), value)


CONVERTED: list[tuple[Any, Any]] = [
    ((1, (2,)), [1, [2]]), (Point(1, 2.0), {"x": 1, "y": 2.0}),
    ([Point(1, Point(2, 3))], [{"x": 1, "y": {"x": 2, "y": 3}}]),
    ({False: 0, None: 1, 1.5: 2, 7: 3}, {"false": 0, "null": 1, "1.5": 2, "7": 3}), (Level.HIGH, 3), (Color.RED, "red"),
    (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
]  # fmt: skip
NUMPY_SCALARS = [
    (np.int64(-5), -5), (np.uint64(2**64 - 1), 2**64 - 1), (np.bool_(True), True), (np.float64(1.0), 1.0),
    (np.float16(0.5), 0.5), (np.float32(0.1), 0.10000000149011612), (np.str_("x"), "x"), ([np.int8(1)], [1]),
    ({np.int64(1): 2}, {"1": 2}), (np.longdouble(0.5), 0.5),
]  # fmt: skip


@CLIENTS
@pytest.mark.parametrize(("value", "expected"), CONVERTED + NUMPY_SCALARS, ids=ascii)
def test_what_json_has_no_type_for_comes_back_as_the_published_clients_had_it(
    offline: Path, client: Any, value: Any, expected: Any
) -> None:
    assert same(client.load_json(client.store_json(value)), expected)


REFUSED_JSON = [
    (float("nan"), "$", "None"), ([0, math.inf], "$[1]", "None"), ({"a": [-math.inf]}, "$.a[0]", "None"),
    ({1: "a", "1": "b"}, "$", "make all keys strings"), ({"x": [{True: 1, "true": 2}]}, "$.x[0]", "strings"),
    ({None: 1, "null": 2}, "$", "strings"), ({1.0: 1, "1.0": 2}, "$", "strings"), ({(1, 2): 3}, "$", "strings"),
    ({float("nan"): 1}, "$.nan", "None"), ({"a": decimal.Decimal("1.10")}, "$.a", "str(x)"), ([b"x"], "$[0]", "decode"),
    ({1, 2}, "$", "sorted(x)"), (frozenset(), "$", "sorted(x)"), (1j, "$", "x.real"),
    (np.complex64(1j), "$", "x.item()"), (np.arange(3), "$", "x.tolist()"), ({"a": np.zeros(())}, "$.a", "store_npy"),
    (np.float64("nan"), "$", "None"), (np.float32("inf"), "$", "None"), (np.datetime64("2020-01-01"), "$", "str(x)"),
    (np.timedelta64(3, "s"), "$", "str(x)"),
    (datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), "$", "isoformat"), (pathlib.Path("x"), "$", "str(x)"),
    (object(), "$", "plain data"), ({"a b": {"ü": [object()]}}, "$['a b']['\\xfc'][0]", "plain data"),
    ("\ud83d\ude00", "$", "one character"), (10**4300, "$", "hex(x)"), (bytearray(b"x"), "$", "bytes(x)"),
    (range(3), "$", "list(x)"), (np.longdouble(1) / 3, "$", "float(x)"), (np.array([object()]), "$", "x.tolist()"),
    (masked_array([1.0]), "$", "x.tolist()"),
]  # fmt: skip


@CLIENTS
@pytest.mark.parametrize(("value", "place", "remedy"), REFUSED_JSON, ids=lambda value: type(value).__name__)
def test_what_json_cannot_hold_is_refused_with_its_place_and_a_remedy(
    offline: Path, client: Any, value: Any, place: str, remedy: str
) -> None:
    with pytest.raises(kp.BadRequest) as refusal:
        client.store_json(value)
    assert f"at {place} " in str(refusal.value) and remedy in str(refusal.value)
    assert not (offline / "sha1").exists() or not any((offline / "sha1").rglob("*/*/*/*"))


def test_json_that_holds_itself_is_refused(offline: Path) -> None:
    deep: list[Any] = []
    own: dict[str, Any] = {}
    own["a"] = own
    for _ in range(100_000):
        deep = [deep]
    for value in (own, deep):
        with pytest.raises(kp.BadRequest, match="nested too deeply"):
            kp.store_json(value)


@pytest.mark.parametrize("form", [{"separators": (";", ":")}, {"separators": ("", ":")}, {"indent": "--"}], ids=ascii)
def test_a_form_that_is_no_json_is_refused(offline: Path, form: Any) -> None:
    with pytest.raises(kp.BadRequest):
        kp.store_json([1, 2], **form)


@pytest.mark.parametrize(
    "form", [{"separators": (" , ", ": ")}, {"indent": 2}, {"indent": "\t"}, {"separators": None}], ids=ascii
)
def test_the_form_is_the_callers(offline: Path, form: Any) -> None:
    value = {"a": [1, (2.0,)]}
    assert kp.load_text(kp.store_json(value, **form)) == json.dumps(value, **{"separators": (",", ":"), **form})


@pytest.mark.parametrize("seed", range(30))
def test_random_json_comes_back_or_is_refused(offline: Path, seed: int) -> None:
    value = random_value(random.Random(seed), 0)
    try:
        uri = kp.store_json(value)
    except kp.BadRequest:
        return
    assert same(kp.load_json(uri), json.loads(json.dumps(value)))


def random_value(random: random.Random, depth: int) -> Any:
    numbers = [random.getrandbits(80), -random.getrandbits(54), random.uniform(-1e20, 1e20)]
    leaves = [None, True, *numbers, "a", "ü", "\ud800", (1,)]
    if depth == 4 or random.random() < 0.3:
        return math.nan if random.random() < 0.01 else random.choice(leaves)
    values = [random_value(random, depth + 1) for _ in range(random.randint(0, 4))]
    keys: list[Any] = [random.choice(["a", "b", "1", "null", 1, None, True, 2.5]) for _ in values]
    return values if random.random() < 0.5 else dict(zip(keys, values))


# Text


@CLIENTS
@pytest.mark.parametrize("text", ["", "a\r\nb\rc\n", "\ufeffx", "\0", "größer ✓ \U0001f600", "\u2028"], ids=ascii)
def test_text_comes_back_letter_by_letter(offline: Path, client: Any, text: str) -> None:
    assert client.load_text(client.store_text(text)) == text


@CLIENTS
@pytest.mark.parametrize(
    ("value", "word"), [("a\ud800", "character 1"), (b"x", "decode"), (None, "not text"), (1, "store_json")], ids=ascii
)
def test_what_is_no_text_is_refused(offline: Path, client: Any, value: Any, word: Any) -> None:
    with pytest.raises(kp.BadRequest, match=word):
        client.store_text(value)


# Arrays

TITLED: np.dtype[Any] = np.dtype([(("a title", "a"), "<i4"), ("b", ">f8", (2,))])
ALIGNED: np.dtype[Any] = np.dtype([("a", "i1"), ("b", "f8")], align=True)
OVERLAPPING: np.dtype[Any] = np.dtype({"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2], "itemsize": 8})
NO_TEXT = np.zeros(2, [("a", "U0"), ("b", "i4")])["a"]

ARRAYS = [
    np.arange(6, dtype=np.int16).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array(5),
    np.zeros((0, 3)), np.zeros((2, 0, 3), order="F"), np.array([True, False]), np.array(["a", "größer\0x", ""]),
    np.array([b"x", b"\xff"]), np.array([b"\0a"], "V2"), np.arange(3, dtype=">i2"), np.array([1, np.nan, -0.0], ">f4"),
    np.zeros(2, np.float16), np.zeros(2, np.longdouble), np.array([1 + 2j, np.nan]),
    np.array(["2020-01-01", "NaT"], "M8[ns]"), np.array([1, 2], "m8[25us]"), np.array(["NaT"], "M8"),
    np.array([1], "m8"), np.zeros(2, TITLED), np.ones(2, ALIGNED),
    np.array([((1, "ü"), 2.5)], [("a", [("b", ">i4"), ("c", "U3")]), ("größe", "f8")]), np.zeros(2, []),
    np.zeros((), TITLED), np.zeros(3, "V0"), np.array(["\ud800"]), NO_TEXT,
]  # fmt: skip


def described(value: Any) -> str:
    return f"{type(value).__name__}-{getattr(value, 'dtype', '')}-{getattr(value, 'shape', '')}"


@CLIENTS
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("array", ARRAYS, ids=described)
def test_arrays_come_back_with_values_type_shape_and_order(offline: Path, client: Any, array: Any) -> None:
    assert same(client.load_npy(client.store_npy(array)), array)
    loaded = client.load_pkl(client.store_pkl({"a": [array, array]}))["a"]
    assert same(loaded[0], array) and loaded[0] is loaded[1]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("array", ARRAYS, ids=described)
def test_arrays_are_mapped_as_they_were(offline: Path, array: Any) -> None:
    assert same(np.asarray(kp.load_npy(kp.store_npy(array), mmap_mode="r")), array)


def test_views_come_back_with_their_values(offline: Path) -> None:
    array = np.arange(24).reshape(4, 6)
    for view in (array[::2, ::-1], array[:, 1], np.broadcast_to(np.arange(3), (2, 3)), array.T[1:]):
        for loaded in (kp.load_npy(kp.store_npy(view)), kp.load_pkl(kp.store_pkl(view))):
            assert loaded is not None and np.array_equal(loaded, view) and loaded.dtype == view.dtype


def test_subclasses_that_add_nothing_to_the_values_come_back_as_arrays(offline: Path, tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "mapped", np.float32, "w+", shape=(2, 3))
    mapped[:] = 1.5
    for array in (mapped, MATRIX):
        assert same(kp.load_npy(kp.store_npy(array)), np.array(array))
    assert same(kp.load_npy(kp.store_npy(RECORDS)), np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]))


@CLIENTS
@pytest.mark.parametrize(
    "value", [[1, 2], [[1.5], [2]], 3, 2.5, True, "text", (1, 2), np.float32(1.5), [], ["a", "b"]], ids=ascii
)
def test_what_is_not_an_array_yet_is_stored_as_the_array_that_it_makes(offline: Path, client: Any, value: Any) -> None:
    assert same(client.load_npy(client.store_npy(value)), np.asarray(value))


class Table:
    """Like a pandas table: it converts to an array, but contains more."""

    columns = ("a",)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        values: np.ndarray[Any, Any] = np.zeros(2)
        return values


class Quantity(np.ndarray[Any, Any]):
    """Like an array with a unit."""


MASKED = masked_array([1, 2], mask=[0, 1])
REFUSED_ARRAYS = [
    (MASKED, "x.mask"), (MASKED[1], "x.mask"), (np.array([object(), 1]), "astype"),
    (np.array([(1, "x")], "i4,O"), "astype"), (np.zeros(2).view(Quantity), "asarray"), (Table(), "plain data"),
    ([1, "a"], "element 0"), ([2**53 + 1, 0.5], "element 0"), (["a\0"], "element 0"), (None, "store_pkl"),
    ({"a": 1}, "store_pkl"), ({1}, "sorted(x)"), (decimal.Decimal(1), "str(x)"), ([[1], [2, 3]], "store_json"),
    (2**70, "store_pkl"), (np.zeros(2, OVERLAPPING), "store_pkl"),
    (np.zeros(1, [(f"field{n}", "f8") for n in range(1000)]), "store_pkl"),
]  # fmt: skip


@CLIENTS
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("value", "remedy"), REFUSED_ARRAYS, ids=lambda value: value if isinstance(value, str) else described(value)
)
def test_what_the_npy_format_does_not_keep_is_refused(offline: Path, client: Any, value: Any, remedy: str) -> None:
    with pytest.raises(kp.BadRequest) as refusal:
        client.store_npy(value)
    assert remedy in str(refusal.value), str(refusal.value)


# Pickles

PLAIN: list[Any] = [
    None, True, 2**70, -0.0, math.inf, 1 - 0j, "größer \ud800", b"\x00\xff", range(2**70), [[], ()], ((1,), [2]),
    {(1, "a"): {2}}, frozenset({(1, frozenset())}), {1: "a", "1": "b", None: [1.0]},
]  # fmt: skip
PICKLED = [
    slice(np.int64(1), (np.float32(2), [3])), np.str_(""), np.bytes_(b""), np.float64("nan"), np.longdouble(1) / 3,
    np.zeros(1, TITLED)[0], np.datetime64("NaT"), np.timedelta64(5, "25us"), np.zeros(2, OVERLAPPING),
    np.zeros(1, [(f"field{n}", "f8") for n in range(1000)]), np.void(b"abc"), {np.int64(3): np.arange(3)},
]  # fmt: skip


@CLIENTS
@pytest.mark.parametrize("value", PLAIN, ids=ascii)
def test_plain_data_comes_back_equal_and_of_the_same_type(offline: Path, client: Any, value: Any) -> None:
    assert same(client.load_pkl(client.store_pkl(value)), value)


@CLIENTS
@pytest.mark.parametrize("value", PICKLED, ids=described)
def test_what_numpy_has_comes_back_in_a_pickle(offline: Path, client: Any, value: Any) -> None:
    loaded = client.load_pkl(client.store_pkl([value]))[0]
    if isinstance(value, slice):
        assert same((loaded.start, loaded.stop), (value.start, value.stop))
    elif isinstance(value, dict):
        assert list(loaded) == [3] and type(next(iter(loaded))) is np.int64 and same(loaded[3], value[3])
    else:
        assert same(loaded, value)


REFUSED_PICKLES = [
    (MASKED, "x.mask"), (MATRIX, "asarray"), (np.zeros(2).view(Quantity), "asarray"), (np.array([object()]), "astype"),
    (RECORDS, "x['name']"), (RECORDS[0], "x.item()"), (RECORDS.view(np.ndarray), "x['name']"),
    (Point(1, 2), "x._asdict()"), (Level.HIGH, "x.value"), (bytearray(b"x"), "bytes(x)"),
    (decimal.Decimal(1), "str(x)"), (datetime.date(2020, 1, 1), "isoformat"), (Table(), "plain data"),
    (collections.OrderedDict(), "dict(x)"), (np.dtype("i4"), "plain data"), (np.float64, "plain data"),
    (..., "plain data"), (np.zeros(2, np.dtype("i4", metadata={"a": Table})), "could not be read back"),
    (pathlib.Path("x"), "str(x)"),
]  # fmt: skip


@CLIENTS
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("value", "remedy"), REFUSED_PICKLES, ids=lambda value: value if isinstance(value, str) else described(value)
)
def test_what_would_not_be_unpickled_is_not_pickled(offline: Path, client: Any, value: Any, remedy: str) -> None:
    for holder in (value, [(value,)], {"a": {"b": value}}):
        with pytest.raises(kp.BadRequest) as refusal:
            client.store_pkl(holder)
        assert remedy in str(refusal.value), str(refusal.value)


def test_a_memmap_is_refused_in_a_pickle_with_what_to_use(offline: Path, tmp_path: Path) -> None:
    with pytest.raises(kp.BadRequest, match="asarray"):
        kp.store_pkl(np.memmap(tmp_path / "mapped", np.float32, "w+", shape=3))


def nested(levels: int, kind: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = kind(value)
    return value


NESTED: dict[str, Callable[[Any], Any]] = {
    "list": lambda value: [value],
    "tuple": lambda value: (value,),
    "dict": lambda value: {"a": value},
    "frozenset": lambda value: frozenset([value]),
    "slice": slice,
}


@pytest.mark.parametrize("kind", NESTED.values(), ids=NESTED.keys())
def test_what_is_nested_comes_back_or_is_refused(offline: Path, kind: Callable[[Any], Any]) -> None:
    assert repr(kp.load_pkl(kp.store_pkl(nested(150, kind)))) == repr(nested(150, kind))
    for levels in (201, 5000):
        with pytest.raises(kp.BadRequest, match="nested deeper"):
            kp.store_pkl(nested(levels, kind))


def test_what_holds_itself_is_refused_and_what_stands_often_is_looked_at_once(offline: Path) -> None:
    own: list[Any] = []
    own.append((own,))
    with pytest.raises(kp.BadRequest, match="itself"):
        kp.store_pkl(own)
    shared: list[Any] = [1.5]
    for _ in range(60):
        shared = [shared, shared]
    loaded = kp.load_pkl(kp.store_pkl(shared))
    assert loaded[0] is loaded[1]


def test_a_path_is_named_as_programs_import_it() -> None:
    """Python 3.13 defines paths in a private module."""
    path = type("PosixPath", (), {"__module__": "pathlib._local"})()
    assert _remedies.kind_of(path) == "pathlib.PosixPath"
    assert _remedies.instead_of(path) == "use str(x)"
