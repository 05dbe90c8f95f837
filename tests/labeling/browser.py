"""Chromium as a person uses it (mouse, keys, screenshots), through its DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from tornado.websocket import websocket_connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page of a headless Chromium that reaches this machine alone; `requested` has every address it asked for."""

    def __init__(self, folder: Path, width: int = 1500, height: int = 1000) -> None:
        assert CHROMIUM is not None
        command = [
            *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"),
            *(f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}", "--hide-scrollbars"),
            *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--disable-dev-shm-usage", "about:blank"),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._loop = asyncio.new_event_loop()
        self._number = 0
        self.requested: list[str] = []
        try:
            self._socket = self._loop.run_until_complete(self._connect(folder / "profile" / "DevToolsActivePort"))
        except BaseException:
            self.close()
            raise
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(20)
        self._loop.close()

    async def _connect(self, port_file: Path) -> Any:
        import httpx

        for _ in range(300):
            if port_file.is_file() and len(lines := port_file.read_text().split()) == 2:
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("Chromium does not start")
        async with httpx.AsyncClient(trust_env=False) as client:
            pages = (await client.get(f"http://127.0.0.1:{lines[0]}/json/list")).json()
        page = next(one for one in pages if one["type"] == "page")
        return await websocket_connect(page["webSocketDebuggerUrl"], max_message_size=1 << 28)

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command of the protocol, and take what comes until its answer is there."""
        self._number += 1
        return self._loop.run_until_complete(self._call(self._number, method, parameters))

    async def _call(self, number: int, method: str, parameters: dict[str, Any]) -> Any:
        await self._socket.write_message(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(await asyncio.wait_for(self._socket.read_message(), 60))
            if message.get("method") == "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]

    def open(self, url: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Value of an expression of JavaScript."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 60) -> Any:
        """Wait until an expression is true; its value."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if value := self.run(script):
                return value
            time.sleep(0.2)
        raise AssertionError(f"never true: {script}; the page says: {self.run('document.body.innerText')[:2000]}")

    def click(self, x: float, y: float) -> None:
        """Click with the mouse."""
        self.drag((x, y), (x, y))

    def click_on(self, script: str) -> None:
        """Click on the element that an expression gives."""
        found = self.wait(
            f"(() => {{ const e = {script}; if (!e) return null; e.scrollIntoView({{block: 'center'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        self.click(*found)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the left button at `start`, move, and let go at `end`."""
        mouse = "Input.dispatchMouseEvent"
        self.call(mouse, type="mouseMoved", x=start[0], y=start[1])
        self.call(mouse, type="mousePressed", x=start[0], y=start[1], button="left", buttons=1, clickCount=1)
        if start != end:
            for step in range(1, 9):
                x, y = (a + (b - a) * step / 8 for a, b in zip(start, end, strict=True))
                self.call(mouse, type="mouseMoved", x=x, y=y, button="left", buttons=1)
        self.call(mouse, type="mouseReleased", x=end[0], y=end[1], button="left", buttons=0, clickCount=1)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def screenshot(self, path: Path) -> None:
        """Take a picture of what is seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
