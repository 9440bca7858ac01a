"""Network namespaces for machines, and routers that translate addresses."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from line import End, Line
from routers import ROUTERS, Router, rules


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
    """An internet (203.0.113.0/24 or another one), and networks behind routers that translate addresses.

    Each machine and each router is connected to the internet by a line, unless the round trip between any two of them,
    in milliseconds, is 0.
    """

    def __init__(self, stack: contextlib.ExitStack, rtt: float = 0, internet: str = "203.0.113") -> None:
        self._stack = stack
        self.prefix = internet
        self._rtt = rtt
        self._lines = 0
        self.routers: list[End] = []
        self._internet = Network(stack.enter_context(namespace("internet", "")), internet)
        with self._internet.space.entered():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")

    def machine(self, number: int) -> End:
        """A machine with an address in the internet."""
        return self._connected(f"{self.prefix}.{number}", "cable", [])

    def _connected(self, address: str, device: str, inner: list[str]) -> End:
        """A new machine with an address in the internet, which also leads to these inner addresses of the internet."""
        if self._rtt == 0:
            end = self._stack.enter_context(namespace(address, address))
            self._internet.connect(end, address, device)
            return end
        line = self._stack.enter_context(Line(rtt=self._rtt / 2))
        self._lines += 1
        # Without an address of their own, lines need no ARP.
        near, far, name = self._internet.space, End(line.b.space, address), f"line{self._lines}"
        line.a.run(["ip", "link", "set", "dev", "line", "name", name, "netns", near.space])
        near.run(["ip", "link", "set", "dev", name, "txqueuelen", "20000", "up"])
        for target in [address, *inner]:
            near.run(["ip", "route", "add", target, "dev", name])
        far.run(["ip", "address", "flush", "dev", "line"])
        far.run(["ip", "link", "set", "dev", "line", "down"])
        far.run(["ip", "link", "set", "dev", "line", "name", device, "up"])
        far.run(["ip", "address", "add", f"{address}/24", "dev", device])
        return far

    def site(self, *names: str, kind: Router | None = None) -> list[End]:
        """Machines behind a new router, which does not lead back in: a connection from inside to its outside address is
        refused, as at most home and campus routers. Without a kind, the router has no filter."""
        number = len(self.routers) + 1
        inside, outside = f"192.168.{number}", f"{self.prefix}.{100 + number}"
        public = [f"{self.prefix}.{130 + 10 * number + place}" for place in range(len(names))]
        if kind is not None and kind.carrier:
            router = self._behind_a_carrier(outside, f"100.64.{number}", ROUTERS[kind.carrier])
        else:
            router = self._connected(outside, "outside", public if kind is not None and not kind.translation else [])
        self.routers.append(router)
        network = self._routed(router, inside, kind)
        ends = []
        for place, (name, own) in enumerate(zip(names, public)):
            address = f"{inside}.{10 + place}" if kind is None or kind.translation else own
            end = self._stack.enter_context(namespace(name, address))
            network.connect(end, address, prefix=24 if address != own else 32)
            end.run(["ip", "route", "add", "default", "via", f"{inside}.1", "dev", "cable", "onlink"])
            if address == own:
                router.run(["ip", "route", "add", own, "dev", "switch"])
            ends.append(end)
        return ends

    def occupy(self, end: End, command: list[str]) -> None:
        """Starts a program at a machine that says when it is ready, and runs it until the networks end."""
        process = end.start(command, stdout=subprocess.PIPE)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", command

    def _behind_a_carrier(self, outside: str, between: str, kind: Router) -> End:
        """A machine, to be a router, behind the router of a carrier, whose address in the internet is ``outside``."""
        carrier = self._connected(outside, "outside", [])
        network = self._routed(carrier, between, kind)
        router = self._stack.enter_context(namespace(f"{between}.10", f"{between}.10"))
        network.connect(router, router.address, "outside")
        router.run(["ip", "route", "add", "default", "via", f"{between}.1", "dev", "outside"])
        return router

    @staticmethod
    def _routed(router: End, inside: str, kind: Router | None) -> Network:
        """Makes this machine the router of a new network, and returns that."""
        network = Network(router, inside)
        router.run(["ip", "address", "add", f"{inside}.1/24", "dev", "switch"])
        with router.entered():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            # Answers for the machines that have addresses of the internet.
            Path("/proc/sys/net/ipv4/conf/outside/proxy_arp").write_text("1")
            # Otherwise it answers after a random time of up to 0.8 s.
            Path("/proc/sys/net/ipv4/neigh/outside/proxy_delay").write_text("0")
        if kind is not None:
            router.run(["nft", rules(kind, router.address, f"{inside}.10")])
        else:
            router.run(["nft", "add table ip nat"])
            router.run(["nft", "add chain ip nat after { type nat hook postrouting priority srcnat; }"])
            router.run(["nft", 'add rule ip nat after oifname "outside" masquerade'])
        return network
