#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status page in headless Chromium: what it looks like (idle, starting, busy, warning, failing; phone and desktop; light and dark), and that it
lives.

    page.py [FOLDER]                 the pages that the unit test StatusPageFiles has written there; without FOLDER it is run first
    page.py --live URL [--name NAME] [--token-file F] [--end COMMAND]
                                     the page of a running agent; NAME begins the pictures' names; URL is http://…, or unix:/path/of/admin.sock; COMMAND ends that
                                     agent, after which the page must say so

Pictures go to $ARTIFACTS, else .build/screenshots."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PYTHON = subprocess.run([HERE / "install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path.append(str(HERE))

from browser import Browser  # noqa: E402
from prometheus_client.openmetrics import parser as openmetrics  # noqa: E402
from stage import Stage, forward  # noqa: E402

STATES = ("idle", "starting", "busy", "warning", "failing")
SIZES = {
    "phone": dict(width=360, height=780, scale=2, mobile=True),
    "desktop": dict(width=1280, height=900),
}
# Looked at by the rules only: the narrowest phone, a tablet, a wide desktop.
OTHER_SIZES = (dict(width=320, height=640, scale=2, mobile=True), dict(width=768, height=1024), dict(width=1920, height=1080))
PICTURES = Path(os.environ.get("ARTIFACTS", ROOT / ".build/screenshots"))
FORWARDED = {}
OPEN_ALL = "for (const details of document.querySelectorAll('details')) details.open = true"


def say(*words):
    print(*words, flush=True)


def look(page, what, origin):
    """Nothing reaches over the edge, is cut, too pale or forbidden, and nothing came from elsewhere."""
    page.channel.pump(0.2)
    wrong = page.evaluate((HERE / "looks.js").read_text().replace("WIDTH", str(page.width)))
    wrong += [f"error: {error}" for error in page.errors]
    wrong += [f"asked for {url}" for url in page.requests if not url.startswith(origin)]
    assert not wrong, f"{what}:\n  " + "\n  ".join(wrong)


def pictures(browser, url, state):
    """of one state, closed and with everything opened"""
    for size, settings in SIZES.items():
        for dark in (False, True):
            what = f"{state}-{size}-{'dark' if dark else 'light'}"
            page = browser.page(dark=dark, **settings, **credentials())
            page.open(url)
            look(page, what, url)
            page.picture(PICTURES / f"{what}.png")
            page.evaluate(OPEN_ALL)
            look(page, what + ", all open", url)
            page.picture(PICTURES / f"{what}-open.png")
            page.close()
    for settings in OTHER_SIZES:
        page = browser.page(**settings, **credentials())
        page.open(url)
        look(page, f"{state} at {settings['width']}", url)
        page.evaluate(OPEN_ALL)
        look(page, f"{state} at {settings['width']}, all open", url)
        page.close()
    say(f"pictures of {state}: nothing cut, nothing forbidden")


def without_script(browser, stage, url):
    """all of it is there without JavaScript"""
    stage.state = "failing"
    page = browser.page(**SIZES["phone"])
    page.open(url)
    with_script = page.evaluate("document.querySelectorAll('#live *').length")
    page.close()
    page = browser.page(**SIZES["phone"])
    page.channel.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(url)
    document = page.channel.call("DOM.getDocument", depth=0)["root"]["nodeId"]
    found = page.channel.call("DOM.querySelectorAll", nodeId=document, selector="#live *")["nodeIds"]
    assert len(found) == with_script > 200, (len(found), with_script)
    page.close()
    say("without JavaScript: the same", len(found), "elements")


def escaped(browser, stage, url):
    """what customers write is text"""
    stage.state = "failing"
    page = browser.page(**SIZES["desktop"])
    page.open(url)
    assert page.evaluate("document.scripts.length") == 1
    assert page.evaluate("document.querySelectorAll('#live img, #live script, #live b[onmouseover]').length") == 0
    assert "<script>alert(1)</script>" in page.evaluate("document.body.textContent")
    page.close()
    say("markup in names stays text")


def lives(browser, stage, url):
    """changes come in by themselves; what is open, selected or scrolled to stays; a silent agent is said to be silent"""
    stage.state = "busy"
    page = browser.page(**SIZES["desktop"])
    page.open(url)
    page.evaluate("""{
        const job = document.querySelectorAll('details.job')[2];
        job.open = true;
        window.kept = job;
        window.scrollTo(0, 300);
        const code = job.querySelector('dd code').firstChild;
        getSelection().setBaseAndExtent(code, 2, code, 10);
    }""")
    seen = "[kept.id, kept.open && kept.isConnected, String(getSelection())]"
    before = page.evaluate(seen)
    assert before[1] and len(before[2]) == 8 and page.evaluate("scrollY") == 300, before
    stage.state = "failing"
    page.eventually("the change is shown", "document.getElementById('health').classList.contains('failure')")
    assert page.evaluate("document.title").startswith("✕ ")
    assert page.evaluate("document.querySelectorAll('#live img, #live script').length") == 0
    after = page.evaluate(seen)
    assert after == before and page.evaluate("scrollY") >= 300, (before, after)
    assert page.evaluate("document.querySelectorAll('details.job').length") == 13
    look(page, "after a change", url)

    port = stage.port
    stage.close()
    page.eventually("the silence is shown", "!document.getElementById('gone').hidden")
    words = page.evaluate("document.getElementById('gone').textContent")
    assert "does not answer" in words and "systemctl status" in words, words
    assert page.evaluate("kept.open")
    page.picture(PICTURES / "no-answer-desktop-light.png")
    stage = Stage(stage.folder, "idle", port)
    page.eventually("it is back", "document.getElementById('gone').hidden")
    page.eventually("the other state is shown", "document.querySelectorAll('details.job').length === 0")
    page.errors.clear()  # the browser's own words for the requests without an answer
    look(page, "after the silence", url)
    page.close()
    stage.close()
    say("it lives: changes are shown, silence is said")


# MARK: a running agent


def credentials():
    return dict(credentials=("admin", FORWARDED["token"])) if FORWARDED.get("token") else {}


def ask(url, path):
    """Status, headers and text of an answer."""
    request = Request(url + path)
    if FORWARDED.get("token"):
        request.add_header("Authorization", "Bearer " + FORWARDED["token"])
    with urlopen(request, timeout=60) as answer:
        return answer.status, answer.headers, answer.read().decode()


def live(browser, url, name, end):
    """the page and the metrics of a running agent"""
    pictures(browser, url, name)
    status, headers, text = ask(url, "metrics")
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0"), headers
    families = list(openmetrics.text_string_to_metric_families(text))
    assert len(families) > 10 and all(family.name.startswith("grid_agent_") for family in families), families
    say(f"metrics: {len(families)} families in order")

    page = browser.page(**SIZES["desktop"], **credentials())
    page.open(url)
    first = page.evaluate("document.getElementById('as-of').textContent")
    page.eventually("the page updates itself", f"document.getElementById('as-of').textContent !== {first!r}", 120)
    look(page, "live, after an update", url)
    if end:
        subprocess.run(end, shell=True, check=True)
        page.eventually("the silence is shown", "!document.getElementById('gone').hidden", 120)
        page.picture(PICTURES / f"{name}-no-answer.png")
        say("the agent ended, and the page says so")
    page.close()


def rendered(browser, folder):
    stage = Stage(folder, STATES[0])
    for state in STATES:
        stage.state = state
        pictures(browser, stage.url, state)
        families = list(openmetrics.text_string_to_metric_families((folder / f"{state}.metrics").read_text()))
        say(f"metrics of {state}: {len(families)} families in order")
    without_script(browser, stage, stage.url)
    escaped(browser, stage, stage.url)
    lives(browser, stage, stage.url)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--live", metavar="URL")
    parser.add_argument("--name", default="live")
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--end", metavar="COMMAND")
    options = parser.parse_args()
    PICTURES.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    browser = Browser()
    try:
        if options.live:
            if options.token_file:
                FORWARDED["token"] = options.token_file.read_text().strip()
            url = options.live
            if url.startswith("unix:"):
                url = f"http://127.0.0.1:{forward(url.removeprefix('unix:'))}/"
            live(browser, url if urlsplit(url).path else url + "/", options.name, options.end)
        else:
            folder = options.folder
            if folder is None:
                folder = ROOT / ".build/pages"
                subprocess.run(
                    ["swift", "test", "--skip-build", "--filter", "StatusPageFiles"], cwd=ROOT, check=True,
                    env=os.environ | {"PAGE_OUT": str(folder)})
            rendered(browser, folder)
        say(f"page: all well with {browser.version['Browser']}, {time.monotonic() - begin:.0f} s; pictures in {PICTURES}")
    finally:
        browser.close()


main()
