"""The picture of an explanation says what the explanation says, as SVG and as PNG."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from kgzsl import InputError
from kgzsl.report.explanation_picture import explanation_picture, write_explanation_picture
from kgzsl.report.explanations import render_explanations

TOLD: dict[str, Any] = {
    "predicted": "zebra <b>",
    "probability": 0.875,
    "is_seen": False,
    "runners_up": [["pig", 0.1]],
    "nearest_seen": [["horse", 0.9], ["tiger", 0.4], ["wolf", -0.1]],
    "shared": {"horse": ["has part hooves"]},
    "paths": {
        "horse": [["zebra", "subClassOf", "equid"], ["equid", "inverse of subClassOf", "horse"]],
        "tiger": [["zebra", "resembles", "tiger"]],
        "wolf": [],
    },
    "without": [
        {
            "removed": "zebra has pattern stripes",
            "kind": "axiom",
            "before": 0.875,
            "after": 0.25,
            "answer": "pig",
            "scores": [3.0, 1.0],
            "leads": [2.0, -0.5],
            "way": "joined",
            "how": "the class joins anew",
        }
    ],
    "axioms": [{"text": "zebra has pattern stripes", "kind": "attribute", "triple": ["a", "b", "c"]}],
}
SVG = "{http://www.w3.org/2000/svg}"


def test_the_svg_draws_ways_arrows_and_what_is_left_of_the_lead() -> None:
    root = ElementTree.fromstring(explanation_picture("0", TOLD, alone=True))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"zebra <b>", "88%", "equid", "horse", "cosine 0.90", "resembles", "no path in the graph"} <= set(texts)
    assert "without zebra has pattern stripes" in texts
    assert "2 → -0.5; then pig" in texts
    edges = [path for path in root.iter(f"{SVG}path") if "edge" in path.get("class", "")]
    heads = [path.get("d") for path in root.iter(f"{SVG}path") if path.get("class") == "head"]
    assert len(edges) == 4  # two to the horse, one each to tiger and wolf
    assert [path.get("class") for path in edges].count("edge none") == 1
    assert [re.search(r"l(-?\d+)", told)[1] for told in heads] == ["-8", "8", "-8"]  # out, back from the horse, out
    drawn = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") in ("was", "then")]
    bars = {rect.get("class"): float(rect.get("width")) for rect in drawn}
    assert bars["was"] == pytest.approx(4 * bars["then"], abs=0.02)  # a lead of 2, and half behind
    spoken = next(root.iter(f"{SVG}desc")).text
    assert "like horse, cosine 0.90: zebra subClassOf equid inverse of subClassOf horse" in spoken


def test_both_formats_are_written_and_others_are_refused(tmp_path) -> None:
    from matplotlib.image import imread

    write_explanation_picture(tmp_path / "why.png", "0", TOLD)
    write_explanation_picture(tmp_path / "why.svg", "0", TOLD)
    pixels = imread(tmp_path / "why.png")
    height = float(ElementTree.parse(tmp_path / "why.svg").getroot().get("height"))
    assert pixels.shape[:2] == (round(2 * height), 1720)
    box = np.asarray(pixels[..., :3]).mean(axis=2) < 0.5
    assert box[:, 16].any()  # the left edge of the answer's box
    assert box[:, 1352].any()  # and of the like classes'
    with pytest.raises(InputError, match=r"name it \.svg or \.png"):
        write_explanation_picture(tmp_path / "why.gif", "0", TOLD)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["why.png", "why.svg"]


def test_the_page_says_how_an_axiom_was_taken_and_shows_the_picture() -> None:
    page = render_explanations("Why: zoo", [("0", TOLD)], "1")
    assert "An axiom is taken away thus: the class joins anew." in page
    assert "zebra &lt;b&gt;" in page
    assert "zebra <b>" not in page
    assert page.count("<svg") == 1


def test_nothing_alike_and_nothing_taken_is_still_a_picture() -> None:
    bare = {**TOLD, "nearest_seen": [], "paths": {}, "without": []}
    root = ElementTree.fromstring(explanation_picture("0", bare, alone=True))
    assert [text.text for text in root.iter(f"{SVG}text")] == ["zebra <b>", "88%"]
