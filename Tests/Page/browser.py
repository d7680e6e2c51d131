# SPDX-License-Identifier: GPL-3.0-or-later
"""Headless Chromium over its DevTools protocol: one browser, a fresh page for each picture."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

from websockets.sync.client import connect


class Browser:
    def __init__(self, *more):
        """more: flags of Chromium's"""
        self.folder = tempfile.mkdtemp(prefix="page-chromium-")
        words = ["chromium", "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={self.folder}", "--no-first-run",
                 "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
                 "--disable-sync", "--force-color-profile=srgb", *more, "about:blank"]
        if os.geteuid() == 0:
            words.insert(1, "--no-sandbox")  # Chromium refuses to make its sandbox as root
        self.log = open(Path(self.folder) / "log", "wb")
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log)
        said = Path(self.folder) / "DevToolsActivePort"
        deadline = time.monotonic() + 120
        while not (said.exists() and said.read_text().count("\n") == 1):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("chromium did not start:\n" + (Path(self.folder) / "log").read_text()[-2000:])
            time.sleep(0.1)
        self.port = int(said.read_text().split()[0])
        with urlopen(f"http://127.0.0.1:{self.port}/json/version", timeout=60) as answer:
            self.version = json.load(answer)
        self.control = Channel(self.version["webSocketDebuggerUrl"])

    def page(self, **settings):
        target = self.control.call("Target.createTarget", url="about:blank")["targetId"]
        return Page(self, target, **settings)

    def close(self):
        self.control.close()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Channel:
    """Calls and their answers; events go to `on_event` while an answer is waited for."""

    def __init__(self, url, on_event=lambda method, params: None):
        self.socket = connect(url, max_size=None, open_timeout=60)
        self.on_event = on_event
        self.number = 0

    def send(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        return self.number

    def call(self, method, **params):
        number = self.send(method, **params)
        while True:
            message = json.loads(self.socket.recv(timeout=120))
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self.take(message)

    def pump(self, seconds):
        """Takes events for that long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                self.take(json.loads(self.socket.recv(timeout=left)))
            except TimeoutError:
                return

    def take(self, message):
        if "method" in message:
            self.on_event(message["method"], message["params"])

    def close(self):
        self.socket.close()


# Before the page's own scripts: whatever its policy forbids is noted.
WATCH = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
        window.violations.push(event.violatedDirective + " " + event.blockedURI));
"""


class Page:
    def __init__(self, browser, target, width, height, scale=1, mobile=False, dark=False, credentials=None):
        self.browser, self.target, self.width, self.credentials = browser, target, width, credentials
        self.errors, self.requests, self.loaded = [], [], False
        self.channel = Channel(f"ws://127.0.0.1:{browser.port}/devtools/page/{target}", self.event)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.channel.call(domain + ".enable")
        if credentials:
            self.channel.call("Fetch.enable", handleAuthRequests=True)
        self.resize(width, height, scale, mobile)
        self.channel.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.channel.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)

    def resize(self, width, height, scale=1, mobile=False):
        self.width = width
        self.channel.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)

    def event(self, method, params):
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.errors.append(" ".join(str(word.get("value")) for word in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Fetch.requestPaused":
            self.channel.send("Fetch.continueRequest", requestId=params["requestId"])
        elif method == "Fetch.authRequired":
            user, password = self.credentials
            self.channel.send("Fetch.continueWithAuth", requestId=params["requestId"], authChallengeResponse={
                "response": "ProvideCredentials", "username": user, "password": password})

    def open(self, url):
        self.loaded = False
        number = self.channel.send("Page.navigate", url=url)
        deadline = time.monotonic() + 180
        while not self.loaded:
            if time.monotonic() > deadline:
                raise AssertionError(f"{url} did not load in three minutes")
            self.channel.pump(0.1)
        return number

    def evaluate(self, expression):
        result = self.channel.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"].get("exception", {}).get("description", "?"))
        return result["result"].get("value")

    def eventually(self, what, expression, seconds=180):
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise AssertionError(f"after {seconds} s still not: {what}")
            self.channel.pump(0.2)
        return value

    def picture(self, path):
        size = self.channel.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": self.width, "height": size["height"], "scale": 1}
        data = self.channel.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self):
        self.channel.close()
        self.browser.control.call("Target.closeTarget", targetId=self.target)
