"""Pickles of plain data and arrays. No class or function that a pickle names is ever imported, so none can run.

NumPy's pickles of arrays are read into records, and this package builds the arrays from them.
"""

from __future__ import annotations

import io
import itertools
import os
import pickle
from collections.abc import Iterable
from typing import IO, Any, Callable, ClassVar

from . import _pickled_arrays
from ._errors import BadContent, BadRequest, KacheryError
from ._remedies import instead_of, is_array, kind_of, type_name

_PLAIN = (type(None), bool, int, float, complex, str, bytes, range)
_CONTAINERS = (list, tuple, dict, set, frozenset)
_DEEPEST = 200  # levels; writing and reading a pickle take several Python calls per level
_PROTOCOL = 4  # the protocol that the published packages write and read


def dump(value: Any, file: IO[bytes]) -> None:
    """Writes plain data and arrays. Raises for anything that ``load`` would refuse."""
    _Check().check(value, 0)
    _Pickler(file, _PROTOCOL).dump(value)


def load(file: IO[bytes]) -> Any:
    """Reads plain data and arrays. Raises for anything else."""
    return _load(file, os.fstat(file.fileno()).st_size - file.tell())


def _load(file: IO[bytes], size: int) -> Any:
    try:
        return _pickled_arrays.finish(_Unpickler(file, size).load())
    except KacheryError:
        raise
    except RecursionError as error:
        raise BadContent("The pickle cannot be read: its lists or dicts are nested too deeply.") from error
    except Exception as error:
        # A damaged pickle can raise nearly any exception.
        raise BadContent(f"The pickle cannot be read: {error or type(error).__name__}.") from error


class _Check:
    """Checks that ``_Unpickler`` reads a value unchanged: known types, not nested too deeply."""

    def __init__(self) -> None:
        self._is_checked: dict[int, bool] = {}  # by the identity of a container; false while its items are checked
        self._dtypes: dict[int, tuple[Any, bool]] = {}  # by identity, because equal types may differ in their metadata

    def check(self, value: Any, depth: int) -> None:
        kind = type(value)
        if kind in _PLAIN:
            return
        if kind is slice or kind in _CONTAINERS:
            self._check_container(value, depth)
        elif not _pickled_arrays.is_plain(value):
            raise BadRequest(
                f"A {kind_of(value)} cannot be stored with store_pkl: only plain data (None, bool, int, float, "
                "complex, str, bytes, list, tuple, dict, set, range, slice) and NumPy arrays of numbers, text and "
                f"times can; {instead_of(value)}."
            )
        elif not self._is_read(value.dtype):
            remedy = instead_of(value) if is_array(value) else "use x.item()"
            raise BadRequest(
                f"A {kind_of(value)} cannot be stored with store_pkl: its type {type_name(value.dtype)} could not be "
                f"read back; {remedy}."
            )

    def _check_container(self, value: Any, depth: int) -> None:
        is_checked = self._is_checked.get(id(value))
        if is_checked is True:
            return
        if is_checked is False:
            raise BadRequest("This cannot be stored: one of its lists or dicts contains itself.")
        if depth == _DEEPEST:
            raise BadRequest(f"This cannot be stored: its lists or dicts are nested deeper than {_DEEPEST} levels.")
        self._is_checked[id(value)] = False
        for item in _items(value):
            self.check(item, depth + 1)
        self._is_checked[id(value)] = True

    def _is_read(self, dtype: Any) -> bool:
        """Whether a NumPy type is read as it was written, which is determined by doing both."""
        known = self._dtypes.get(id(dtype))
        if known is None:
            known = self._dtypes[id(dtype)] = (dtype, _is_read(dtype))
        return known[1]


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, slice):
        return (value.start, value.stop, value.step)
    if isinstance(value, dict):
        return itertools.chain(value.keys(), value.values())
    return value  # type: ignore[no-any-return]


def _is_read(dtype: Any) -> bool:
    content = io.BytesIO()
    try:
        _Pickler(content, _PROTOCOL).dump(dtype)
        size = content.tell()
        content.seek(0)
        loaded = _load(content, size)
    except (BadRequest, pickle.PicklingError):
        return False
    return bool(loaded == dtype and loaded.fields == dtype.fields and loaded.names == dtype.names)


class _Pickler(pickle._Pickler):
    """Writes NumPy's functions under the names that every version of NumPy knows."""

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
    """Knows a few names, and imports none of them.

    This is the pure Python unpickler. A few bytes can request memo entry two billion: here the memo is a small dict,
    but in the C unpickler it would be gigabytes.
    """

    dispatch: ClassVar[dict[int, Any]] = {
        code: do for code, do in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]
    }

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__(_Bounded(file, size))
        # New for each pickle, so that no pickle can affect a later one.
        self._known: dict[tuple[str, str], Callable[..., Any]] = {
            **{("builtins", kind.__name__): kind for kind in (range, complex)},
            **{("builtins", kind.__name__): _of_list(kind) for kind in (set, frozenset)},
            ("_codecs", "encode"): _latin1,
            **_pickled_arrays.stand_ins(),
        }

    def find_class(self, module: str, name: str) -> Any:
        known = self._known.get((module, name))
        if known is None:
            raise BadContent(f"The pickle contains {module}.{name}; only plain data and arrays are read, never code.")
        return known

    def persistent_load(self, _: Any) -> Any:
        raise BadContent("The pickle refers to something outside itself.")


class _Bounded:
    """A file that refuses reads beyond its end, so that a false length cannot reserve memory."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._left = size
        self._file = file
        self.readline = file.readline

    def read(self, count: int) -> bytes:
        if not 0 <= count <= self._left:
            raise BadContent("The pickle is cut short.")
        return self._file.read(count)


def _of_list(kind: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    def make(items: list[Any]) -> Any:
        if type(items) is not list:
            raise BadContent("The pickle contains a set that is not made from a list.")
        return kind(items)

    return make


def _latin1(text: str, encoding: str) -> bytes:
    """Stands in for ``codecs.encode``, with which protocol 2 writes bytes."""
    if encoding != "latin1":
        raise BadContent(f"The pickle contains bytes in an unknown encoding, {encoding!r}.")
    return text.encode("latin1")
