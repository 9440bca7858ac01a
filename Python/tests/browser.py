"""Drives headless Chromium by the W3C WebDriver protocol (https://www.w3.org/TR/webdriver2/)."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from real_daemon import free_port

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_PATIENCE = 20.0  # seconds; the machine may be busy
_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
]

Value = TypeVar("Value")


class BrowserError(Exception):
    """What the driver refused."""


class Browser:
    """One headless browser with one tab."""

    def __init__(self, folder: Path) -> None:
        """Starts the driver and a browser that keeps its files below ``folder``."""
        driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
        assert driver and chromium, "Chromium and its driver are missing: run Deploy/install-dependencies.sh"
        port = free_port()
        self._base = f"http://127.0.0.1:{port}"
        folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [driver, f"--port={port}", f"--log-path={folder / 'driver.log'}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"},
        )
        self._session = ""
        try:
            self._until_ready()
            options = {
                "binary": chromium,
                "args": [*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}"],
            }
            wanted = {"browserName": "chrome", "goog:chromeOptions": options}
            self._session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        except BaseException:
            self.close()
            raise

    def _until_ready(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                if self._call("GET", "/status")["ready"]:
                    return
            except (OSError, BrowserError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._base + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise BrowserError(json.load(error)["value"]["message"]) from None

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._call(method, f"/session/{self._session}{path}", body)

    def close(self) -> None:
        """Ends the browser and its driver."""
        if self._session:
            with contextlib.suppress(OSError, BrowserError):
                self._ask("DELETE", "")
        self._process.terminate()
        self._process.wait(timeout=10)

    def open(self, address: str) -> None:
        """Opens an address, and waits until its document is there."""
        self._ask("POST", "/url", {"url": address})

    @property
    def address(self) -> str:
        return str(self._ask("GET", "/url"))

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that a script returns; its ``arguments`` are those given."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script: str, *arguments: Any) -> Any:
        """The value that a script passes to its last argument, a function."""
        return self._ask("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        """The visible text of the first element that matches; empty if there is none."""
        script = (
            "const node = document.querySelector(arguments[0]); return node?.checkVisibility() ? node.innerText : ''"
        )
        return str(self.run(script, selector))

    def find(self, selector: str) -> str:
        """The reference of the first element that matches."""
        return str(self._ask("POST", "/element", {"using": "css selector", "value": selector})[_ELEMENT])

    def click(self, selector: str) -> None:
        """Clicks an element as a user would: it must be visible."""
        self._ask("POST", f"/element/{self.find(selector)}/click", {})

    def click_text(self, selector: str, text: str) -> None:
        """Clicks the first element that matches and contains the text."""
        script = (
            "const found = [...document.querySelectorAll(arguments[0])]"
            ".find((node) => node.innerText.includes(arguments[1])); found?.click(); return found !== undefined"
        )
        assert self.run(script, selector, text), f"no {selector} with {text}"

    def type(self, selector: str, text: str) -> None:
        """Types into an element."""
        self._ask("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Presses keys, one after the other."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def resize(self, width: int, height: int) -> None:
        """Makes the page as large as a screen of this size, also of a telephone."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def color_scheme(self, name: str) -> None:
        """Makes the page light or dark."""
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def devtools(self, command: str, **parameters: Any) -> Any:
        """Sends a command of Chromium's own protocol."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, path: Path) -> None:
        """Writes what is seen as a PNG."""
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def until(self, condition: Callable[[], Value], what: str, patience: float = _PATIENCE) -> Value:
        """The first value of the condition that is not empty or false."""
        deadline = time.monotonic() + patience
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < deadline, f"{what}: {self.run('return document.body.innerText')[:2000]}"
            time.sleep(0.05)

    def until_text(self, selector: str, text: str) -> None:
        """Waits until an element contains the text."""
        self.until(lambda: text in self.text(selector), f"{selector} with '{text}'")
