"""The page in a real browser, headless: its script runs, and choosing a class tells of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kgzsl.report import render
from kgzsl.tasks.result import RunResult

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=3000",
    "--dump-dom",
]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page in")


def opened(page: str, script: str, folder: Path) -> str:
    """The document after its own script and then ``script`` have run."""
    file = folder / "page.html"
    watch = "window.addEventListener('error', e => document.body.dataset.error = e.message);"
    page = page.replace("<body>", f"<body><script>{watch}</script>", 1)
    file.write_text(page.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1000,800", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    assert "data-error" not in done.stdout
    return done.stdout


def test_choosing_a_class_shows_axioms_neighbours_and_mistakes(images: RunResult, tmp_path: Path) -> None:
    script = (
        "var f = document.getElementById('cg-find'); f.value = 'LION'; f.dispatchEvent(new Event('change'));"
        "var p = document.getElementById('map-pick'); p.value = 'lion'; p.dispatchEvent(new Event('change'));"
    )
    document = opened(render(images, {}), script, tmp_path)
    panel = document.split('id="cg-panel"')[1].split("</div>")[0]
    text = re.sub(r"<[^>]+>", " ", panel)
    assert "unseen: no example in training" in text
    assert re.search(r"subClassOf\s+feline", text)
    assert re.search(r"has mane &lt;b&gt;& more|has mane &lt;b&gt;&amp; more", text)
    assert "1 others" in text  # the horse has a mane too
    assert re.search(r"50 %\s+zebra", text)
    assert 'class="ring"' in document
    assert re.search(r'<g data-class="lion" class="on">', document)


def test_a_page_without_a_graph_runs_too(completion: RunResult, tmp_path: Path) -> None:
    assert "Relation by relation" in opened(render(completion, {}), "", tmp_path)


@pytest.mark.slow
def test_two_hundred_classes_can_be_searched_and_zoomed(large: RunResult, tmp_path: Path) -> None:
    script = (
        "var f = document.getElementById('cg-find'); f.value = 'class number 170';"
        "f.dispatchEvent(new Event('change'));"
        "document.getElementById('cg-in').click();"
    )
    document = opened(render(large, {}), script, tmp_path)
    panel = re.sub(r"<[^>]+>", " ", document.split('id="cg-panel"')[1].split("</div>")[0])
    assert "class number 170" in panel
    assert "unseen: no example in training" in panel
    width = float(re.findall(r'class="chart graph[^"]*"[^>]*viewBox="[-\d.]+ [-\d.]+ ([\d.]+)', document)[0])
    assert width < 600  # the drawing is about 1,000 wide before it is zoomed
