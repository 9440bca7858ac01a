"""A gateway behind a web server, with the lines of docs/operations.md.

`make test-network` runs this.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from real_daemon import CHANNEL, StartDaemon, free_port
from test_caddy import running_caddy
from test_gateway import Gateway, store
from test_nginx import Nginx
from test_websockets import DEADLINE

SIZE = 50_000_000  # bytes; the buffers of the kernel on the way hold less than half


def documented(language: str, backend: int) -> str:
    """The lines for a web server, with the port of a gateway."""
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    (lines,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert isinstance(lines, str) and lines.count("127.0.0.1:8080") == 1
    return lines.replace("127.0.0.1:8080", f"127.0.0.1:{backend}")


@contextlib.contextmanager
def nginx(folder: Path, backend: int) -> Iterator[int]:
    with Nginx(folder, backend, location=documented("nginx", backend)) as server:
        yield server.port


@contextlib.contextmanager
def caddy(folder: Path, backend: int) -> Iterator[int]:
    port = free_port()
    site = f"https://127.0.0.1:{port} {{\n\ttls internal\n{documented('caddy', backend)}}}\n"
    with running_caddy(folder, port, site):
        yield port


Server = Callable[[Path, int], contextlib.AbstractContextManager[int]]


@contextlib.contextmanager
def asked(port: int, path: str, method: str = "GET", **headers: str) -> Iterator[http.client.HTTPResponse]:
    """The answer of a web server, whose certificate is of no authority."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
    with contextlib.closing(connection):
        connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        yield connection.getresponse()


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, bytes]:
    with asked(port, path, method, **headers) as answer:
        return answer.status, answer.headers, answer.read()


@pytest.mark.parametrize("server", [nginx, caddy])
def test_files_pass_through_a_web_server(server: Server, start_daemon: StartDaemon, tmp_path: Path) -> None:
    backend = free_port()
    options = ("--gateway", f"127.0.0.1:{backend}", "--gateway-channel", CHANNEL)
    gateway = Gateway(start_daemon("host", "--channel", CHANNEL, *options), backend)
    content = os.urandom(1_000_000)
    digest = store(gateway.daemon, tmp_path / "data.bin", content)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "50% of a?b.txt").write_text("text")
    stored = gateway.daemon.kachery("store", str(tmp_path / "results"))
    uri = re.search(r"sha1dir://(\w+)", stored.stdout)
    assert uri, stored
    folder = f"/files/sha1dir/{uri[1]}"
    large = os.urandom(SIZE)
    large_digest = store(gateway.daemon, tmp_path / "large.bin", large)

    with server(tmp_path / "server", backend) as port:
        path, tag = f"/files/sha1/{digest}/data.bin", f'"sha1-{digest}"'
        status, headers, body = ask(port, path)
        assert (status, body, headers["etag"], headers["content-length"]) == (200, content, tag, str(len(content)))
        assert "immutable" in headers["cache-control"] and headers["x-content-type-options"] == "nosniff"
        status, headers, body = ask(port, path, Range="bytes=5-9", If_Range=tag)
        assert (status, body, headers["content-range"]) == (206, content[5:10], f"bytes 5-9/{len(content)}")
        assert ask(port, path, If_None_Match=tag)[0] == 304
        status, headers, body = ask(port, path, "HEAD")
        assert (status, body, headers["content-length"]) == (200, b"", str(len(content)))
        assert ask(port, f"{folder}/50%25%20of%20a%3Fb.txt")[::2] == (200, b"text")
        assert ask(port, folder, Accept="text/html")[1]["location"].startswith("./")

        # A client that takes nothing is not sent the file, and the server does not keep it for the client.
        with asked(port, f"/files/sha1/{large_digest}") as answer:
            deadline, sent = time.monotonic() + DEADLINE, [0, 1]
            while sent[-2] != sent[-1]:
                assert time.monotonic() < deadline
                time.sleep(0.5)
                sent.append(gateway.metric("kachery_gateway_bytes_sent_total"))
            assert sent[-1] < SIZE / 2
            assert hashlib.sha1(answer.read()).hexdigest() == large_digest
