"""A headless Chromium that is told what to do through pipes, by its DevTools protocol."""

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page in a browser; what it asked for and what it complained of is kept.

    Attributes
    ----------
    requests : addresses that the page asked for
    complaints : errors and warnings of its console, and what was thrown
    """

    def __init__(self, folder: Path, width: int = 1280, height: int = 1000, dark: bool = False) -> None:
        assert CHROMIUM
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._number, self._rest = 0, b""
        to_browser, self._to = os.pipe()
        self._from, from_browser = os.pipe()
        words = [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe",
            f"--user-data-dir={folder}", "about:blank",
        ]  # fmt: skip
        # The browser reads from descriptor 3 and writes to 4; a shell puts them there.
        script = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *words],
            pass_fds=(to_browser, from_browser), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._session = ""
        pages = self.call("Target.getTargets")["targetInfos"]
        target = next(page["targetId"] for page in pages if page["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.look(width, height, dark)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._to)
        os.close(self._from)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._from, 1 << 20)
            assert more, "the browser has ended"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        found = json.loads(message)
        known = found.get("params", {})
        match found.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(known["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(known["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if known["type"] in ("error", "warning", "assert"):
                self.complaints.append(json.dumps(known["args"]))
            case "Log.entryAdded" if known["entry"]["level"] in ("error", "warning"):
                self.complaints.append(known["entry"]["text"])
        return found

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (found := self._next()).get("id") != self._number:
            pass
        assert "error" not in found, found
        return found["result"]

    def look(self, width: int = 1280, height: int = 1000, dark: bool = False) -> None:
        """Set the size of the window, and whether the system is dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def fresh(self, address: str, ready: str = "document.readyState === 'complete'") -> None:
        """Open a page as if it were the first one: what was asked for and complained of before is forgotten."""
        self.open("about:blank")
        self.requests.clear()
        self.complaints.clear()
        self.open(address, ready)

    def left(self) -> set[str]:
        """Return the addresses that were asked for, without what is in the page itself."""
        return {one.partition("#")[0] for one in self.requests if not one.startswith(("data:", "blob:", "about:"))}

    def move(self, x: float, y: float) -> None:
        """Move the pointer."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def run(self, script: str) -> Any:
        """Return what an expression gives, awaited."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = 20) -> Any:
        """Return what an expression gives as soon as it gives something."""
        end = time.monotonic() + seconds
        # While a page is being replaced there may be no document to ask.
        asked = f"(() => {{ try {{ return {script} }} catch {{ return null }} }})()"
        while not (found := self.run(asked)):
            assert time.monotonic() < end, f"{script}: {self.complaints}"
            time.sleep(0.01)
        return found

    def open(self, address: str, ready: str = "document.readyState === 'complete'") -> None:
        """Open a page and wait until it is ready."""
        self.call("Page.navigate", url=address)
        self.wait(ready)

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def picture(self, path: Path, whole: bool = False) -> None:
        """Save what is seen as PNG."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))
