"""Pickles of plain data and arrays. No class or function that a pickle names is ever looked up, so none can run.

What NumPy's own pickles say of arrays is read into records, from which the arrays are made here.
"""

from __future__ import annotations

import os
import pickle
from typing import IO, Any, Callable, Dict, List, Tuple

from . import _pickled_arrays
from ._errors import BadRequest, KacheryError

_PLAIN = (type(None), bool, int, float, complex, str, bytes, range)
_CONTAINERS = (list, tuple, dict, set, frozenset)
_PROTOCOL = 4  # what the published packages write, and read


def dump(value: Any, file: IO[bytes]) -> None:
    """Writes plain data and arrays. Anything else is refused."""
    try:
        _check(value)
        _Pickler(file, _PROTOCOL).dump(value)
    except RecursionError as error:
        raise BadRequest("This cannot be stored: its lists or dicts lie too deep in one another.") from error


def load(file: IO[bytes]) -> Any:
    """Reads plain data and arrays. Anything else is refused."""
    try:
        return _pickled_arrays.finish(_Unpickler(file).load())
    except KacheryError:
        raise
    except RecursionError as error:
        raise BadRequest("The pickle cannot be read: its lists or dicts lie too deep in one another.") from error
    except Exception as error:
        # A damaged pickle can end in nearly any exception.
        raise BadRequest(f"The pickle cannot be read: {error or type(error).__name__}.") from error


def _check(value: Any) -> None:
    kind = type(value)
    if kind in _PLAIN:
        return
    if kind is slice:
        _check((value.start, value.stop, value.step))
    elif kind is dict:
        for key, item in value.items():
            _check(key)
            _check(item)
    elif kind in _CONTAINERS:
        for item in value:
            _check(item)
    elif not _pickled_arrays.is_plain(value):
        raise BadRequest(
            f"A {kind.__module__}.{kind.__qualname__} cannot be stored: only plain data (None, bool, int, float, "
            "complex, str, bytes, list, tuple, dict, set, range, slice) and NumPy arrays without Python objects can."
        )


class _Pickler(pickle._Pickler):
    """Writes NumPy's functions under the names that every version of NumPy reads."""

    def save_global(self, value: Any, name: Any = None) -> None:
        old = _pickled_arrays.old_name(value)
        if old is None:
            super().save_global(value, name)  # type: ignore[misc]
            return
        for text in old:
            self.save(text)  # type: ignore[attr-defined]
        self.write(pickle.STACK_GLOBAL)  # type: ignore[attr-defined]
        self.memoize(value)  # type: ignore[attr-defined]


class _Unpickler(pickle._Unpickler):
    """Knows a few names, and none of them from a module.

    The pure one: a memo that a few bytes number up to two billion is a small dict here, and gigabytes in the other.
    """

    dispatch = {code: do for code, do in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]}

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(_Bounded(file))
        # Made anew for each pickle: what one does to them ends with it.
        self._known: Dict[Tuple[str, str], Callable[..., Any]] = {
            **{("builtins", kind.__name__): kind for kind in (range, complex, slice)},
            **{("builtins", kind.__name__): _of_list(kind) for kind in (set, frozenset)},
            ("_codecs", "encode"): _latin1,
            **_pickled_arrays.stand_ins(),
        }

    def find_class(self, module: str, name: str) -> Any:
        known = self._known.get((module, name))
        if known is None:
            raise BadRequest(f"The pickle wants {module}.{name}; only plain data and arrays are read, never code.")
        return known

    def persistent_load(self, _: Any) -> Any:
        raise BadRequest("The pickle refers to something outside itself.")


class _Bounded:
    """A file of which nobody reads more than there is, so that a length that lies reserves no memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._left = os.fstat(file.fileno()).st_size - file.tell()
        self._file = file
        self.readline = file.readline

    def read(self, count: int) -> bytes:
        if not 0 <= count <= self._left:
            raise BadRequest("The pickle is cut short.")
        return self._file.read(count)


def _of_list(kind: Callable[[List[Any]], Any]) -> Callable[[List[Any]], Any]:
    def make(items: List[Any]) -> Any:
        if type(items) is not list:
            raise BadRequest("The pickle holds a set that is made of no list.")
        return kind(items)

    return make


def _latin1(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes."""
    if encoding != "latin1":
        raise BadRequest(f"The pickle holds bytes in the unknown form {encoding!r}.")
    return text.encode("latin1")
