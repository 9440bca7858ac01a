"""Arrays in the .npy format, written only if they will be read back unchanged."""

from __future__ import annotations

from typing import IO, Any

import numpy as np

from ._errors import BadContent, BadRequest
from ._remedies import has_labels, instead_of, is_foreign, kind_of

# numpy.load refuses a longer header (max_header_size), such as that of a type with hundreds of fields.
_LONGEST_HEADER = 10_000
_MAGIC = b"\x93NUMPY"
_PADDING = 128  # the most that a header has beyond its text
_PLAIN_SUBCLASSES = ("ndarray", "memmap", "matrix", "recarray", "chararray")
_PLAIN = (bool, int, float, complex, str, bytes, list, tuple, range)


def save(array: Any, file: IO[bytes]) -> None:
    """Writes an array. Raises if it would be read as a different one."""
    values = _values(array)
    if values.dtype.hasobject or is_foreign(values.dtype):
        raise BadRequest(
            f"A {kind_of(values)} cannot be stored with store_npy: its elements could not be read back; "
            f"{instead_of(values)}."
        )
    _check_header(values)
    np.save(file, values, allow_pickle=False)


def load(path: str, mmap_mode: str | None) -> np.ndarray[Any, Any]:
    """Reads an array. Raises for an array of Python objects."""
    with open(path, "rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise BadContent("This file is not an array in the .npy format; load it as what it was stored.")
    try:
        array: np.ndarray[Any, Any] = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)  # type: ignore[arg-type]
    except (ValueError, EOFError, OverflowError, MemoryError, SyntaxError, TypeError) as error:
        # NumPy's own message suggests a switch that would run code from the file.
        if "allow_pickle" in str(error):
            raise BadContent(
                "This array contains Python objects, which could run code when they are loaded; ask its author for "
                "numbers, text or times."
            ) from None
        raise BadContent(f"This array cannot be read: {error}.") from error
    return array


def _values(array: Any) -> np.ndarray[Any, Any]:
    """The array to write, which contains everything that the argument contains."""
    if isinstance(array, np.ndarray):
        kind = type(array)
        if kind.__module__.partition(".")[0] == "numpy" and kind.__name__ in _PLAIN_SUBCLASSES:
            return array
    elif isinstance(array, _PLAIN) and not isinstance(array, np.generic):
        return _array_of(array)
    elif hasattr(array, "__array__") and not has_labels(array):
        values: np.ndarray[Any, Any] = np.asarray(array)  # a NumPy scalar or a tensor
        return values
    raise BadRequest(
        f"A {kind_of(array)} cannot be stored with store_npy, which keeps values only; {instead_of(array)}."
    )


def _array_of(value: Any) -> np.ndarray[Any, Any]:
    """The array of a number, a text or nested lists. Raises if that changes an element: [1, 'a'] becomes ['1', 'a']."""
    array: np.ndarray[Any, Any]
    try:
        array = np.asarray(value)
        given = np.empty(array.shape, object)
        given[...] = value
        given = given.ravel()
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRequest(f"This {kind_of(value)} is not an array ({error}); use store_json or store_pkl.") from error
    if array.dtype.hasobject:
        raise BadRequest(
            f"This {kind_of(value)} is not an array of numbers, text or times; use store_json or store_pkl."
        )
    flat = array.ravel()
    for index, (element, kept) in enumerate(
        zip(given.tolist(), flat.tolist() if array.dtype.kind in "biufc" else flat)
    ):
        if element != kept and element == element:
            raise BadRequest(
                f"This cannot be stored as an array: element {index}, {element!r}, would become {kept!r}; first "
                "make it an array of the type that you want."
            )
    return array


def _check_header(array: np.ndarray[Any, Any]) -> None:
    try:
        description = np.lib.format.dtype_to_descr(array.dtype)  # type: ignore[no-untyped-call]
        dtype = np.lib.format.descr_to_dtype(description)  # type: ignore[no-untyped-call]
    except (TypeError, ValueError) as error:
        raise BadRequest(f"A {kind_of(array)} cannot be stored with store_npy: {error}; use store_pkl.") from error
    if dtype != array.dtype or dtype.fields != np.dtype(array.dtype).fields:
        raise BadRequest(
            f"A {kind_of(array)} cannot be stored with store_npy, which would change its type; use store_pkl."
        )
    header = repr({"descr": description, "fortran_order": array.flags.f_contiguous, "shape": array.shape})
    if len(header) + _PADDING > _LONGEST_HEADER:
        raise BadRequest(
            "The type of this array has more fields than readers of the .npy format take; use store_pkl, or "
            f"{instead_of(array)}."
        )
