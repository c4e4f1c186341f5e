"""The benchmark of the text-aware step: both sides compute the same, and a wrong gradient is found out."""

import pytest
import torch

from kgzsl import benchmarks
from kgzsl.benchmarks import text_aware
from kgzsl.priors.text_aware import TextAwareModel

KINDS = ("feline", "canine", "avian", "piscine")
SMALL = {"device": "cpu", "dim": 4, "batch_size": 8, "negatives": 5, "laps": 1}


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "graph.tsv"
    rows = [(f"{kind}_thing_{one}", f"rel{one % 2}", f"home_of_{kind}") for kind in KINDS for one in range(6)]
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    return str(path)


def test_both_sides_are_compared_and_timed(graph):
    report = benchmarks.run("text-aware", graph=graph, **SMALL)
    assert report["checked"] == "loss and gradients on one batch and pool agree to 1e-3 in float32"
    assert report["sizes"]["triples"] == 24
    assert report["ratio"] == report["baseline_s"] / report["ours_s"] > 0
    assert report["against_published"] == text_aware.PUBLISHED_S / report["ours_s"]


@pytest.mark.parametrize("part", ["nodes", "relations", "projection", "loss"])
def test_a_side_that_computes_something_else_is_found_out(graph, monkeypatch, part):
    put = TextAwareModel.put_gradients

    def wrong(model, *given):
        found = put(model, *given)
        if part == "loss":
            return {"loss": found["loss"] * 1.01}
        getattr(model, part).grad *= 1.01
        return found

    monkeypatch.setattr(TextAwareModel, "put_gradients", wrong)
    with pytest.raises(AssertionError, match="differ by"):
        text_aware.run(graph=graph, **SMALL)


def test_a_loss_left_to_autograd_is_found_out(graph, monkeypatch):
    monkeypatch.setattr(TextAwareModel, "put_gradients", lambda *given: None)
    before = torch.get_num_threads()
    with pytest.raises(AssertionError, match="not written out"):
        text_aware.run(graph=graph, **SMALL)
    assert torch.get_num_threads() == before
