"""Calls that needed the cloud service of their time. They exist so that programs that import them still start."""

from __future__ import annotations

from typing import Any, Callable, NoReturn, TypeVar

from kachery_p2p import KacheryError

F = TypeVar("F", bound=Callable[..., Any])

_CHANNELS = "Join a channel instead (kachery-p2p-join-channel). Its other nodes can then load what this node stores."
_JOBS = "Use kachery_p2p.jobs instead, which runs functions over feeds."
_LOCAL = "Start a daemon (kachery-p2p-start-daemon), or set KACHERY_OFFLINE_STORAGE_DIR to work without one."


class CloudServiceDiscontinued(KacheryError):
    """The call needs a cloud service that no longer exists.

    Example:
        >>> try:
        ...     kc.upload_file("recording.dat")
        ... except kc.CloudServiceDiscontinued as error:
        ...     print(error.code)
        discontinued
    """

    code = "discontinued"


def _gone(name: str, remedy: str) -> Callable[..., NoReturn]:
    def call(*_: Any, **__: Any) -> NoReturn:
        raise CloudServiceDiscontinued(f"{name} needs the cloud service kacheryhub, which no longer exists. {remedy}")

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"""Always raises, because its cloud service no longer exists. {remedy}

    Example:
        >>> kc.{name}()
        Traceback (most recent call last):
        kachery_client._cloud.CloudServiceDiscontinued: {name} needs ...
    """
    return call


upload_file = _gone("upload_file", _CHANNELS)
upload_json = _gone("upload_json", _CHANNELS)
upload_npy = _gone("upload_npy", _CHANNELS)
upload_pkl = _gone("upload_pkl", _CHANNELS)
upload_text = _gone("upload_text", _CHANNELS)
request_task = _gone("request_task", _JOBS)
run_task_backend = _gone("run_task_backend", _JOBS)
config_ephemeral_node = _gone("config_ephemeral_node", _LOCAL)
setup_colab_ephemeral = _gone("setup_colab_ephemeral", _LOCAL)


class DirectClient:
    """Always raises, because its cloud service no longer exists.

    Example:
        >>> kc.DirectClient()
        Traceback (most recent call last):
        kachery_client._cloud.CloudServiceDiscontinued: DirectClient needs ...
    """

    def __init__(self, *, channel: Any = None) -> None:
        _gone("DirectClient", _LOCAL)()


class EphemeralClient:
    """Always raises, because its cloud service no longer exists.

    Example:
        >>> kc.EphemeralClient()
        Traceback (most recent call last):
        kachery_client._cloud.CloudServiceDiscontinued: EphemeralClient needs ...
    """

    def __init__(self, *, channel: Any = None) -> None:
        _gone("EphemeralClient", _LOCAL)()


def enable_ephemeral(enabled: bool = True) -> None:
    """Raises if ``enabled`` is true, because its cloud service no longer exists.

    Example:
        >>> kc.enable_ephemeral(False)
    """
    if enabled:
        _gone("enable_ephemeral", _LOCAL)()


def taskfunction(function_id: str, *, type: str) -> Callable[[F], F]:
    """Marks a function for ``run_task_backend``. Returns the function unchanged, so it can be called.

    Example:
        >>> @kc.taskfunction("double.1", type="pure-calculation")
        ... def double(x):
        ...     return 2 * x
        >>> double(4)
        8
    """

    def mark(function: F) -> F:
        return function

    return mark
