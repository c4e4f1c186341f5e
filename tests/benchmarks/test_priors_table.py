import json

import numpy as np
import pytest

from kgzsl import InputError
from kgzsl.benchmarks import priors_cell, priors_table
from kgzsl.knowledge import ClassGraph

ZOO = "\n".join(
    f"{a},{b},{c}"
    for a, b, c in [("s", "r", "o")]
    + [(f"c{f}_{one}", "subClassOf", f"f{f}") for f in range(4) for one in range(8)]
    + [(f"c{f}_{one}", "likes", f"c{f}_{(one + 1) % 8}") for f in range(4) for one in range(8)]
)


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "zoo.csv"
    path.write_text(ZOO)
    return str(path)


def options(graph, tmp_path, **more):
    return {
        "out": str(tmp_path / "docs" / "priors.md"),
        "graphs": [graph],
        "encoders": ["sgc", "distmult", "poincare"],
        "options": {"distmult": {"dim": 8, "epochs": 5}, "poincare": {"dim": 4, "epochs": 3}},
        "seeds": 1,
        "isolated": False,
        **more,
    }


def test_the_table_is_filled_resumed_and_says_what_it_left_out(graph, tmp_path, monkeypatch):
    short = priors_table.run("cpu", **options(graph, tmp_path, budget=0.0))
    assert len(short["left_out"]) == 6
    assert "not begun: the time budget was spent" in (tmp_path / "docs" / "priors.md").read_text()
    whole = priors_table.run("cpu", **options(graph, tmp_path))
    assert len(whole["rows"]) == 6
    assert not whole["left_out"]
    text = (tmp_path / "docs" / "priors.md").read_text()
    for name in ("sgc", "distmult", "poincare"):
        assert f"| {name} |" in text
    assert "gains most from the real graph" in text
    assert "Left out" not in text
    # The links of a family's ring are in the graph, and not in the shuffled one.
    by = {(row["encoder"]["name"], row["shuffled"]): row["mrr"] for row in whole["rows"]}
    assert by["sgc", False] > by["sgc", True]

    def never(cell):
        raise AssertionError("measured again")

    monkeypatch.setattr(priors_table, "measure", never)
    again = priors_table.run("cpu", **options(graph, tmp_path))
    assert again["rows"] == whole["rows"]
    # Half a line at the end, as an interrupted write leaves it, is measured again.
    kept = tmp_path / "docs" / "priors.jsonl"
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join([*lines[:-1], lines[-1][:20]]))
    with pytest.raises(AssertionError, match="measured again"):
        priors_table.run("cpu", **options(graph, tmp_path))


def test_what_cannot_be_made_is_named_with_the_reason(tmp_path):
    path = tmp_path / "flat.csv"
    path.write_text("s,r,o\n" + "\n".join(f"a{one},knows,a{(one * 3 + 1) % 9}" for one in range(9)))
    found = priors_table.run("cpu", **options(str(path), tmp_path, encoders=["poincare"]))
    assert "no taxonomy" in found["rows"][0]["problem"]
    assert "no taxonomy" in (tmp_path / "docs" / "priors.md").read_text()
    with pytest.raises(InputError, match="no encoder of the table"):
        priors_table.run("cpu", encoders=["transee"])


@pytest.mark.slow
def test_cells_in_processes_of_their_own_are_ended_in_time(graph, tmp_path):
    found = priors_table.run("cpu", **options(graph, tmp_path, encoders=["sgc"], isolated=True))
    assert found["rows"][0]["memory_mb"] >= 0
    late = {"out": str(tmp_path / "late.md"), "encoders": ["sgc"], "isolated": True, "cell_budget": 0.05}
    ended = priors_table.run("cpu", **options(graph, tmp_path, **late))
    assert "ended after" in ended["rows"][0]["problem"]
    assert json.loads((tmp_path / "late.jsonl").read_text().splitlines()[0])["problem"]


def test_classes_are_found_by_their_wordnet_ids_and_those_that_the_graph_lacks_are_named(tmp_path, monkeypatch):
    """Of two senses with one label the id says which; a head that no class could be given says so."""
    wnids = [f"n0000000{one}" for one in range(4)]
    triples = [(wnid, "subClassOf", f"group{one % 2}") for one, wnid in enumerate(wnids)]
    graph = ClassGraph.from_triples(triples, labels={wnids[0]: "crane", wnids[1]: "crane"})
    monkeypatch.setitem(priors_cell.GRAPHS, "words", ("words.csv", str(tmp_path / "images.npz")))
    monkeypatch.setattr(priors_cell, "load_graph", lambda name: graph)
    rows = np.repeat(np.eye(4, dtype=np.float32), 4, axis=0)
    told = {
        "features": rows,
        "labels": np.repeat(np.arange(4), 4),
        "class_names": np.array(["crane", "heron", "lift", "hoist"]),
        "trainval_loc": np.arange(0, 6),
        "test_seen_loc": np.arange(6, 8),
        "test_unseen_loc": np.arange(8, 16),
        "unseen_classes": np.array([2, 3]),
    }
    spec = {"graph": "words", "encoder": {"name": "sgc", "base_options": {"dim": 4}}, "seed": 0, "shuffled": False}
    np.savez(tmp_path / "images.npz", wnids=np.array(wnids), **told)
    found = priors_cell.measure({**spec, "part": "classes"})
    assert 0 <= found["accuracy"] <= 100
    np.savez(tmp_path / "images.npz", **told)
    with pytest.raises(InputError, match=r"lacks 4 of the 4 classes of .*: crane, heron, lift, hoist"):
        priors_cell.measure({**spec, "part": "classes"})
    (tmp_path / "images.npz").unlink()
    with pytest.raises(InputError, match=r"images\.npz"):
        priors_cell.measure({**spec, "part": "classes"})
