"""Chromium as a person uses it (mouse, keys, pictures), through its DevTools protocol; it reaches this machine alone.

Everything waits for a condition with a deadline; nothing waits for a length of time.
"""

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for name in _NAMES if (path := shutil.which(name))), None)
"""Path of the browser; None where none of its names is on PATH."""

_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0"),
    *("--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--disable-extensions", "--disable-quic", "--no-proxy-server"),
    # No other machine can be asked for, whatever a page or the browser itself would like.
    *("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--force-device-scale-factor=1", "--lang=en-US"),
)
_SECONDS = 30.0
_MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}

Point = tuple[float, float]


class Browser:
    """One page of a headless Chromium; `requested` has every address that it asked for."""

    def __init__(self, folder: Path, width: int = 1600, height: int = 1200) -> None:
        assert CHROMIUM is not None
        profile = folder / "profile"
        command = [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]
        self._process = subprocess.Popen(
            # Of a group of its own, so that all its processes can be ended.
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._loop = asyncio.new_event_loop()
        self._socket: WebSocketClientConnection | None = None
        self._number = 0
        self.requested: list[str] = []
        try:
            self._socket = self._loop.run_until_complete(self._connect(profile / "DevToolsActivePort"))
            for domain in ("Page", "Runtime", "Network"):
                self.call(f"{domain}.enable")
            # The window's frame is no part of the page's size.
            self.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the browser and all its processes."""
        if self._socket is not None:
            self._loop.run_until_complete(self._hang_up(self._socket))
            self._socket = None
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, sign)
                self._process.wait(10)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self._process.wait(10)
        self._loop.close()

    async def _hang_up(self, socket: WebSocketClientConnection) -> None:
        socket.close()
        while await asyncio.wait_for(socket.read_message(), _SECONDS) is not None:
            pass

    async def _connect(self, port_file: Path) -> WebSocketClientConnection:
        import httpx

        until = time.monotonic() + _SECONDS
        async with httpx.AsyncClient(trust_env=False) as client:
            while time.monotonic() < until:
                assert self._process.poll() is None, f"Chromium ended with {self._process.returncode}"
                lines = port_file.read_text().split() if port_file.is_file() else []
                pages = (await client.get(f"http://127.0.0.1:{lines[0]}/json/list")).json() if len(lines) == 2 else []
                if found := [one["webSocketDebuggerUrl"] for one in pages if one["type"] == "page"]:
                    return await websocket_connect(found[0], max_message_size=1 << 28)
                await asyncio.sleep(0.05)
        raise AssertionError("Chromium does not start")

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command of the protocol; its answer."""
        self._number += 1
        return self._loop.run_until_complete(self._call(self._number, method, parameters))

    async def _call(self, number: int, method: str, parameters: dict[str, Any]) -> Any:
        assert self._socket is not None
        await self._socket.write_message(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            text = await asyncio.wait_for(self._socket.read_message(), _SECONDS)
            assert text is not None, "Chromium hung up"
            message = json.loads(text)
            if message.get("method") == "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]

    def open(self, url: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Value of an expression of JavaScript, as JSON holds it."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, f"{script}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = _SECONDS) -> Any:
        """Wait until an expression is true; its value, `true` for an element.

        Raises:
            AssertionError: it is not true within `seconds`; tells what the page says.
        """
        until = time.monotonic() + seconds
        while True:
            try:
                if value := self.run(f"(found => found instanceof Node || found)({script})"):
                    return value
            except AssertionError:
                # A page that is left, or not there yet, has no such things.
                if time.monotonic() > until:
                    raise
            if time.monotonic() > until:
                raise AssertionError(f"never true: {script}\nthe page says: {self.run('document.body.innerText')}")
            self._loop.run_until_complete(asyncio.sleep(0.05))

    def click(self, script: str) -> None:
        """Click on the middle of the element that an expression gives, once it is there."""
        found = self.wait(
            f"(() => {{ const e = {script}; if (!e) return null; e.scrollIntoView({{block: 'center'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        self.drag(found, found)

    def drag(self, start: Point, end: Point) -> None:
        """Press the left button at `start`, move, and let go at `end` (pixels of the page that is seen)."""
        self._mouse("mouseMoved", start)
        self._mouse("mousePressed", start, button="left", buttons=1, clickCount=1)
        if start != end:
            for step in range(1, 9):
                x, y = (a + (b - a) * step / 8 for a, b in zip(start, end, strict=True))
                self._mouse("mouseMoved", (x, y), button="left", buttons=1)
        self._mouse("mouseReleased", end, button="left", buttons=0, clickCount=1)

    def _mouse(self, kind: str, at: Point, **more: Any) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], **more)

    def press(self, key: str, *modifiers: str) -> None:
        """Press a key and let it go: a letter, a digit, or `Enter`."""
        code = f"Digit{key}" if key.isdigit() else f"Key{key.upper()}" if len(key) == 1 else key
        number = 13 if key == "Enter" else ord(key.upper())
        held = sum(_MODIFIERS[one] for one in modifiers)
        about = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": held}
        text = {} if modifiers else {"text": "\r" if key == "Enter" else key}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def screenshot(self, path: Path) -> None:
        """Take a picture of what is seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
