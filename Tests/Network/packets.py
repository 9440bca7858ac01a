"""What a machine sends and receives."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Callable, NamedTuple

from line import End

_ETH_P_ALL = 3
_ETH_P_ARP = 0x0806
_PACKET_OUTGOING = 4


class Packet(NamedTuple):
    """A packet of IPv4 or IPv6."""

    is_sent: bool
    target: str  # as `tcp` writes it for TCP; otherwise the protocol's number and the address

    @staticmethod
    def tcp(host: str, port: int) -> str:
        return f"TCP {host}:{port}"


def _read(is_sent: bool, packet: bytes) -> Packet:
    if packet[0] >> 4 == 4:
        header, protocol = (packet[0] & 15) * 4, packet[9]
        host = socket.inet_ntop(socket.AF_INET, packet[16:20])
    else:
        header, protocol = 40, packet[6]
        host = socket.inet_ntop(socket.AF_INET6, packet[24:40])
    if protocol != socket.IPPROTO_TCP:
        return Packet(is_sent, f"protocol {protocol} to {host}")
    return Packet(is_sent, Packet.tcp(host, int.from_bytes(packet[header + 2 : header + 4], "big")))


@contextlib.contextmanager
def capture(end: End, device: str = "cable") -> Iterator[Callable[[], list[Packet]]]:
    """Records the packets of a machine's device. ARP, which stays within the network, is left out."""
    with end.entered():
        recorder = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    with recorder:
        recorder.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        recorder.bind((device, _ETH_P_ALL))
        recorder.setblocking(False)

        def read() -> list[Packet]:
            packets = []
            with contextlib.suppress(BlockingIOError):
                while True:
                    packet, source = recorder.recvfrom(65_536)
                    if source[1] != _ETH_P_ARP:
                        packets.append(_read(source[2] == _PACKET_OUTGOING, packet))
            return packets

        yield read
