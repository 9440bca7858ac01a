"""Network namespaces for machines, and routers that translate addresses."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from line import End
from routers import Router, rules


@contextlib.contextmanager
def namespace(name: str, address: str) -> Iterator[End]:
    """A network namespace that ends, with its processes, at the end of the ``with`` block."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo ready && exec sleep infinity"], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"ready\n", f"no network namespace for {name}"
        end = End(f"/proc/{holder.pid}/ns/net", address)
        end.run(["ip", "link", "set", "lo", "up"])
        yield end
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


class Network:
    """A switch to which machines are connected, in a namespace of its own."""

    def __init__(self, space: End, prefix: str) -> None:
        self.space, self.prefix = space, prefix
        self._cables = 0
        space.run(["ip", "link", "add", "dev", "switch", "type", "bridge"])
        space.run(["ip", "link", "set", "dev", "switch", "up"])

    def connect(self, end: End, address: str, device: str = "cable", prefix: int = 24) -> None:
        """Gives a machine an address in this network, on a new device."""
        self._cables += 1
        port = f"port{self._cables}"
        self.space.run(["ip", "link", "add", "dev", port, "type", "veth", "peer", "name", device, "netns", end.space])
        self.space.run(["ip", "link", "set", "dev", port, "master", "switch", "up"])
        end.run(["ip", "address", "add", f"{address}/{prefix}", "dev", device])
        end.run(["ip", "link", "set", "dev", device, "up"])


class Sites:
    """An internet (203.0.113.0/24), and networks behind routers that translate addresses."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.routers: list[End] = []
        self._internet = Network(stack.enter_context(namespace("internet", "")), "203.0.113")

    def machine(self, number: int) -> End:
        """A machine with an address in the internet."""
        address = f"203.0.113.{number}"
        end = self._stack.enter_context(namespace(address, address))
        self._internet.connect(end, address)
        return end

    def site(self, *names: str, kind: Router | None = None) -> list[End]:
        """Machines behind a new router, which does not lead back in: a connection from inside to its outside address is
        refused, as at most home and campus routers. Without a kind, the router has no filter."""
        number = len(self.routers) + 1
        inside, outside = f"192.168.{number}", f"203.0.113.{100 + number}"
        router = self._stack.enter_context(namespace(f"router {number}", outside))
        self.routers.append(router)
        self._internet.connect(router, outside, "outside")
        network = Network(router, inside)
        router.run(["ip", "address", "add", f"{inside}.1/24", "dev", "switch"])
        with router.entered():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            # Answers for the machines that have addresses of the internet.
            Path("/proc/sys/net/ipv4/conf/outside/proxy_arp").write_text("1")
        if kind is not None:
            router.run(["nft", rules(kind)])
        else:
            router.run(["nft", "add table ip nat"])
            router.run(["nft", "add chain ip nat after { type nat hook postrouting priority srcnat; }"])
            router.run(["nft", 'add rule ip nat after oifname "outside" masquerade'])
        ends = []
        for place, name in enumerate(names):
            own = f"203.0.113.{130 + 10 * number + place}"
            address = f"{inside}.{10 + place}" if kind is None or kind.translation else own
            end = self._stack.enter_context(namespace(name, address))
            network.connect(end, address, prefix=24 if address != own else 32)
            end.run(["ip", "route", "add", "default", "via", f"{inside}.1", "dev", "cable", "onlink"])
            if address == own:
                router.run(["ip", "route", "add", own, "dev", "switch"])
            ends.append(end)
        return ends
