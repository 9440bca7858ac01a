"""NumPy's arrays, scalars and types in pickles: records of what was written, and the arrays built from them.

NumPy's own ``__setstate__`` is never called, because it trusts its input.
"""

from __future__ import annotations

import math
import sys
from typing import Any, Callable

from ._errors import BadContent

_OLD_MODULE = "numpy.core.multiarray"
_MODULES = (_OLD_MODULE, "numpy._core.multiarray")
_SIMPLE_KINDS = "biufcSUVmM"  # no Python objects


def is_plain(value: Any) -> bool:
    """Whether this is a NumPy array or scalar, no subclass, without Python objects."""
    np = sys.modules.get("numpy")
    if np is None or not (type(value) is np.ndarray or isinstance(value, np.generic)):
        return False
    return not value.dtype.hasobject and type(value).__module__ == "numpy"


def old_name(value: Any) -> tuple[str, str] | None:
    """The module and name under which every version of NumPy unpickles one of its functions."""
    name = getattr(value, "__name__", None)
    is_known = name in ("_reconstruct", "scalar") and getattr(value, "__module__", None) in _MODULES
    return (_OLD_MODULE, str(name)) if is_known else None


class _Record:
    """A NumPy object as the pickle describes it: the arguments of its constructor, and its state."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def value(self, finish: Callable[[Any], Any]) -> Any:
        """The object that this describes. ``finish`` does the same for its parts."""
        raise NotImplementedError


def stand_ins() -> dict[tuple[str, str], Callable[..., Any]]:
    """Replacements for NumPy's names, new at every call."""

    class Dtype(_Record):
        def value(self, finish: Callable[[Any], Any]) -> Any:
            return _dtype(str(self.arguments[0]), self.state, finish)

    class Array(_Record):
        def value(self, finish: Callable[[Any], Any]) -> Any:
            _, shape, dtype, is_fortran, content = self.state
            return _array(finish(dtype), shape, content, bool(is_fortran))

    class Scalar(_Record):
        def value(self, finish: Callable[[Any], Any]) -> Any:
            dtype, content = self.arguments
            return _array(finish(dtype), (), content, False)[()]

    class Slice(_Record):
        def value(self, finish: Callable[[Any], Any]) -> Any:
            return slice(*(finish(argument) for argument in self.arguments))

    class Ndarray:
        """Every pickled array names this type, but none creates one."""

    return {
        ("builtins", "slice"): Slice,
        ("numpy", "dtype"): Dtype,
        ("numpy", "ndarray"): Ndarray,
        **{(module, "_reconstruct"): Array for module in _MODULES},
        **{(module, "scalar"): Scalar for module in _MODULES},
    }


def finish(value: Any) -> Any:
    """The value with every record in it replaced by its array."""
    return _Finisher().finish(value)


class _Finisher:
    def __init__(self) -> None:
        self._done: dict[int, Any] = {}

    def finish(self, value: Any) -> Any:
        """Finishes a value. An object that occurs several times stays one object."""
        if not isinstance(value, (list, dict, tuple, set, frozenset, _Record)):
            return value
        key = id(value)  # stays unique, because the unpickled value keeps all its parts alive until the end
        if key not in self._done:
            self._done[key] = value  # lists and dicts may contain themselves
            self._done[key] = self._make(value)
        return self._done[key]

    def _make(self, value: Any) -> Any:
        if isinstance(value, _Record):
            return value.value(self.finish)
        if isinstance(value, list):
            value[:] = [self.finish(item) for item in value]
        elif isinstance(value, dict):
            items = [(self.finish(key), self.finish(item)) for key, item in value.items()]
            value.clear()
            value.update(items)
        elif isinstance(value, tuple):
            return tuple(self.finish(item) for item in value)
        else:
            return type(value)(self.finish(item) for item in value)
        return value


def _dtype(name: str, state: Any, finish: Callable[[Any], Any]) -> Any:
    """A NumPy type; its state is (version, order, sub-array, names, fields, size, alignment, flags[, metadata])."""
    import numpy as np

    if name[:1] not in _SIMPLE_KINDS and name != "?":
        raise BadContent(f"The pickle contains an array of type '{name}'; only numbers, text and times are read.")
    if state is None:
        return np.dtype(name)
    order, subarray, names, fields = state[1:5]
    if names is not None:
        return _structured(names, {key: (finish(field[0]), *field[1:]) for key, field in fields.items()}, int(state[5]))
    if subarray is not None:
        base, shape = subarray
        return np.dtype((finish(base), tuple(shape)))
    order = order if order in ("<", ">") else "="
    if name[0] in "mM" and len(state) > 8:
        unit, count = state[8][1][0:2]
        if unit == b"generic":
            return np.dtype(f"{order}{name[0]}8")
        return np.dtype(f"{order}{name}[{int(count)}{unit.decode('ascii')}]")
    return np.dtype(f"{order}{name}")


def _structured(names: Any, fields: dict[str, tuple[Any, ...]], size: int) -> Any:
    """A structured type. Each field is (type, offset[, title])."""
    import numpy as np

    description: dict[str, Any] = {
        "names": list(names),
        "formats": [fields[name][0] for name in names],
        "offsets": [fields[name][1] for name in names],
        "itemsize": size,
    }
    titles = [fields[name][2] if len(fields[name]) > 2 else None for name in names]
    if any(titles):
        if not all(title is None or type(title) is str for title in titles):
            raise BadContent("The pickle contains an array with a field title that is not text.")
        description["titles"] = titles
    return np.dtype(description)


def _array(dtype: Any, shape: Any, content: Any, is_fortran: bool) -> Any:
    import numpy as np

    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise BadContent("The pickle contains an array of Python objects; only numbers, text and times are read.")
    if isinstance(content, str):
        content = content.encode("latin1")
    if not isinstance(content, bytes) or len(content) != math.prod(shape) * dtype.itemsize:
        raise BadContent("The pickle contains an array whose bytes do not match its shape.")
    if dtype.itemsize == 0:
        # NumPy turns a zero-length text type into one of length one, except in a field.
        return np.zeros(shape, [("", dtype)])["f0"]
    flat = np.frombuffer(content, dtype)
    # A copy, so that the array is writable.
    return flat.reshape(shape, order="F" if is_fortran else "C").copy(order="K")
