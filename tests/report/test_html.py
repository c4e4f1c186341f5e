"""The page: valid, whole in itself, honest in its first lines, readable without seeing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from kgzsl.report import record_environment, render
from kgzsl.report.page_parts import lead, relations_part, selection_part, verdict_lines
from kgzsl.tasks.result import RunResult

VOID = {"meta", "link", "br", "hr", "img", "input", "source", "area", "base", "col", "embed", "track", "wbr"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and gathers what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.texts.append(data)

    def ids(self) -> list[str]:
        return [attrs["id"] or "" for _, attrs in self.tags if "id" in attrs]


@pytest.fixture
def text(images: RunResult) -> str:
    return render(images, record_environment(command=["kgzsl", "run", "animals.yaml", "--out", "x"], seeds=[0, 1]))


def test_page_is_well_formed_with_distinct_ids_and_one_h1(text: str) -> None:
    page = Page(text)
    assert len(page.ids()) == len(set(page.ids()))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1
    assert text.startswith("<!doctype html>")
    assert ("html", {"lang": "en"}) in page.tags
    for _, attrs in page.tags:
        for name in ("aria-labelledby", "for", "list"):
            assert set((attrs.get(name) or "").split()) <= set(page.ids())


def test_page_loads_nothing(text: str) -> None:
    for tag, attrs in Page(text).tags:
        assert tag not in {"img", "iframe", "object", "embed", "link"}
        assert "src" not in attrs
        assert not (attrs.get("href") or "#").startswith(("http", "//"))
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", text)


def test_every_drawing_has_a_title_and_a_description(text: str) -> None:
    drawings = [attrs for tag, attrs in Page(text).tags if tag == "svg" and attrs.get("aria-hidden") != "true"]
    assert len(drawings) == 5  # seen-unseen, class graph, map, confusion, one training curve
    for attrs in drawings:
        assert attrs["role"] == "img"
        title, description = (attrs["aria-labelledby"] or "").split()
        assert re.search(rf'<title id="{title}">[^<]+</title><desc id="{description}">[^<]+</desc>', text)


def test_tables_have_headed_rows_and_columns(text: str) -> None:
    assert all(attrs.get("scope") in {"row", "col"} for tag, attrs in Page(text).tags if tag == "th")


def test_texts_of_an_ontology_cannot_break_out(text: str) -> None:
    assert "<script>alert" not in text
    assert "mane <b>" not in text.replace("\\u003c", "").split('id="graph-data"')[0]
    page = Page(text)
    data = json.loads(page.scripts[0])
    zebra = next(node for node in data["nodes"] if node["n"] == "zebra")
    assert "</script><script>alert(1)</script>" in zebra["t"]
    assert "one <warning>" in page.texts


def test_graph_data_has_states_axioms_neighbours_and_errors(text: str) -> None:
    data = json.loads(Page(text).scripts[0])
    nodes = {node["n"]: node for node in data["nodes"]}
    assert {name: node["s"] for name, node in nodes.items()} == {
        "zebra": 2, "lion": 2, "cat": 1, "horse": 1, "feline": 0, "equine": 0, "animal": 0,
    }  # fmt: skip
    place = [node["n"] for node in data["nodes"]]
    said = {(data["relations"][r], place[o] if o >= 0 else data["others"][-1 - o]) for r, o in nodes["zebra"]["a"]}
    assert said == {("subClassOf", "equine"), ("has", "stripes")}
    # priors: zebra (1.5, .5, .5), cat (.5, .5, 1.5), horse (.5, .5, .5); |zebra|² = 2.75, zebra·cat = 1.75,
    # zebra·horse = 1.25, |horse|² = .75
    near = [(place[i], value) for i, value in nodes["zebra"]["p"]]
    assert near == [
        ("horse", pytest.approx(1.25 / np.sqrt(2.75 * 0.75), abs=1e-3)),
        ("cat", pytest.approx(1.75 / 2.75, abs=1e-3)),
    ]
    assert nodes["zebra"]["v"] == 80.0  # 8 of 10
    assert nodes["lion"]["e"] == [["zebra", 0.5]]


def test_verdict_comes_before_the_table_and_says_when_the_method_loses(images: RunResult) -> None:
    for seed in images.per_seed:
        seed["control.baseline.gzsl.harmonic"] = 45.0
    text = render(images.refresh(), {})
    assert text.index("does not beat ESZSL") < text.index("<table")
    assert lead(images) == "Better than its baselines and controls in 3 of 4 comparisons only."
    assert [line["kind"] for line in verdict_lines(images.verdicts)] == ["poor", "good", "good", "good"]


def test_lead_over_the_spread_alone_counts() -> None:
    lines = verdict_lines(["a is above b, but within the spread of the seeds: T1 1 against 2"])
    assert [line["kind"] for line in lines] == ["unsure"]


def test_an_oracle_run_is_no_victory() -> None:
    (line,) = verdict_lines(["ORACLE SELECTION: settings were chosen on test labels"])
    assert (line["kind"], line["word"]) == ("poor", "! Note")


def test_table_shows_means_spreads_and_roles(text: str) -> None:
    # 50 and 52: mean 51, sample standard deviation sqrt(2)
    assert "51.0 ± 1.4" in text
    assert '<tr class="baseline"><th scope="row">ESZSL<span class="role">baseline' in text
    assert '<tr class="control"><th scope="row">shuffled ontology<span class="role">control' in text


def test_transductive_and_oracle_runs_are_stamped() -> None:
    told = dict(selection_part({"setting": "transductive", "oracle": True, "by": "test labels"}))
    assert told["setting"].startswith("TRANSDUCTIVE")
    assert told["oracle"].startswith("YES")
    assert "oracle" not in dict(selection_part({"oracle": False}))


def test_relations_are_told_one_by_one(completion: RunResult) -> None:
    table = relations_part(completion)
    assert table is not None
    # capital: ranks 1 and 4: MRR (1 + 1/4) / 2 = 0.625; borders: rank 20: 0.05
    assert table["rows"] == [["borders", "1", "0.050", "0.000", "20"], ["capital", "2", "0.625", "1.000", "2.5"]]
    page = render(completion, {})
    Page(page)
    assert "does not beat link overlap" in page
    assert "Confusion" not in page


def test_a_bare_result_still_makes_a_page() -> None:
    Page(render(RunResult("image_classification", "nothing"), {}))


def test_page_of_many_classes_stays_small(images: RunResult) -> None:
    from kgzsl.knowledge import ClassGraph

    triples = [(f"class {i}", "subClassOf", f"group {i % 40}") for i in range(600)]
    triples += [(f"group {i}", "subClassOf", "thing") for i in range(40)]
    triples += [(f"class {i}", "has", f"part {j}") for i in range(600) for j in range(i % 7)]
    images.graph = ClassGraph.from_triples(triples)
    images.seen = [f"class {i}" for i in range(500)]
    images.unseen = [f"class {i}" for i in range(500, 600)]
    images.priors = None
    images.names["confusion"] = images.unseen
    images.arrays["confusion"] = np.random.default_rng(0).integers(0, 3, (100, 100))
    page = render(images.refresh(), {})
    assert "500 seen and 100 unseen classes under 41 ancestors" in page
    assert len(page.encode()) < 2_000_000
