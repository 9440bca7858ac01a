"""A router's services that answer whatever is asked in a hostile way: run as a program, in the router's namespace.

    hostile_gateway.py KIND ADDRESS INTERFACE

answers NAT-PMP at the address, and searches for UPnP routers on the interface, and serves a description.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time

KINDS = ["silence", "garbage", "huge", "drip", "elsewhere"]
NATPMP, SSDP, HTTP = 5351, 1900, 5000
GROUP = "239.255.255.250"


def natpmp_answers(kind: str) -> list[bytes]:
    if kind == "garbage":
        return [os.urandom(16) for _ in range(200)]
    if kind == "huge":
        return [bytes([0, 128]) + bytes(60_000)]
    return []


def description(kind: str) -> bytes:
    if kind == "garbage":
        return os.urandom(100_000)
    # Commands for another machine, which has asked for none.
    control = "http://192.168.1.99:5000/control" if kind == "elsewhere" else "/control"
    device = "urn:schemas-upnp-org:device"
    return (
        f"<root><device><deviceType>{device}:InternetGatewayDevice:1</deviceType><deviceList><device>"
        f"<deviceType>{device}:WANDevice:1</deviceType><deviceList><device>"
        f"<deviceType>{device}:WANConnectionDevice:1</deviceType><serviceList><service>"
        "<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>"
        f"<controlURL>{control}</controlURL></service></serviceList></device></deviceList></device></deviceList>"
        "</device></root>"
    ).encode()


def answer_natpmp(kind: str, address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
        service.bind((address, NATPMP))
        while True:
            _, sender = service.recvfrom(2_048)
            for answer in natpmp_answers(kind):
                service.sendto(answer, sender)


def answer_searches(kind: str, address: str, interface: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
        service.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        service.bind(("", SSDP))
        request = struct.pack("4s4si", socket.inet_aton(GROUP), socket.inet_aton(address), 0)
        service.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        answer = (
            "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
            f"USN: x\r\nLOCATION: http://{address}:{HTTP}/description.xml\r\n\r\n"
        ).encode()
        while True:
            _, sender = service.recvfrom(2_048)
            for _ in range(0 if kind == "silence" else 1_000 if kind == "garbage" else 1):
                service.sendto(os.urandom(1_000) if kind == "garbage" else answer, sender)
            service.sendto(answer, sender)


def serve(kind: str, connection: socket.socket) -> None:
    with connection:
        try:
            if not connection.recv(65_536) or kind == "silence":
                time.sleep(60)
                return
            body = description(kind)
            length = 1 << 31 if kind in ("huge", "drip") else len(body)
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {length - 1}\r\n\r\n".encode())
            connection.sendall(body)
            while kind in ("huge", "drip"):
                connection.sendall(bytes(1 << 20) if kind == "huge" else b" ")
                time.sleep(0 if kind == "huge" else 0.2)
        except OSError:
            return


def main(kind: str, address: str, interface: str) -> None:
    listener = socket.create_server((address, HTTP))
    threading.Thread(target=answer_natpmp, args=(kind, address), daemon=True).start()
    threading.Thread(target=answer_searches, args=(kind, address, interface), daemon=True).start()
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(kind, connection), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
