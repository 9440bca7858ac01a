"""Starting and stopping the daemon."""

from __future__ import annotations

from collections.abc import Sequence

import kachery_program

from ._daemon import Daemon, find_endpoint
from ._errors import AlreadyRunning, BadRequest, KacheryError, NoDaemon


def start_daemon(
    *,
    port: int = 0,
    udp_port: int | None = 0,
    websocket_port: int = 0,
    label: str,
    method: str = "npx",
    verbose: int = 0,
    host: str = "",
    public_url: str = "",
    noudp: bool = False,
    isbootstrap: bool = False,
    nomulticast: bool = False,
    static_config: str = "",
    node_arg: Sequence[str] = (),
    install_only: bool = False,
    auth_group: str = "",
) -> None:
    """Runs a daemon until it ends; an interrupt stops it. The command kachery-p2p-start-daemon does the same.

    The daemon takes its directories and its API port from the environment of this process. ``method``, ``node_arg`` and
    ``install_only`` are part of the published signature and have no effect: the daemon needs no installation.

    Example:
        >>> try:
        ...     kp.start_daemon(label="lab-server", port=14507)  # until Ctrl-C
        ... except kp.AlreadyRunning:
        ...     print("There is one already.")
        There is one already.
    """
    try:
        endpoint = find_endpoint()
        Daemon.find(fresh=True)
        raise AlreadyRunning(f"A daemon already runs at {endpoint}. Stop it first, or choose another port.")
    except NoDaemon:
        pass
    if install_only:
        return
    program = kachery_program.find("kacheryd")
    if program is None:
        raise BadRequest(
            "There is no program kacheryd on the PATH. Install kachery (its Debian package, tarball or sources), "
            "or set KACHERY_PROGRAM to the path of the program kachery beside it."
        )
    command = [program, "--label", label, "--verbose", str(verbose), "--port", str(port)]
    command += _flags(isbootstrap=isbootstrap, noudp=noudp, nomulticast=nomulticast)
    command += _values(host=host, public_url=public_url, static_config=static_config, auth_group=auth_group)
    if udp_port:
        command += ["--udp-port", str(udp_port)]
    if websocket_port > 0:
        command += ["--websocket-port", str(websocket_port)]
    _run(command)


def stop_daemon(api_port: int | None = None, api_host: str | None = None) -> bool:
    """Stops the daemon. Returns whether it agreed, and ``False`` if there is no daemon.

    Example:
        >>> kp.stop_daemon(api_port=20499)  # there is none
        False
    """
    try:
        return bool(Daemon.find(api_port, api_host, fresh=True).get("/halt").get("success"))
    except KacheryError:
        return False


def _flags(**flags: bool) -> list[str]:
    return [f"--{name}" for name, is_on in flags.items() if is_on]


def _values(**values: str) -> list[str]:
    return [text for name, value in values.items() if value for text in (f"--{name.replace('_', '-')}", value)]


def _run(command: list[str]) -> None:
    import subprocess

    with subprocess.Popen(command) as daemon:
        try:
            code = daemon.wait()
        except BaseException:
            daemon.terminate()
            daemon.wait()
            raise
    if code != 0:
        raise KacheryError(f"The daemon exited with code {code}; its standard error says why.")
