"""Chromium on this machine, driven over its DevTools protocol through a pipe: no driver, no library, no port."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--autoplay-policy=user-gesture-required",
    "--remote-debugging-pipe",
)
PATIENCE_S = 30.0
PHONE, DESKTOP = (390, 844), (1280, 900)
KEYS = {"Enter": (13, "\r"), "Tab": (9, ""), " ": (32, " "), "Escape": (27, ""), "ArrowRight": (39, "")}


class Page:
    """One tab.  `problems` are the errors of its script and of its policy, as the browser reports them."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser, self._session = browser, session
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    @property
    def problems(self) -> list[str]:
        return self._browser.problems

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def look(self, size: tuple[int, int] = DESKTOP, dark: bool = False, motion: bool = False) -> None:
        """As a screen of this size, in this scheme, shows it."""
        width, height = size
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        calm = {"name": "prefers-reduced-motion", "value": "no-preference" if motion else "reduce"}
        self.call("Emulation.setEmulatedMedia", features=[scheme, calm])

    def open(self, url: str) -> None:
        for one in ("about:blank", url):  # so that a fragment alone is a new page too
            self.call("Page.navigate", url=one)
        self.wait("location.href != 'about:blank' && document.readyState == 'complete'")

    def value(self, script: str) -> Any:
        """What an expression gives, promises awaited.  Raises AssertionError with the script's own error."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=False
        )
        assert "exceptionDetails" not in found, f"{script}: {found['exceptionDetails']}"
        return found["result"].get("value")

    def wait(self, condition: str, patience_s: float = PATIENCE_S) -> None:
        """Until an expression is true.  Raises AssertionError that shows the page."""
        end = time.monotonic() + patience_s
        while not self.value(f"!!({condition})"):
            if time.monotonic() > end:
                seen = self.value("document.body.innerText")[:1500]
                raise AssertionError(f"{condition} was never true; problems {self.problems}; page:\n{seen}")
            time.sleep(0.03)

    def type(self, text: str) -> None:
        """Into what has the focus."""
        self.call("Input.insertText", text=text)

    def press(self, key: str, hold_s: float = 0.0, shift: bool = False) -> None:
        code, text = KEYS.get(key, (ord(key[0]), key))
        about = {
            "key": key,
            "code": "Space" if key == " " else key,
            "windowsVirtualKeyCode": code,
            "modifiers": 8 * shift,
        }
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        time.sleep(hold_s)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def click(self, selector: str, hold_s: float = 0.0) -> None:
        """With the mouse, where the element is; it is scrolled into view."""
        x, y = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        about = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **about)
        time.sleep(hold_s)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **about)

    def picture(self, path: Path, whole: bool = False) -> None:
        """A PNG of what is seen, or of the whole page."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))


class Browser:
    """A running Chromium, by the two ends of its pipe."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write, self._number, self._buffer = read, write, 0, b""
        self.problems: list[str] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The answer to one command; what the pages report in the meantime is kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            found = self._message()
            if found.get("id") == self._number:
                assert "error" not in found, f"{method}: {found['error']}"
                result: dict[str, Any] = found["result"]
                return result
            self._keep(found)

    def new_page(self) -> Page:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        return Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])

    def _keep(self, found: dict[str, Any]) -> None:
        params = found.get("params", {})
        if found.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"].get("exception", params["exceptionDetails"])))
        if found.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select.select([self._read], [], [], PATIENCE_S)[0], f"Chromium is silent for {PATIENCE_S:g} s"
            piece = os.read(self._read, 1 << 20)
            assert piece, "Chromium has ended"
            self._buffer += piece
        one, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(one)
        return message


@contextmanager
def chromium(folder: Path, flags: Sequence[str] = ()) -> Iterator[Browser]:
    """Running inside the block, with a profile of its own in the folder."""
    assert CHROMIUM, "install Debian's package `chromium`"
    ours, theirs = _pipe(), _pipe()
    # Chromium reads from file 3 and writes to file 4.
    launch = f'exec "$@" 3<&{ours[0]} 4>&{theirs[1]}'
    command = ["bash", "-c", launch, "bash", CHROMIUM, *FLAGS, f"--user-data-dir={folder}", *flags, "about:blank"]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    os.close(ours[0])
    os.close(theirs[1])
    try:
        yield Browser(theirs[0], ours[1])
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(theirs[0])
        os.close(ours[1])


def _pipe() -> tuple[int, int]:
    """Its ends, numbered above those that are redirected."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in low)
    for one in low:
        os.close(one)
    return high[0], high[1]
