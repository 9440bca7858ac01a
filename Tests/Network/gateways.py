"""Routers that lead ports to machines behind them: Debian's miniupnpd, and ones that are hostile."""

from __future__ import annotations

import contextlib
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from line import End

# The parts of the packet filter into which miniupnpd puts its rules.
_TABLES = """
table inet miniupnpd {
 chain admitted { }
 chain forward { type filter hook forward priority -10; policy accept;
  jump admitted
 }
 chain before { }
 chain prerouting { type nat hook prerouting priority dstnat;
  jump before
 }
 chain after { }
 chain postrouting { type nat hook postrouting priority 110;
  jump after
 }
}
"""
_SETTINGS = """
ext_ifname=outside
listening_ip=switch
http_port=5000
enable_natpmp={natpmp}
enable_upnp={upnp}
secure_mode=yes
min_lifetime=120
max_lifetime=86400
uuid=00000000-0000-0000-0000-000000000001
upnp_table_name=miniupnpd
upnp_nat_table_name=miniupnpd
upnp_forward_chain=admitted
upnp_nat_chain=before
upnp_nat_postrouting_chain=after
lease_file={folder}/leases
allow 1024-65535 192.168.0.0/16 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""


class Gateway:
    """miniupnpd on a router. It needs an outside address that is neither private nor reserved for examples."""

    def __init__(self, router: End) -> None:
        self._router = router

    def mapped(self, transport: str = "tcp") -> list[int]:
        """The outside ports that lead to machines inside, of ``tcp`` or ``udp``."""
        # nft shows the number of the protocol if it does not know what miniupnpd compares.
        names = {transport, {"tcp": "0x6", "udp": "0x11"}[transport]}
        lines = self._router.run(["nft", "list", "chain", "inet", "miniupnpd", "before"]).splitlines()
        rules = [line.split() for line in lines if " dport " in line]
        return [int(rule[rule.index("dport") + 1]) for rule in rules if names & set(rule)]

    def map_for(self, end: End, port: int) -> None:
        """Another machine asks for a port by UPnP."""
        service = "urn:schemas-upnp-org:service:WANIPConnection:1"
        arguments = {
            "NewRemoteHost": "",
            "NewExternalPort": port,
            "NewProtocol": "TCP",
            "NewInternalPort": port,
            "NewInternalClient": end.address,
            "NewEnabled": 1,
            "NewPortMappingDescription": "other",
            "NewLeaseDuration": 7_200,
        }
        body = "".join(f"<{name}>{value}</{name}>" for name, value in arguments.items())
        envelope = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f'<u:AddPortMapping xmlns:u="{service}">{body}</u:AddPortMapping></s:Body></s:Envelope>'
        )
        gateway = f"{end.address.rsplit('.', 1)[0]}.1"
        request = urllib.request.Request(
            f"http://{gateway}:5000/ctl/IPConn",
            envelope.encode(),
            {"SOAPAction": f'"{service}#AddPortMapping"', "Content-Type": "text/xml"},
        )
        with end.entered(), urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def wait_for(self, ports: list[int], within: float, transport: str = "tcp") -> None:
        deadline = time.monotonic() + within
        while self.mapped(transport) != ports:
            assert time.monotonic() < deadline, f"{self.mapped(transport)} are mapped, not {ports}"
            time.sleep(0.05)


@contextlib.contextmanager
def gateway(router: End, folder: Path, protocol: str) -> Iterator[Gateway]:
    """Runs miniupnpd on a router of a site; it knows only this protocol, ``natpmp`` or ``upnp``."""
    folder.mkdir()
    (folder / "tables").write_text(_TABLES)
    (folder / "settings").write_text(
        _SETTINGS.format(
            folder=folder, natpmp="yes" if protocol == "natpmp" else "no", upnp="yes" if protocol == "upnp" else "no"
        )
    )
    router.run(["nft", "-f", str(folder / "tables")])
    # What leads to a machine inside may pass.
    router.run(["nft", "insert rule inet filter forward ct status dnat accept"])
    with (folder / "log").open("wb") as log:
        # -d: it stays in the foreground.
        command = ["miniupnpd", "-d", "-f", str(folder / "settings"), "-P", str(folder / "pid")]
        running = router.start(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_until_it_listens(router, running, folder, 5351 if protocol == "natpmp" else 1900)
        yield Gateway(router)
    finally:
        running.terminate()
        running.wait()


def _wait_until_it_listens(router: End, running: subprocess.Popen[bytes], folder: Path, port: int) -> None:
    deadline = time.monotonic() + 10
    while f":{port} " not in router.run(["ss", "--udp", "--listening", "--numeric"]):
        assert running.poll() is None and time.monotonic() < deadline, (folder / "log").read_text(errors="replace")
        time.sleep(0.05)
