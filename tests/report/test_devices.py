"""The page on a phone and on a desk, light, dark and on paper; and how soon a page of 200 classes answers.

A real Chromium is told over its debugging pipe which device it is. ``pytest -m slow -s tests/report/test_devices.py``
prints how long the large page takes; ``KGZSL_SHOTS=FOLDER`` keeps pictures of it.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kgzsl.report import render
from kgzsl.report.explanations import render_explanations
from kgzsl.tasks.result import RunResult

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE, DESK = (390, 844), (1280, 900)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page in")

# Every piece of text with its colour and the nearest opaque background behind it; shades are drawn on a canvas, so that
# any way of writing a colour is understood.
CONTRASTS = """(() => {
  const pen = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgba = c => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = c; pen.fillRect(0, 0, 1, 1);
                      return [...pen.getImageData(0, 0, 1, 1).data]; };
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                       return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const over = (a, b) => { const t = a[3] / 255; return [0, 1, 2].map(i => a[i] * t + b[i] * (1 - t)); };
  const behind = e => { const layers = [];
    for (; e; e = e.parentElement) {
      layers.push(rgba(getComputedStyle(e).backgroundColor)); if (layers.at(-1)[3] == 255) break; }
    return layers.reverse().reduce((below, c) => over(c, below), [255, 255, 255]); };
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim();
    if (!text || e.closest('svg, script, style, select, option, datalist') || !e.getClientRects().length) continue;
    const under = behind(e), own = over(rgba(getComputedStyle(e).color), under);
    const [a, b] = [light(own), light(under)].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), text.slice(0, 60)]);
  }
  return found.sort((x, y) => x[0] - y[0]);
})()"""
OVERFLOW = """(() => { const wide = document.documentElement.clientWidth;
  return {page: document.documentElement.scrollWidth, wide,
    out: [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, svg, pre') &&
      e.getBoundingClientRect().right > wide + 1).map(e => e.tagName + '.' + e.className).slice(0, 5)}; })()"""
ANSWERED = """<script>addEventListener('load', () => {
  const find = document.getElementById('cg-find'); find.value = 'class number 170';
  find.dispatchEvent(new Event('change')); document.getElementById('cg-in').click();
  document.body.getBoundingClientRect();
  const told = document.getElementById('cg-panel').textContent.includes('class number 170');
  requestAnimationFrame(() => setTimeout(() => { window.answered = told ? performance.now() : -1; }));
});</script></body>"""

WAIT = """new Promise(done => {
  const look = () => window.answered ? done(window.answered) : setTimeout(look, 5); look(); })"""


class Browser:
    """A Chromium whose debugging protocol is spoken over a pipe."""

    def __init__(self, profile: Path) -> None:
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
        start = (
            f'exec "{CHROMIUM}" {flags} --remote-debugging-pipe --user-data-dir="{profile}" 3<&{to_read} 4>&{to_write}'
        )
        self._process = subprocess.Popen(["bash", "-c", start], pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self._numbers = itertools.count(1)
        self._rest = b""
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def close(self) -> None:
        os.close(self._write)
        os.close(self._read)
        self._process.terminate()
        self._process.wait(timeout=20)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._read, 1 << 20)
            assert more, "the browser has gone"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        return told

    def call(self, method: str, **options: Any) -> dict[str, Any]:
        number = next(self._numbers)
        sent: dict[str, Any] = {"id": number, "method": method, "params": options}
        if self._session is not None:
            sent["sessionId"] = self._session
        os.write(self._write, json.dumps(sent).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    def evaluate(self, script: str) -> Any:
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def open(self, page: Path, size: tuple[int, int], *, scheme: str = "light") -> None:
        width, height = size
        phone = size == PHONE
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=page.as_uri())
        self.evaluate("new Promise(d => document.readyState == 'complete' ? d() : addEventListener('load', () => d()))")

    def picture(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


@pytest.fixture
def pages(images: RunResult, completion: RunResult, tmp_path: Path) -> list[Path]:
    """A page of each kind."""
    told = {
        "predicted": "zebra",
        "probability": 1.0,
        "is_seen": False,
        "nearest_seen": [["horse", 0.9]],
        "runners_up": [["lion", 0.0]],
        "shared": {"horse": ["has a very long name of a part", "has hooves"]},
        "paths": {"horse": [["zebra", "subClassOf", "equine"], ["equine", "inverse of subClassOf", "horse"]]},
        "axioms": [{"text": "zebra has pattern stripes", "kind": "attribute", "triple": ["z", "p", "s"]}],
        "without": [
            {
                "removed": "zebra has pattern stripes",
                "before": 1.0,
                "after": 1.0,
                "answer": "zebra",
                "kind": "axiom",
                "scores": [9.25, 7.5],
                "leads": [4.0, 2.0],
            }
        ],
    }
    texts = {
        "images": render(images, {}),
        "completion": render(completion, {}),
        "why": render_explanations("Why: zoo", [("0", told)], "1"),
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
    return [tmp_path / f"{name}.html" for name in texts]


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_sticks_out(pages: list[Path], browser: Browser, size: tuple[int, int]) -> None:
    for page in pages:
        browser.open(page, size)
        found = browser.evaluate(OVERFLOW)
        assert found["page"] <= found["wide"] <= size[0], (page.name, found)
        assert not found["out"], (page.name, found)


def test_text_can_be_read_in_the_light_and_in_the_dark(pages: list[Path], browser: Browser) -> None:
    for page in pages:
        paper = {}
        for scheme in ("light", "dark"):
            browser.open(page, DESK, scheme=scheme)
            paper[scheme] = browser.evaluate("getComputedStyle(document.body).backgroundColor")
            found = browser.evaluate(CONTRASTS)
            assert len(found) > 10
            assert found[0][0] >= 4.5, (page.name, scheme, found[:5])
        assert paper["light"] != paper["dark"]


def test_on_paper_no_tools_are_left_and_nothing_sticks_out(pages: list[Path], browser: Browser) -> None:
    browser.open(pages[0], DESK, scheme="dark")
    browser.evaluate("for (let i = 0; i < 4; i++) document.getElementById('cg-in').click()")
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("[...document.querySelectorAll('.tools')].every(e => !e.getClientRects().length)")
    # What cannot be opened or zoomed on paper is there as it is, and nothing speaks of dragging.
    shown = "[...document.querySelectorAll('%s')].filter(e => e.getClientRects().length && e.checkVisibility()).length"
    assert browser.evaluate(shown % ".needs-js") == 0
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    names = browser.evaluate("document.querySelectorAll('#cg-labels .name').length")
    assert names == browser.evaluate(shown % "#cg-labels .name") > 5
    sizes = "[...new Set([...document.querySelectorAll('#cg-labels .name')].map(e => getComputedStyle(e).fontSize))]"
    assert browser.evaluate(sizes) == ["9.5px"]
    view = "document.querySelector('svg.graph').getAttribute('viewBox').split(' ').map(Number)"
    assert browser.evaluate(view)[:2] == [0, 0]
    folded = "[...document.querySelectorAll('details:not([open]) > :not(summary)')]"
    assert browser.evaluate(f"{folded}.length") > 1
    assert browser.evaluate(f"{folded}.every(e => e.getBoundingClientRect().height > 0 && e.checkVisibility())")
    browser.evaluate("dispatchEvent(new Event('afterprint'))")
    sheet = base64.b64decode(browser.call("Page.printToPDF", printBackground=False)["data"])
    assert sheet.startswith(b"%PDF")
    browser.call("Emulation.setEmulatedMedia", media="")


@pytest.mark.slow
def test_two_hundred_classes_answer_soon(large: RunResult, browser: Browser, tmp_path: Path) -> None:
    """Prints the median time from navigation to the frame after a search and a zoom; nothing timed is asserted."""
    text = render(large, {})
    page = tmp_path / "large.html"
    page.write_text(text.replace("</body>", ANSWERED), encoding="utf-8")
    print(f"\nlarge page: {len(text.encode()) / 1e6:.2f} MB")
    shots = os.environ.get("KGZSL_SHOTS")
    for size, scheme in itertools.product((PHONE, DESK), ("light", "dark")):
        took = []
        for _ in range(5):
            browser.open(page, size, scheme=scheme)
            took.append(float(browser.evaluate(WAIT)))
        assert min(took) > 0  # -1: the search did not answer
        print(f"{size[0]:5d} px {scheme:5}: answers after {statistics.median(took):.0f} ms (median of 5; {took})")
        found = browser.evaluate(OVERFLOW)
        assert found["page"] <= size[0], found
        assert browser.evaluate(CONTRASTS)[0][0] >= 4.5
        if shots:
            browser.picture(Path(shots) / f"{size[0]}-{scheme}.png")
    browser.call("Emulation.setEmulatedMedia", media="print")
    if shots:
        (Path(shots) / "print.pdf").write_bytes(base64.b64decode(browser.call("Page.printToPDF")["data"]))
    browser.call("Emulation.setEmulatedMedia", media="")
