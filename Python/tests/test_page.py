"""The page of the daemon in a real browser: what it shows, what a token may do with it, and what happens in trouble."""

from __future__ import annotations

import hashlib
import importlib.resources
import io
import json
import os
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser import Browser
from page_stand_in import PageStandIn
from real_daemon import RealDaemon, free_port

MANY = 10_000
VIEWS = ["overview", "peers", "channels", "store", "feeds"]
HOSTILE = '<img src=x onerror="document.title=1">\u202e.txt'
AXE = importlib.resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("browser"))
    yield started
    started.close()


def token(daemon: RealDaemon) -> str:
    return (daemon.storage / "client-auth").read_text()


def post(daemon: RealDaemon, path: str, body: Any, shown: str | None = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{daemon.api_port}{path}",
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"KACHERY-CLIENT-AUTH-CODE": shown or token(daemon)},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def store(daemon: RealDaemon, name: str, content: bytes) -> str:
    """Stores a file under a name that a command could not be given."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{daemon.api_port}/store",
        data=content,
        headers={"KACHERY-CLIENT-AUTH-CODE": token(daemon), "X-Kachery-Name": urllib.parse.quote(name)},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(json.load(answer)["sha1"])


def array(values: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, values)
    return content.getvalue()


def fill(folder: Path) -> None:
    """Writes many small files as the storage format has them."""
    folder.mkdir(parents=True)
    made: set[str] = set()
    for number in range(MANY):
        content = b"%d" % number
        sha1 = hashlib.sha1(content).hexdigest()
        place = str(folder)
        for part in (sha1[:2], sha1[2:4], sha1[4:6]):
            place += f"/{part}"
            if place not in made:
                os.mkdir(place)
                made.add(place)
        with open(f"{place}/{sha1}", "wb") as file:
            file.write(content)


class World:
    """A source with many files that sends slowly, a node that joins channels, and what was stored."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.uplink = ("--isbootstrap", "--port", str(port), "--channel", "page-tests", "--limit-up", "1")
        storage = folder / "source" / "storage"
        fill(storage / "sha1")
        self.source = RealDaemon(folder / "source", "source", *self.uplink)
        self.node = RealDaemon(
            folder / "node", "<b>node</b>", "--bootstrap", f"127.0.0.1:{port}", "--channel", "page-tests"
        )
        self.source.wait_until_ready()
        self.node.wait_until_ready()

    def open(self, browser: Browser, daemon: RealDaemon | None = None, view: str = "overview") -> None:
        daemon = daemon or self.node
        browser.open("about:blank")
        browser.open(f"http://127.0.0.1:{daemon.api_port}/?token={token(daemon)}#{view}")
        browser.until_text("#connection", "Live")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    started = World(tmp_path_factory.mktemp("world"))
    yield started
    started.node.stop()
    started.source.stop()


def test_everything_is_live(browser: Browser, world: World) -> None:
    world.open(browser)
    assert "token" not in browser.address and browser.run("return document.title").startswith("<b>node</b>")
    assert browser.text("#label") == "<b>node</b>", "a label is text"
    node_id = world.node.probe["nodeId"]
    assert node_id in browser.text("#view-overview")
    browser.run("location.hash = '#peers'")
    browser.until_text("#peer-list", "source")
    assert browser.run("return document.querySelectorAll('#view-peers svg polyline').length") == 1
    browser.run("location.hash = '#channels'")
    browser.until_text("#channel-list", "page-tests")
    browser.until_text("#channel-list", "source linked")
    browser.run("location.hash = '#overview'")
    sha1 = store(world.source, "slow.dat", b"x" * 1_500_000)
    # A load that lasts a second or two, whose client hangs up in the end.
    request = urllib.request.Request(
        f"http://127.0.0.1:{world.node.api_port}/loadFile",
        data=json.dumps({"fileKey": {"sha1": sha1}, "name": HOSTILE}).encode(),
        headers={"KACHERY-CLIENT-AUTH-CODE": token(world.node)},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        browser.until_text("#transfer-list", "from source")
        row = browser.text("#transfer-list")
        assert "loading" in row and "of 1.5 MB" in row and '<img src=x onerror="document.title=1">\ufffd.txt' in row
        browser.until(
            lambda: browser.run("return document.querySelector('.received-text').innerText") != "0 B/s", "rate"
        )
        answer.read()
    browser.until_text("#view-overview", "Nothing is being transferred")
    curve = "return document.querySelector('.curve.received').getAttribute('d').split('L').length"
    browser.until(lambda: browser.run(curve) >= 2, "a curve")
    assert browser.run("return document.querySelectorAll('img').length") == 0


def test_a_wrong_token_is_refused_and_a_right_one_accepted(browser: Browser, world: World) -> None:
    browser.open("about:blank")
    browser.open(f"http://127.0.0.1:{world.node.api_port}/?token=wrong")
    browser.until_text("#access", "wrong or has expired")
    assert browser.text("#connection") == "No access" and browser.text("#views") == ""
    assert browser.run("return document.activeElement.id") == "token"
    assert browser.address.endswith(f":{world.node.api_port}/")
    browser.type("#token", f"{token(world.node)}\ue007")
    browser.until_text("#connection", "Live")
    assert browser.text("#access") == ""
    # The token is kept for this tab, in which the page may be loaded again.
    browser.open(browser.address)
    browser.until_text("#connection", "Live")


def test_a_reading_token_changes_nothing(browser: Browser, world: World) -> None:
    value = {"key": "_other_client_auth_codes", "value": ["only-reading"], "update": True}
    assert post(world.node, "/mutable/set", value)["success"]
    store(world.node, "read.txt", b"to be read")
    browser.open("about:blank")
    browser.open(f"http://127.0.0.1:{world.node.api_port}/#token=only-reading")
    browser.until_text("#rights", "Reading token")
    assert "only-reading" not in browser.address
    browser.run("location.hash = '#channels'")
    browser.until_text("#view-channels", "only with the full token")
    browser.run("location.hash = '#store'")
    browser.until_text("#file-list", "read.txt")
    browser.click_text("#file-list button", "read.txt")
    browser.until_text("#preview pre", "to be read")
    assert browser.text("#preview .actions").split() == ["Copy", "URI"]
    assert browser.text(".storing") == ""


def test_previews_of_all_kinds(browser: Browser, world: World) -> None:
    png = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001"
        "5eb9f6a50000000049454e44ae426082"
    )
    store(world.node, HOSTILE, b"<script>document.title=1</script> \xc3\xa9")
    store(world.node, "a.json", b'{"b":[1,2],"<i>":null}')
    store(world.node, "dot.png", png)
    store(world.node, "line.npy", array(np.arange(3000, dtype=">i2")))
    store(world.node, "field.npy", array(np.asfortranarray(np.outer(np.arange(20.0), np.arange(30)))))
    store(world.node, "cut.npy", array(np.arange(100))[:60])
    store(world.node, "bytes.bin", bytes(range(256)))
    store(world.node, "empty", b"")
    world.open(browser, view="store")
    expected = {
        "onerror": ("pre", "<script>document.title=1</script> é"),
        "a.json": ("pre", '"b": [\n'),
        "line.npy": (".body", "(3000,)"),
        "field.npy": (".body", "from 0 (dark) to 551 (light)"),
        "cut.npy": (".body", "The header of the array is too long."),
        "bytes.bin": ("pre", "0010  10 11"),
        "empty": (".body", "The file is empty."),
    }
    browser.until_text("#file-list", "empty")
    for name, (selector, text) in expected.items():
        browser.click_text("#file-list button", name)
        browser.until_text(f"#preview {selector}", text)
        if name == "line.npy":
            label = browser.run("return document.querySelector('#preview svg').getAttribute('aria-label')")
            assert label == "Plot of 3,000 values from 0 to 2999"
    browser.click_text("#file-list button", "dot.png")
    browser.until(lambda: browser.run("return document.querySelector('#preview img')?.naturalWidth"), "an image")
    assert not browser.run("return document.title").startswith("1")


def test_files_are_stored_pinned_and_verified(browser: Browser, world: World) -> None:
    world.open(browser, view="store")
    browser.until_text("#view-store", "stored")
    browser.run(
        "const data = new DataTransfer(); data.items.add(new File(['dropped here'], 'dropped é.txt'));"
        "for (const kind of ['dragover', 'drop']) document.getElementById('view-store')"
        ".dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}))"
    )
    browser.until_text("#upload-list", "stored as")
    browser.until_text("#file-list", "dropped é.txt")
    browser.click_text("#file-list button", "dropped é.txt")
    sha1 = hashlib.sha1(b"dropped here").hexdigest()
    browser.until_text("#preview", f"sha1://{sha1}/dropped")
    browser.click_text("#preview .actions button", "Pin")
    browser.until_text("#preview .actions", "Unpin")
    listed = post(world.node, "/v1/store/search", {"text": sha1})["files"]
    assert [(entry["isPinned"], entry["names"]) for entry in listed] == [(True, ["dropped é.txt"])]
    browser.until_text("#preview", "dropped here")
    browser.click_text("#preview .actions button", "Verify")
    browser.until_text("#preview", "Verified: the bytes have the file's hash.")


def test_feeds_and_their_messages(browser: Browser, world: World) -> None:
    feed = post(world.node, "/feed/createFeed", {"feedName": "notes"})["feedId"]
    subfeed = hashlib.sha1(b"a").hexdigest()
    where = {"feedId": feed, "subfeedHash": subfeed}
    post(world.node, "/feed/appendMessages", {**where, "messages": [{"number": n} for n in range(30)]})
    world.open(browser, view="feeds")
    browser.until_text("#feed-list", "notes")
    browser.click("#feed-list summary")
    browser.until_text("#feed-list button.file", "30 messages")
    browser.click("#feed-list button.file")
    browser.until_text("#messages", '"number": 29')
    assert browser.run("return document.querySelectorAll('#messages li').length") == 25
    post(world.node, "/feed/appendMessages", {**where, "messages": [{"text": "<u>just</u> now"}]})
    browser.until_text("#messages li", "<u>just</u> now")


def test_ten_thousand_files_stay_quick(browser: Browser, world: World) -> None:
    # The page asks how many there are when it is opened, and the daemon has only begun to list them.
    browser.until(lambda: post(world.source, "/v1/store/search", {"limit": 1})["total"] >= MANY, "a list of all files")
    world.open(browser, world.source, view="store")
    browser.until_text("#view-store", f"{MANY:,}"[:4])
    browser.until(lambda: browser.run("return document.querySelectorAll('#file-list li').length") == 100, "a page")
    sha1 = hashlib.sha1(b"7777").hexdigest()
    start = time.monotonic()
    browser.type("#store-search", sha1[:8])
    browser.until_text("#view-store", "1 file found")
    assert time.monotonic() - start < 5, "a search takes some hundredths of a second"
    browser.run("const s = document.getElementById('store-search'); s.value = ''; s.dispatchEvent(new Event('input'))")
    browser.until(lambda: browser.run("return document.querySelectorAll('#file-list li').length") == 100, "all again")
    browser.click_text("#view-store button", "Show more")
    browser.until(lambda: browser.run("return document.querySelectorAll('#file-list li').length") == 200, "more")


def test_a_restart_is_shown_and_recovered_from(browser: Browser, world: World) -> None:
    world.open(browser)
    browser.run("window.kept = true")
    world.node.stop()
    browser.until_text("#connection", "Connection lost")
    assert browser.run("return document.body.classList.contains('stale')")
    world.node.start()
    world.node.wait_until_ready()
    browser.until_text("#connection", "Live")
    assert browser.run("return window.kept"), "the page was not loaded again"
    browser.run("location.hash = '#store'")
    browser.until_text("#view-store", "stored")
    # A page to which the user returns is live again, whether the browser has kept it or not.
    browser.open("about:blank")
    browser.run("history.back()")
    browser.until_text("#connection", "Live")


def _problems(browser: Browser) -> list[str]:
    """What axe finds that is serious."""
    browser.run(AXE + "; window.axe = axe")
    found = browser.run_async("const done = arguments[0]; axe.run(document).then((result) => done(result.violations))")
    return [
        f"{entry['id']}: {entry['nodes'][0]['html'][:200]}"
        for entry in found
        if entry["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it(browser: Browser, scheme: str) -> None:
    browser.color_scheme(scheme)
    notice = {"kind": "notBootstrap", "nodeId": "a" * 64, "summary": "It is none.", "advice": ["Ask."]}
    with PageStandIn(5, [notice]) as stand_in:
        browser.open(f"{stand_in.address}?token=any")
        browser.until_text("#notices", "It is none.")
        browser.until_text("#view-overview", "127.0.0.1:8080, serves files of 1 of 2 channels")
        # In the dark, other colors meet on two of them.
        for view in VIEWS if scheme == "light" else ("overview", "peers"):
            browser.run("location.hash = '#' + arguments[0]", view)
            browser.until(lambda: browser.text("nav [aria-current]").lower() == view, view)  # noqa: B023
            for width in (1280, 390):
                browser.resize(width, 800)
                assert browser.run("return document.documentElement.scrollWidth") <= width, f"{view} at {width}"
            assert _problems(browser) == [], view
    browser.resize(1280, 800)
    browser.color_scheme("light")


def test_it_works_by_keyboard(browser: Browser, world: World) -> None:
    world.open(browser)
    browser.run("document.body.focus()")
    browser.press("\ue004")
    assert browser.run("return document.activeElement.className") == "skip"
    browser.press("\ue004", "\ue004", "\ue007")
    browser.until(lambda: browser.text("nav [aria-current]") == "Peers", "the second view")
    outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_two_hundred_peers(browser: Browser) -> None:
    with PageStandIn(200) as stand_in:
        browser.open(f"{stand_in.address}?token=any#peers")
        browser.until_text("#view-peers", "200 nodes linked, 33 of them relayed")
        browser.until(
            lambda: browser.run("return document.querySelectorAll('#peer-list > li').length") == 200, "a list"
        )
        assert browser.run("return document.querySelectorAll('.paths polyline').length") == 200
        browser.type("#peer-filter", "lab-017")
        browser.until(
            lambda: browser.run("return document.querySelectorAll('#peer-list > li').length") == 1, "a filter"
        )
        browser.click("#peer-list summary")
        browser.until_text("#peer-list", "In use: WebSocket")
        # Between two events, which come four times a second here, the page has time for its user.
        script = """
          const done = arguments[0], start = performance.now(); let frames = 0
          const next = () => { frames += 1
            if (performance.now() - start > 1000) done(frames); else requestAnimationFrame(next) }
          next()"""
        assert browser.run_async(script) >= 10
