"""A headless Chromium, driven over its debugging pipe; without one, what needs it is skipped."""

import base64
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Page:
    """One page of a browser."""

    def __init__(self, write, read):
        self._write, self._read = write, read
        self._last, self._session, self._buffer = 0, None, b""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        self.requests = []

    def call(self, method, **params):
        """Send a command and return its result; events between are looked at for requests."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("method") == "Network.requestWillBeSent":
                self.requests.append(found["params"]["request"]["url"])
            if found.get("id") == self._last:
                assert "error" not in found, found
                return found["result"]

    def _next(self):
        while b"\0" not in self._buffer:
            part = os.read(self._read, 1 << 20)
            assert part, "the browser has ended"
            self._buffer += part
        first, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(first)

    def open(self, path):
        """Open a file and wait until its scripts have run."""
        self.call("Network.enable")
        self.call("Page.enable")
        self.call("Page.navigate", url=Path(path).resolve().as_uri())
        self.run("new Promise(r => document.readyState === 'complete' ? r() : onload = () => r())")

    def run(self, script):
        """Return the value of an expression, or what its promise becomes."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, path, width=900, height=640, dark=False):
        """Save what is seen."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        data = self.call("Page.captureScreenshot", format="png")["data"]
        Path(path).write_bytes(base64.b64decode(data))


@contextmanager
def browser(folder):
    """Start a browser with its profile in ``folder``; yield a page, or skip where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium")
    to_browser, mine = os.pipe()
    answers, from_browser = os.pipe()

    def place():
        os.dup2(to_browser, 100)
        os.dup2(from_browser, 101)
        os.dup2(100, 3)
        os.dup2(101, 4)

    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             "--no-first-run", f"--user-data-dir={folder}", "about:blank")  # fmt: skip
    child = subprocess.Popen(
        [found, *flags], preexec_fn=place, pass_fds=(3, 4), stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Page(mine, answers)
    finally:
        child.kill()
        child.wait()
        os.close(mine)
        os.close(answers)
