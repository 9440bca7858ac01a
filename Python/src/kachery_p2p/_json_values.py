"""Values that survive JSON: a value that would load as a different one is refused, with its place.

As in the published clients, tuples become lists, named tuples become objects, and keys of dicts become strings.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, NoReturn, Optional, Tuple

from ._errors import BadRequest
from ._remedies import instead_of, is_array, kind_of

_EXACT = 2**53  # every integer up to this one is a double
_MOST_DIGITS = 4300  # the longest integer that Python parses
_TOO_LONG = 10**_MOST_DIGITS
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\Z")


class Purpose(NamedTuple):
    """What a value is for, which decides what it may contain."""

    action: str
    integers: str = "any"  # "any", "double" (must not exceed a double), or "exact" (must equal a double)
    is_for_daemon: bool = True  # the daemon reads UTF-8, which has no lone surrogates


FILE = Purpose("stored as JSON", is_for_daemon=False)
VALUE = Purpose("kept as a value", "double")
KEY = Purpose("part of a key", "exact")
MESSAGE = Purpose("part of a message", "exact")
SUBFEED_NAME = Purpose("part of a subfeed's name", is_for_daemon=False)
ARGUMENT = Purpose("an argument", is_for_daemon=False)

# The place of a value: the place of its container, and its key or index in it.
_Place = Optional[Tuple[Any, Any]]


def plain(value: Any, purpose: Purpose) -> Any:
    """The value as None, bools, numbers, strings, lists, and dicts with string keys, all of which survive JSON.

    Raises ``BadRequest`` with the place of a value that does not survive, the reason, and what to use instead.
    """
    try:
        return value if _is_plain_already(value) else _plain(value, purpose, None)
    except RecursionError as error:
        raise BadRequest(
            f"This cannot be {purpose.action}: its lists or dicts contain themselves, or are nested too deeply."
        ) from error


def _is_plain_already(value: Any) -> bool:
    """Whether no part of the value needs conversion or a closer look. Fast, and true for nearly all values."""
    kind = type(value)
    if kind is dict:
        return _are_plain_names(value) and _are_plain(value.values())
    return _are_plain(value if kind is list else (value,))


def _are_plain(values: Iterable[Any]) -> bool:
    # One loop without a call per value: there may be millions.
    for value in values:
        kind = type(value)
        if kind is float:
            if value - value != 0.0:  # NaN and infinities
                return False
        elif kind is str:
            if not value.isascii() and _SURROGATE.search(value):
                return False
        elif kind is int:
            if not -_EXACT <= value <= _EXACT:
                return False
        elif kind is dict:
            if not (_are_plain_names(value) and _are_plain(value.values())):
                return False
        elif kind is list:
            if not _are_plain(value):
                return False
        elif value is not None and kind is not bool:
            return False
    return True


def _are_plain_names(names: Iterable[Any]) -> bool:
    try:
        return "".join(names).isascii()
    except TypeError:
        return False


def _plain(value: Any, purpose: Purpose, place: _Place) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _string(value, purpose, place)
    if isinstance(value, int):
        return _integer(value, purpose, place)
    if isinstance(value, float):
        return _float(value, purpose, place)
    if isinstance(value, dict):
        return _object(value, purpose, place)
    if isinstance(value, tuple) and callable(getattr(value, "_asdict", None)):
        return _object(value._asdict(), purpose, place)  # type: ignore[attr-defined]
    if isinstance(value, (list, tuple)):
        return _array(value, purpose, place)
    return _number(value, purpose, place)


def _array(values: Sequence[Any], purpose: Purpose, place: _Place) -> list[Any]:
    return [_plain(value, purpose, (place, index)) for index, value in enumerate(values)]


def _object(members: dict[Any, Any], purpose: Purpose, place: _Place) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in members.items():
        name = key if type(key) is str and key.isascii() else _name(key, purpose, place)
        if name in result:
            twins = [repr(other) for other in members if _name(other, purpose, place) == name]
            _refuse(
                purpose,
                place,
                f"its keys {' and '.join(twins)} become the same JSON name, {name!r}; make all keys strings",
            )
        result[name] = _plain(value, purpose, (place, name))
    return result


def _name(key: Any, purpose: Purpose, place: _Place) -> str:
    """A key as JSON writes it."""
    if isinstance(key, str):
        return _string(key, purpose, (place, key))
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, float):
        return float.__repr__(_float(key, purpose, (place, str(key))))
    if isinstance(key, int):
        return int.__repr__(_integer(key, purpose._replace(integers="any"), (place, "…")))
    np = sys.modules.get("numpy")
    if np is not None and isinstance(key, np.generic) and key.dtype.kind in "biuf":
        return _name(_number(key, purpose, (place, str(key))), purpose, place)
    _refuse(purpose, place, f"its key {_cut(repr(key))} is a {kind_of(key)}; make all keys strings")


def _string(value: str, purpose: Purpose, place: _Place) -> str:
    if not value.isascii():
        if purpose.is_for_daemon and _SURROGATE.search(value):
            _refuse(
                purpose, place, "the text contains half of a surrogate pair, which is not a character; leave it out"
            )
        if _SURROGATE_PAIR.search(value):
            _refuse(purpose, place, "the text contains a character as two surrogates; replace them by one character")
    return value


def _integer(value: int, purpose: Purpose, place: _Place) -> int:
    if not -_TOO_LONG < value < _TOO_LONG:
        _refuse(purpose, place, f"the integer has more than {_MOST_DIGITS} digits; write it as hex(x)")
    if purpose.integers == "any" or -_EXACT <= value <= _EXACT:
        return value
    try:
        double = float(value)
    except OverflowError:
        _refuse(purpose, place, f"the integer {_cut(int.__repr__(value))} exceeds 1.8e308; write it as str(x)")
    if purpose.integers == "exact" and _decimal(double) != value:
        _refuse(
            purpose,
            place,
            f"the integer {_cut(int.__repr__(value))} would become {_cut(str(_decimal(double)))}; write it as str(x)",
        )
    return value


def _decimal(double: float) -> int:
    """The integer that canonical JSON writes for a double: its shortest digits, then zeros."""
    from decimal import Decimal

    return int(Decimal(repr(double)))


def _float(value: float, purpose: Purpose, place: _Place) -> float:
    if not math.isfinite(value):
        _refuse(purpose, place, f"JSON has no {float.__repr__(value)}; use None or a string")
    return value


def _number(value: Any, purpose: Purpose, place: _Place) -> Any:
    """A NumPy scalar as a Python number."""
    np = sys.modules.get("numpy")
    if np is not None and isinstance(value, np.generic) and type(value).__module__ == "numpy":
        kind = value.dtype.kind
        if kind == "b":
            return bool(value)
        if kind in "iu":
            return _integer(int(value), purpose, place)
        if kind == "f":
            number = float(value)
            if number != value and number == number:
                _refuse(purpose, place, f"{value!r} has more digits than a float; use float(x) or str(x)")
            return _float(number, purpose, place)
    if is_array(value) and purpose is FILE:
        _refuse(purpose, place, f"it is a {kind_of(value)}; use x.tolist(), or store it with store_npy")
    if is_array(value):
        _refuse(purpose, place, f"it is a {kind_of(value)}; use x.tolist(), or store_npy and the URI")
    _refuse(purpose, place, f"it is a {kind_of(value)}; {instead_of(value)}")


def _refuse(purpose: Purpose, place: _Place, reason: str) -> NoReturn:
    raise BadRequest(f"The value at {_path(place)} cannot be {purpose.action}: {reason}.")


def _path(place: _Place) -> str:
    """The place in the usual notation: ``$.a[3]``."""
    parts: list[str] = []
    while place is not None:
        place, key = place
        if isinstance(key, str) and _PLAIN_NAME.match(key):
            parts.append(f".{key}")
        else:
            parts.append(f"[{ascii(key) if isinstance(key, str) else key}]")
    return "$" + "".join(reversed(parts))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:50]}…"
