"""The benchmark of completion and its table: small, resumed, within a budget, with what was left out."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kgzsl.benchmarks import kgc, kgc_cell, kgc_loop, kgc_table
from kgzsl.benchmarks.kgc_kept import KeptScores, kept_priors, kept_rmpi, overlap_model, popularity_model
from kgzsl.benchmarks.kgc_page import page
from kgzsl.datasets import FilterIndex, KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.kg_completion import pair_features
from kgzsl.tasks.kg_completion.inductive import FactGraph, InductiveTask, Rmpi


def test_batched_features_are_those_of_the_loop():
    assert "gap" in kgc_loop.check_features()


def test_the_check_sees_features_that_lack_a_part(monkeypatch):
    """What a benchmark that left walks out would compare."""
    whole = pair_features.amounts_of_pairs
    monkeypatch.setattr(pair_features, "amounts_of_pairs", lambda *given, **more: 0 * whole(*given, **more))
    with pytest.raises(AssertionError, match="differ from those of the loop"):
        kgc_loop.check_features()


@pytest.fixture
def small() -> KGSplit:
    random = torch.Generator().manual_seed(0)
    triples = torch.unique(torch.randint(20, (200, 3), generator=random) % torch.tensor([20, 3, 20]), dim=0)
    triples = triples[torch.randperm(len(triples), generator=random)]
    names = tuple(f"e{i}" for i in range(20)), tuple(f"r{i}" for i in range(3))
    return KGSplit(*names, train=triples[:100], valid=triples[100:110], test=triples[110:130], name="small")


@pytest.mark.slow
def test_a_small_run_reports_every_part(small, monkeypatch):
    pytest.importorskip("pykeen")
    made, grown_graph = set(), kgc.made_up

    def counted(count, entities, *given, **more):
        made.add((count, entities))
        return grown_graph(count, entities, *given, **more)

    monkeypatch.setattr(kgc, "made_up", counted)
    sizes = {"dim": 8, "pairs": 8, "entities": 50, "triples": 200, "relations": 3, "growing": (200, 2000), "queries": 2}
    found = kgc.run(data=small, laps=1, **sizes)
    rows = {row["what"]: row for row in found["rows"]}
    grown = ("pass", "pass, part by part", "epoch", "embedding epoch", "embedding epoch, entities held")
    assert list(rows) == ["ranking", "evaluation", "features", *grown]
    assert found["ratio"] == rows["ranking"]["ratio"] > 0
    assert {(2000, 666), (2000, 100)} <= made  # as many entities as fit, and as many as the smallest graph has
    assert "all rank alike" in found["checked"]
    for what in grown:
        assert len(rows[what]["seconds"]) == 2
        assert rows[what]["slopes"] == [rows[what]["slope"]]
    assert min(rows["features"][key] for key in ("ours_s", "baseline_s", "graph_s", "neighbours_s")) > 0


def test_entities_are_as_many_as_a_graph_of_its_size_has_unless_they_are_held():
    assert [kgc._grown(count, 3)[1] for count in (1_000, 10_000)] == [333, 3_333]
    facts, entities = kgc._grown(10_000, 3, kgc._entities(1_000))
    assert entities == 333
    assert len(facts) == 10_000
    assert int(facts[:, [0, 2]].max()) < 333


def test_parts_stand_side_by_side_and_share_no_entity():
    facts, entities = kgc._side_by_side(2_500, 1_000, 3)
    assert len(facts) == 2_500
    assert entities == 3 * kgc._entities(1_000)
    for place, part in enumerate(torch.split(facts, 1_000)):
        assert set((part[:, [0, 2]] // 333).flatten().tolist()) == {place}
        assert set(part[:, 1].tolist()) == {0, 1, 2}


def test_each_lap_of_ranking_makes_its_filter_anew(small, monkeypatch):
    """PyKEEN's evaluator makes what filtering needs in each call; so do both of ours."""
    from kgzsl.datasets import kg_split
    from kgzsl.priors.triples import DistMultScorer, TripleModel

    built = []

    class Counted(kgc.FilterIndex):
        def __init__(self, *given):
            built.append(len(given[0]))
            super().__init__(*given)

    class Peer:
        """Ranks as we do, without PyKEEN."""

        def __init__(self, *_):
            self.model = TripleModel(DistMultScorer(8), 20, 3, generator=torch.Generator().manual_seed(0))

        def ours(self, _scorer):
            return self.model

        def rank(self, test, split):
            known = torch.cat([split.train, split.valid, split.test])
            return kgc.rank_triples(self.model, test, FilterIndex(known, 20, 3)).mrr

    monkeypatch.setattr(kgc, "FilterIndex", Counted)
    monkeypatch.setattr(kg_split, "FilterIndex", Counted)
    monkeypatch.setattr(kgc.kge_peer, "Peer", Peer)
    taken, told = kgc._ranking(small, 20, 8, laps=2)
    assert len(taken["ours"].seconds) == len(taken["evaluator"].seconds) == 2
    assert built == [130] * 8  # two of ours, each checked once, warmed up once and timed twice
    assert "all rank alike" in told


def test_an_epoch_of_pair_features_draws_walks_and_learns(monkeypatch):
    """What is timed is the whole of the training, not steps on what was drawn before."""
    done = []
    for module, name in ((pair_features, "sample_pairs"), (pair_features, "relation_arcs")):
        true = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *given, _true=true, _name=name, **more: done.append(_name) or _true(*given, **more)
        )
    step = pair_features.PairPretraining.step
    monkeypatch.setattr(pair_features.PairPretraining, "step", lambda loop, i: done.append("step") or step(loop, i))
    assert kgc._epoch(600, 3, 50) > 0
    assert done == ["relation_arcs", "sample_pairs", *["step"] * 3]  # 150 queries, 64 at a time


def figures(value: float) -> dict:
    return {"ultra": {"mrr": value, "hits@10": value, "honest.mrr": value}, "chance": {"mrr": 0.01}}


TRAINED = ("informed", "informed, shuffled", "informed, facts alone", "schema edges", "schema edges, shuffled")


def test_the_table_goes_on_and_says_what_it_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(kgc_table, "_absent", lambda dataset: dataset.startswith("fb_ext"))
    asked = []

    def measured(cell):
        asked.append((cell["dataset"], cell["method"], cell["seed"]))
        return {"figures": figures(0.5), "seconds": 1.0, "notes": []}

    monkeypatch.setattr(kgc_table, "measure", measured)
    out = tmp_path / "kgc.md"
    options = {"out": str(out), "datasets": ["ingram_nl-0"], "isolated": False, "seeds": 2}
    first = kgc_table.run(**options, methods=["ultra"])
    assert asked == [("ingram_nl-0", "ultra", 0)]  # what is not trained has one seed
    assert first["left_out"] == []
    # What this call was not to measure is left out all the same.
    assert "- ingram_nl-0, informed, seeds 0, 1, 2, 3, 4: not measured yet" in out.read_text()
    assert "- nell_zs, evidence, seeds 0, 1, 2, 3, 4: not measured yet" in out.read_text()
    second = kgc_table.run(**options, budget=0.0)
    assert {(one["method"], one["seed"]) for one in second["left_out"]} == {
        *((method, seed) for method in TRAINED for seed in (0, 1)),
        ("link overlap", 0),
    }
    text = out.read_text()
    assert "| ultra | 0.500 | 0.500 | 0.500 | 1 |" in text
    assert "- ingram_nl-0, informed, seeds 0, 1: not begun: the time budget was spent" in text
    kgc_table.run(**options)
    assert len(asked) == 12
    rows = [json.loads(line) for line in out.with_suffix(".jsonl").read_text().splitlines()]
    assert len(rows) == 12
    assert not any("keep" in row for row in rows)  # the folder is gone when the call is over


class Counted:
    """A model that says how often it was asked, and scores by the numbers of what it is asked."""

    def __init__(self):
        self.asked = 0

    def score(self, graph, heads, relations, *, budget=0):
        self.asked += 1
        return heads[:, None] * 10.0 + relations[:, None] + torch.arange(graph.num_entities) + len(graph.triples)


@pytest.mark.parametrize("on_disk", [True, False])
def test_kept_scores_are_those_of_the_model_and_it_is_asked_once(tmp_path, on_disk):
    graphs = [FactGraph(torch.tensor([[0, 0, 1]] * count), 4, 2) for count in (1, 2)]
    heads, relations = torch.tensor([0, 3]), torch.tensor([1, 2])
    model = Counted()
    kept = KeptScores(model, str(tmp_path) if on_disk else None)
    whole = model.score(graphs[0], heads, relations)
    for _ in range(2):
        assert torch.equal(kept.score(graphs[0], heads, relations), whole)
    assert model.asked == 2
    if on_disk:  # another process finds them
        assert torch.equal(KeptScores(None, str(tmp_path)).score(graphs[0], heads, relations), whole)
    # Other queries, and another graph, are asked anew.
    assert torch.equal(kept.score(graphs[0], relations, heads), model.score(graphs[0], relations, heads))
    assert torch.equal(kept.score(graphs[1], heads, relations), whole + 1)


def test_kept_priors_are_made_once_for_what_decides_them(tmp_path):
    made = []

    def make():
        made.append(ClassPriors(("a", "b"), np.eye(2, dtype=np.float32) * (1 + len(made))))
        return made[-1]

    for told, value in ((["x", 0], 1), (["x", 0], 1), (["x", 1], 2)):
        assert kept_priors(str(tmp_path), told, make).matrix[0, 0] == value
    assert len(made) == 2
    assert kept_priors(None, ["x", 0], make).matrix[0, 0] == 3


def test_link_overlap_of_both_sides_by_hand():
    # 0 -r0-> 1 and 2 -r1-> 0; relation 2 is asked for, which is like r0 by 0.6 and like r1 by 0.8.
    graph = FactGraph(torch.tensor([[0, 0, 1], [2, 1, 0]]), 4, 3)
    model = overlap_model(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]))
    found = model.score(graph, torch.tensor([0, 0]), torch.tensor([2, 5]))
    torch.testing.assert_close(found[0], torch.tensor([0, 0.36, 0.9 * 0.64, 0]))
    torch.testing.assert_close(found[1], torch.tensor([0, 0.9 * 0.36, 0.64, 0]))


def test_popularity_of_both_sides_by_hand():
    graph = FactGraph(torch.tensor([[0, 0, 1], [2, 0, 1], [2, 0, 3], [3, 1, 0]]), 4, 2)
    found = popularity_model().score(graph, torch.tensor([0, 1]), torch.tensor([0, 2]))
    assert found.tolist() == [[0, 2, 0, 1], [1, 0, 2, 0]]


def test_a_line_that_was_cut_off_is_measured_again_and_a_damaged_record_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(kgc_table, "measure", lambda _cell: {"figures": figures(0.5), "seconds": 1.0})
    options = {"out": str(tmp_path / "t.md"), "datasets": ["ingram_nl-0"], "methods": ["ultra"], "isolated": False}
    kgc_table.run(**options)
    kept = tmp_path / "t.jsonl"
    kept.write_text(kept.read_text() + '{"dataset": "ingram')
    assert len(kgc_table.run(**options)["rows"]) == 1
    kept.write_text("nonsense\n" + json.dumps({"dataset": "x"}) + "\n")
    with pytest.raises(InputError, match="line 1"):
        kgc_table.run(**options)


def test_every_set_that_reads_a_schema_has_its_shuffled_control():
    for dataset, methods in kgc_table.CELLS.items():
        if dataset.startswith("ingram"):
            assert methods["schema edges, shuffled"] == methods["schema edges"]
            assert methods["informed, shuffled"] == methods["informed"]


def test_what_the_data_do_not_allow_is_said_on_the_page():
    told = page([], []).split("## Left out")[1]
    assert "- wiki_zs: no cell" in told
    assert "wiki_zs" not in kgc_table.CELLS


@pytest.mark.parametrize("with_priors", [True, False])
def test_rmpi_learns_once_for_the_data_sets_of_one_training_graph(tmp_path, monkeypatch, with_priors):
    fits = []
    fit = Rmpi.fit
    monkeypatch.setattr(Rmpi, "fit", lambda self, *given, **told: fits.append(1) or fit(self, *given, **told))
    facts = torch.tensor([[i, i % 3, i + 1] for i in range(12)])
    training = InductiveTask(tuple(f"e{i}" for i in range(13)), ("r0", "r1", "r2"), facts, facts[:0], facts[:0])
    rows = np.eye(5, 4, dtype=np.float32) + 0.1

    def told(*further, changed=0.0):
        names = ("r0", "r1", "r2", *further)
        return ClassPriors(names, rows[: len(names)] + np.float32(changed)) if with_priors else None

    def learned(priors, task=training, **options):
        model = kept_rmpi(str(tmp_path), Rmpi(**{"dim": 4, "epochs": 1, **options}), task, priors)
        return model.about(["r2", "new"], draw=True).score_triples(FactGraph(facts % 2, 13, 2), facts % 2)

    alone = kept_rmpi(None, Rmpi(dim=4, epochs=1), training, told("new")).about(["r2", "new"], draw=True)
    first = learned(told("new"))
    assert torch.equal(first, alone.score_triples(FactGraph(facts % 2, 13, 2), facts % 2))
    fits.clear()
    assert torch.equal(learned(told("new")), first)
    learned(told("new", "newer"))  # more is asked about, and the same is learned
    assert not fits
    learned(told("new"), seed=1)
    learned(told("new"), dim=8)
    learned(told("new"), replace(training, facts=facts[:-1]))
    assert len(fits) == 3
    learned(told("new", changed=0.5))
    assert len(fits) == 3 + with_priors


@pytest.mark.parametrize("method", ["schema edges", "schema edges, shuffled"])
def test_schema_edges_read_the_schema_and_their_control_a_wrong_one(tmp_path, monkeypatch, method):
    """On a folder in InGram's layout: what is taught are edges of the schema, or of its shuffle."""
    from kgzsl.tasks.kg_completion import inductive
    from kgzsl.tasks.kg_completion.inductive import edged_completer

    folder = tmp_path / "kg" / "ingram" / "NL-0"
    folder.mkdir(parents=True)
    names = [f"r{i}" for i in range(30)]
    facts = [f"e{i}\t{name}\te{i + 1}" for i, name in enumerate(names)]
    for part in ("train", "msg", "valid", "test"):
        (folder / f"{part}.txt").write_text("\n".join(facts if part in ("train", "msg") else facts[:1]))
    schema = [(name, "http://www.w3.org/2000/01/rdf-schema#range", f"c{i // 3}") for i, name in enumerate(names)]
    monkeypatch.setenv("KGZSL_DATA", str(tmp_path))
    monkeypatch.setattr(kgc_cell, "data_file", lambda path: path)
    monkeypatch.setattr(ClassGraph, "read", classmethod(lambda cls, _path: ClassGraph.from_triples(schema)))

    def small(_path, head_queries, meetings):
        return inductive.Ultra(8, 1, head_queries=head_queries, meetings=meetings)

    taught = []

    def watched(*given, **told):
        taught.append(given[4])
        return adapt_meetings(*given, **{**told, "steps": 1})

    adapt_meetings = edged_completer.adapt_meetings
    monkeypatch.setattr(edged_completer, "read_ultra", small)
    monkeypatch.setattr(edged_completer, "adapt_meetings", watched)
    measured = {"dataset": "ingram_nl-0", "method": method, "seed": 0, "smaller": {"test": 1}}
    found = kgc_cell.measure(measured)["figures"]
    assert set(found) == {method, "chance"}
    edges = set(map(tuple, taught[0]["range-range"].T.tolist()))
    true = {(a, b) for a in range(30) for b in range(30) if a != b and a // 3 == b // 3}
    assert (edges == true) == (method == "schema edges")
    # What was measured before chains were edges stays comparable.
    assert set(taught[0]) == set(inductive.SCHEMA_MEETINGS) - set(inductive.CHAIN_MEETINGS)


def test_pages_have_means_and_deviations():
    measured = ({"informed": {"mrr": value, "honest.mrr": 1.0}} for value in (0.2, 0.4))
    rows = [
        {"dataset": "nell_ext_rel", "method": "informed", "seed": seed, "figures": found}
        for seed, found in enumerate(measured)
    ]
    again = {**rows[0], "method": "ultra"}  # tells the same row again, as cells do with chance
    text = page(
        [*rows, again, {"dataset": "nell_zs", "method": "evidence", "seed": 0, "problem": "ended after 5 s"}], []
    )
    assert "| informed | 0.300 ± 0.141 | 1.000 ± 0.000 | 2 |" in text
    assert "- nell_zs, evidence, seed 0: ended after 5 s" in text


def test_pages_say_what_the_real_ontology_adds_seed_by_seed():
    rows = [
        {
            "dataset": "nell_zs",
            "method": "evidence",
            "seed": seed,
            "figures": {"evidence": {"mrr": real, "all.mrr": 0.3}},
        }
        for seed, real in enumerate((0.2, 0.5, 0.9))
    ]
    wrong = [
        {"dataset": "nell_zs", "method": "x", "seed": seed, "figures": {"evidence, shuffled ontology": {"mrr": value}}}
        for seed, value in ((1, 0.4), (0, 0.3))
    ]
    told = "MRR with the real ontology less that with a shuffled one, seed by seed: evidence +0.000 ± 0.141."
    assert told in page([*rows, *wrong], [])
    assert "real ontology" not in page(rows, [])


def test_remarks_stand_below_their_table_once():
    rows = [
        {
            "dataset": "ingram_wk-75",
            "method": "informed",
            "seed": seed,
            "figures": figures(0.3),
            "remarks": ["19 are not"],
        }
        for seed in range(2)
    ]
    assert page(rows, []).count("19 are not.\n") == 1


def test_relations_that_the_schema_does_not_know_are_like_themselves_alone(monkeypatch):
    monkeypatch.setattr(kgc_cell, "_PRIORS", [{"name": "attributes"}])
    label, text = "http://www.w3.org/2000/01/rdf-schema#", "http://x/"
    pairs = [("a", "One"), ("b", "One"), ("c", "Other")]
    schema = ClassGraph.from_triples([(text + name, label + "range", text + kind) for name, kind in pairs])
    rows = kgc_cell._made_priors(schema, ["a", "new", "b", "c"])
    assert rows.names == ("a", "new", "b", "c")
    unit = rows.matrix / np.linalg.norm(rows.matrix, axis=1, keepdims=True)
    cosine = unit @ unit.T
    assert cosine[1].round(6).tolist() == [0, 1, 0, 0]
    assert cosine[0, 2] == pytest.approx(1)
    assert cosine[0, 3] == pytest.approx(0, abs=1e-6)


def test_bad_names_are_refused():
    with pytest.raises(InputError, match="no data set 'nell'"):
        kgc_table.run(datasets=["nell"])
    with pytest.raises(InputError, match="no method 'magic'"):
        kgc_table.run(methods=["magic"])
    with pytest.raises(InputError, match="not on 'cuda'"):
        kgc_table.run("cuda")


def test_ultra_is_timed_beside_the_public_code(tmp_path, monkeypatch):
    from kgzsl.benchmarks import ultra

    folder = os.environ.get("KGZSL_DATA")
    if not folder or not (Path(folder) / "kg/ultra/ultra_3g.pth").is_file():
        pytest.skip("set KGZSL_DATA to a folder with kg/ultra/ultra_3g.pth and kg/ingram")
    found = ultra.run(datasets=["ingram_nl-100"], test=4, threads=1)
    row = found["rows"][0]
    assert row["queries"] == 8
    assert 0 < row["mrr"] <= 1
    # Cut short, nothing is claimed.
    assert not row["alike"]
    assert row["ratio"] is None
    assert found["ratio"] is None
    monkeypatch.setenv("KGZSL_DATA", str(tmp_path))
    with pytest.raises(InputError, match="ingram_nl-0"):
        ultra.run(datasets=["ingram_nl-0"])
    with pytest.raises(InputError, match="nothing public is known"):
        ultra.run(datasets=["nell_zs"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ingram_nl-0", "ingram_nl-75", "ingram_nl-100", "ingram_wk-75"])
def test_ultra_gives_the_public_figures(name):
    from kgzsl.benchmarks import ultra

    folder = os.environ.get("KGZSL_DATA")
    if not folder or not (Path(folder) / "kg/ultra/ultra_3g.pth").is_file():
        pytest.skip("set KGZSL_DATA to a folder with kg/ultra/ultra_3g.pth and kg/ingram")
    row = ultra.run(datasets=[name], threads=1)["rows"][0]
    assert row["mrr"] == pytest.approx(row["public_mrr"], abs=0.002)
    assert row["alike"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["rmpi", "rmpi, shuffled", "rmpi, no schema"])
def test_rmpi_has_cells_on_nell_ext(method):
    from kgzsl.benchmarks.kgc_cell import measure

    folder = os.environ.get("KGZSL_DATA")
    if not folder or not (Path(folder) / "kg/nell_ext/train.txt").is_file():
        pytest.skip("set KGZSL_DATA to a folder with kg/nell_ext and kg/nell_schema")
    assert all(method in kgc_table.CELLS[f"nell_ext_{kind}"] for kind in ("ent", "rel", "both"))
    cell = {"dataset": "nell_ext_rel", "method": method, "seed": 0, "smaller": {"epochs": 1, "dim": 8, "test": 2}}
    found = measure(cell)["figures"]
    assert set(found) == {method, "chance"}
    assert found[method]["queries"] == 4
    drawn = measure({**cell, "dataset": "nell_ext_rel@49"})["figures"]
    assert 0 < drawn[method]["mrr"] <= 1
    assert 0 < drawn[method]["auc_pr"] <= 1
    assert drawn["chance"]["mrr"] == 1 / 25.5


def test_data_that_are_absent_are_left_out_of_the_table(tmp_path, monkeypatch):
    monkeypatch.setenv("KGZSL_DATA", str(tmp_path / "nothing"))
    out = tmp_path / "t.md"
    kgc_table.run(out=str(out), datasets=["fb_ext_both"], methods=["rmpi, no schema"], isolated=False, seeds=1)
    assert "- fb_ext_both, rmpi, no schema, seed 0:" in out.read_text()
    assert "fb_ext" in out.read_text().split("## Left out")[1]
    kgc_table.run(out=str(tmp_path / "u.md"), datasets=["fb_ext_both"], isolated=False, seeds=1, budget=-1)
    told = (tmp_path / "u.md").read_text()
    assert "- fb_ext_both, rmpi, no schema, seed 0: not begun: the data are absent" in told
