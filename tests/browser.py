"""A headless Chromium, driven through two pipes in the DevTools protocol: no package is needed."""

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Browser:
    """One page; ``with Browser(folder) as page: page.open(url)``."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number, self._errors = folder, 0, []
        self.requests: list[str] = []
        """What it asked for, by URL."""

    def __enter__(self) -> "Browser":
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        os.set_inheritable(to_read, True)
        os.set_inheritable(to_write, True)

        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                 "--disable-dev-shm-usage", "--remote-debugging-pipe",
                 f"--user-data-dir={self._folder / 'profile'}", "about:blank"]  # fmt: skip
        # the browser reads commands from 3 and answers on 4
        command = f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", command, CHROMIUM, *flags],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._buffer = b""
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *problem: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)

    @property
    def errors(self) -> list[str]:
        """What the browser complained of so far."""
        self.js("0")
        return self._errors

    def call(self, method: str, **params: object) -> dict:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _receive(self) -> dict:
        while b"\0" not in self._buffer:
            part = os.read(self._read, 1 << 16)
            assert part, "the browser ended"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict) -> None:
        if event["method"] == "Network.requestWillBeSent":
            self.requests.append(event["params"]["request"]["url"])
        if event["method"] == "Runtime.exceptionThrown":
            self._errors.append(json.dumps(event["params"]["exceptionDetails"])[:500])
        if event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
            self._errors.append(event["params"]["entry"]["text"])

    def size(self, width: int, height: int, phone: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=2 if phone else 1, mobile=phone)  # fmt: skip

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def js(self, code: str) -> object:
        done = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, code: str, seconds: float = 180) -> None:
        end = time.monotonic() + seconds
        while not self.js(code):
            assert time.monotonic() < end, code
            time.sleep(0.05)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def key(self, name: str, code: str | None = None, modifiers: int = 0) -> None:
        codes = {"Enter": 13, "Escape": 27, "ArrowUp": 38, "ArrowRight": 39, "Tab": 9}
        text = {"Enter": "\r"}.get(name)
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            extra |= {"modifiers": modifiers, "windowsVirtualKeyCode": codes.get(name, 0)}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=code or name, **extra)

    def point(self, selector: str) -> None:
        box = self.js(
            f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect();"
            " return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])

    def picture(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))
