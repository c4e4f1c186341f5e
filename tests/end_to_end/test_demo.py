"""The demo, with two tiny recipes in place of the embedded ones: tables, reports, time and memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kgzsl.cli import recipes


@pytest.fixture
def small(zoo, countries, monkeypatch: pytest.MonkeyPatch):
    """The command line in a folder where the demo's recipes are small ones."""
    files = {"latin_characters": zoo.recipe, "geography": countries.folder / "geo.yaml"}
    monkeypatch.setattr(recipes, "shipped_recipes", lambda: files)
    return zoo


def test_demo_runs_both_tasks_with_controls(small) -> None:
    done = small.kgzsl("demo", "--out", "demo")
    assert done.code == 0, done.err
    for part in ("ESZSL", "shuffled ontology", "chance", "link overlap", "report: demo/images/report.html"):
        assert part in done.out
    assert done.out.count("shuffled ontology") >= 2
    assert "MB of memory at most" in done.out.splitlines()[-1]
    for part in ("images", "kgc"):
        assert (small.folder / "demo" / part / "metrics.json").exists()
    again = small.kgzsl("demo", "kgc", "--out", "demo", "--json")  # a demo may be given again
    values = json.loads(again.out)
    assert list(values["parts"]) == ["kgc"]
    assert values["seconds"] > 0
    assert values["peak_memory_mb"] > 0


def test_demo_does_not_overwrite_what_is_no_run(small, refused) -> None:
    (small.folder / "images").mkdir()
    (small.folder / "images" / "holiday.jpg").write_bytes(b"")
    refused(small.kgzsl("demo", "images", "--out", "."), "images", "holds no run")
    assert (small.folder / "images" / "holiday.jpg").exists()


def test_an_interrupted_demo_says_how_to_go_on(small, monkeypatch: pytest.MonkeyPatch) -> None:
    from kgzsl.tasks import image_classification

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(image_classification, "run", stop, raising=False)
    done = small.kgzsl("demo", "--out", "demo")
    assert done.code == 130
    out = Path("demo") / "images"
    assert done.err.strip().endswith(f"kgzsl run latin_characters --seeds 1 --out {out} --resume")


def test_the_embedded_recipes_are_there() -> None:
    found = recipes.shipped_recipes()
    assert {"latin_characters", "geography"} <= set(found)
