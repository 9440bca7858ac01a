"""What needed the cloud service of its time. The names are there, so that programs that import them still start."""

from __future__ import annotations

from typing import Any, Callable, NoReturn, TypeVar

from kachery_p2p import KacheryError

F = TypeVar("F", bound=Callable[..., Any])

_CHANNELS = (
    "Join a channel instead (kachery-p2p-join-channel): what is stored here can then be loaded on its other nodes."
)
_JOBS = "Use kachery_p2p.jobs instead, which runs functions over feeds."
_LOCAL = "Start a daemon (kachery-p2p-start-daemon), or set KACHERY_OFFLINE_STORAGE_DIR to work without one."


class CloudServiceDiscontinued(KacheryError):
    """The call needs a cloud service that is no more."""

    code = "discontinued"


def _gone(name: str, remedy: str) -> Callable[..., NoReturn]:
    def call(*_: Any, **__: Any) -> NoReturn:
        raise CloudServiceDiscontinued(f"{name} needs the cloud service kacheryhub, which is no more. {remedy}")

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"Needed the discontinued cloud service: always raises. {remedy}"
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
    """Needed the discontinued cloud service: cannot be made."""

    def __init__(self, *, channel: Any = None) -> None:
        _gone("DirectClient", _LOCAL)()


class EphemeralClient:
    """Needed the discontinued cloud service: cannot be made."""

    def __init__(self, *, channel: Any = None) -> None:
        _gone("EphemeralClient", _LOCAL)()


def enable_ephemeral(enabled: bool = True) -> None:
    """Needed the discontinued cloud service: raises unless it is to be off."""
    if enabled:
        _gone("enable_ephemeral", _LOCAL)()


def taskfunction(function_id: str, *, type: str) -> Callable[[F], F]:
    """Marks a function for ``run_task_backend``. The function stays as it is, and can be called."""

    def mark(function: F) -> F:
        return function

    return mark
