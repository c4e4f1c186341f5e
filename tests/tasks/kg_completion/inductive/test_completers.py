"""The inductive completers: loaded as saved, the same under other numberings, within memory, and whole runs."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import load_completer, run
from kgzsl.tasks.kg_completion.candidate_rules import make_rule
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.inductive import (
    InductiveTask,
    InformedCompleter,
    InformedUltra,
    Rmpi,
    RmpiCompleter,
    Surroundings,
    Ultra,
    UltraCompleter,
    evaluate_drawn,
    evaluate_inductive,
)
from kgzsl.tasks.kg_completion.inductive.asking import put_aside, put_relations_aside
from kgzsl.tasks.kg_completion.inductive.protocol import InductiveProtocol
from tests.tasks.kg_completion.renumbering import renumbered

RDFS, X = "http://www.w3.org/2000/01/rdf-schema#", "http://x/"
SMALL = {
    "ultra": {"queries": 20, "others": 20},
    "informed": {"queries": 20, "others": 40},
    "rmpi": {"dim": 8, "epochs": 2, "queries": 20, "others": 10},
}


@pytest.fixture
def inductive(kg) -> KGSplit:
    """The little world, given at test time with its people and cities renamed."""
    test = [(kg.entities[h] + "x", kg.relations[r], kg.entities[t] + "x") for h, r, t in kg.test.tolist()]
    train = [(kg.entities[h], kg.relations[r], kg.entities[t]) for h, r, t in kg.train.tolist()]
    support = [(h + "x", r, t + "x") for h, r, t in train]
    return KGSplit.from_names(train, [], test, support=support, unseen_relations=["residesIn", "nationOf"])


def made(name: str, checkpoint: str, **changes):
    kinds = {"ultra": UltraCompleter, "informed": InformedCompleter, "rmpi": RmpiCompleter}
    given = {} if name == "rmpi" else {"checkpoint": checkpoint}
    return kinds[name](**{**given, **SMALL[name], **changes})


def fitted(name: str, checkpoint: str, kg: KGSplit, priors: ClassPriors, **changes):
    told = {} if name == "ultra" else {"priors": priors}
    model = made(name, checkpoint, **changes)
    return model.fit(InductiveTask.training(kg), InductiveTask.asked(kg), **told)


@pytest.mark.parametrize("name", ["ultra", "informed", "rmpi"])
def test_a_loaded_completer_scores_as_the_one_that_was_saved(name, inductive, priors, checkpoint, tmp_path):
    model = fitted(name, checkpoint, inductive, priors)
    model.save(tmp_path / "model")
    again = load_completer(tmp_path / "model", device="cpu")
    assert type(again) is type(model)
    assert again.get_params() == model.get_params()
    assert again.calibration_ == model.calibration_
    assert again.calibration_ is not None
    asked = torch.arange(7)
    for side in ("tail", "head"):
        here, there = (one.scores("residesIn", asked, side=side) for one in (again, model))
        # Evidence is worked out anew from the facts, and sums of floats depend on where in memory they are.
        assert torch.allclose(here, there, atol=1e-4) if name == "informed" else torch.equal(here, there)
    # Told of the same news, both say the same.
    for one in (model, again):
        one.grow(("newcomer",), ("worksIn",))
        news = torch.tensor([[one._entity("newcomer"), one._relation("worksIn"), one._entity("c3x")]])
        one.set_facts(torch.cat([one._known, news]))
    newcomer = torch.tensor([model._entity("newcomer")])
    assert torch.allclose(again.scores("worksIn", newcomer), model.scores("worksIn", newcomer), atol=1e-4)
    assert model.complete("livesIn", head="newcomer", k=2)[0].head == "newcomer"


def test_informed_ultra_is_loaded_as_it_was_saved(inductive, priors, tmp_path):
    torch.manual_seed(0)
    task = InductiveTask.inference(inductive)
    around = Surroundings(task.entities, task.relations, priors)
    model = InformedUltra(Ultra(8, 2).eval(), queries=20, others=30)
    with pytest.raises(InputError, match="not fitted"):
        model.save(tmp_path / "none")
    training = InductiveTask.training(inductive)
    model.fit(training.facts, Surroundings(training.entities, training.relations, priors)).about(around)
    model.save(tmp_path / "model")
    again = InformedUltra.load(tmp_path / "model").about(around)
    graph = task.graph()
    asked = task.test[:, 0], task.test[:, 1]
    assert torch.allclose(again.score(graph, *asked), model.score(graph, *asked), atol=1e-4)
    assert again.weights() == model.weights()
    model.ultra = _Constant()
    with pytest.raises(InputError, match="_Constant cannot be saved"):
        model.save(tmp_path / "other")
    with pytest.raises(InputError, match="no model here"):
        InformedUltra.load(tmp_path / "other")
    (tmp_path / "model" / "model.json").write_text(json.dumps({"format": "kgzsl.rmpi/1"}))
    with pytest.raises(InputError, match="no informed ULTRA model"):
        InformedUltra.load(tmp_path / "model")


def test_every_option_of_informed_ultra_is_among_its_params():
    changed = {
        "share": 0.3,
        "queries": 7,
        "others": 9,
        "penalty": 0.7,
        "check_queries": 3,
        "bare_queries": 0,
        "seed": 5,
    }
    assert changed.keys() == inspect.signature(InformedUltra).parameters.keys() - {"ultra"}
    assert InformedUltra(Ultra(8, 2), **changed).get_params() == changed


class _Constant:
    def score(self, graph, heads, relations, *, budget):
        return torch.zeros(len(heads), graph.num_entities)


@pytest.mark.parametrize("with_priors", [True, False])
def test_rmpi_is_loaded_as_it_was_saved(with_priors, inductive, priors, tmp_path):
    training, task = InductiveTask.training(inductive), InductiveTask.inference(inductive)
    model = Rmpi(dim=8, epochs=1)
    with pytest.raises(InputError, match="not fitted"):
        model.save(tmp_path / "none")
    given = priors if with_priors else None
    model.fit(training.facts, len(training.entities), training.relations, priors=given)
    model.save(tmp_path / "model")
    again = Rmpi.load(tmp_path / "model")
    graph = task.graph()
    assert torch.equal(
        again.about(task.relations).score_triples(graph, task.test),
        model.about(task.relations).score_triples(graph, task.test),
    )
    with pytest.raises(InputError, match="no model here"):
        Rmpi.load(tmp_path)
    (tmp_path / "model" / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError):
        Rmpi.load(tmp_path / "model")


def test_a_relation_without_a_prior_is_drawn_only_where_that_is_asked_for(inductive, priors):
    training = InductiveTask.training(inductive)
    model = Rmpi(dim=8, epochs=1).fit(training.facts, len(training.entities), training.relations, priors=priors)
    with pytest.raises(InputError, match="unheardOf"):
        model.about(["livesIn", "unheardOf"])
    vectors = model.about(["livesIn", "unheardOf"], draw=True)._vectors
    assert torch.equal(vectors[0], model.about(["livesIn"])._vectors[0])
    assert vectors[1].norm() > 0


def test_what_is_put_aside_and_drawn_hangs_on_names_alone(inductive):
    drawn = []
    for kg in (inductive, renumbered(inductive, 1)):
        task = InductiveTask.training(kg)
        asked = put_aside(task.facts, task.entities, task.relations, share=0.3, queries=9, others=5, seed=3, skip=2)
        triples = [(task.entities[h], task.relations[r], task.entities[t]) for h, r, t in asked.triples().tolist()]
        drawn.append((triples, asked.wrong.tolist(), len(asked.graph.triples)))
    assert drawn[0] == drawn[1]
    assert len(drawn[0][0]) == 2 * 9 * 6
    assert any(any(row) for row in drawn[0][1])  # some of the drawn answers are true after all


def test_facts_without_which_entities_fall_apart_stay(inductive):
    task = InductiveTask.training(inductive)
    names = task.entities, task.relations
    told = {"share": 0.9, "queries": 10, "others": 1, "seed": 0, "spare_only": True}
    left = put_aside(task.facts, *names, **told).graph
    assert len(left.triples) < len(task.facts)
    assert pieces(left.triples) == pieces(task.facts)
    tree = torch.tensor([[0, 0, 1], [1, 1, 2], [3, 0, 1], [4, 1, 4], [2, 0, 0]])
    for seed in range(5):
        left = put_aside(tree, *names, **{**told, "seed": seed}).graph.triples
        assert [4, 1, 4] not in left.tolist()  # a tie to itself holds nothing
        assert len(left) == 3
    assert len(put_aside(tree[:3], *names, **told)) == 0
    assert pieces(put_aside(task.facts, *names, **{**told, "spare_only": False}).graph.triples) != pieces(task.facts)


def pieces(triples):
    """The sets of entities that hang together."""
    import networkx

    return {frozenset(one) for one in networkx.connected_components(networkx.Graph(triples[:, [0, 2]].tolist()))}


def test_relations_put_aside_lose_all_facts_and_are_asked_for_in_turn(inductive):
    drawn = []
    for kg in (inductive, renumbered(inductive, 1)):
        task = InductiveTask.training(kg)
        told = {"share": 0.5, "queries": 7, "others": 5, "seed": 3, "each": 4}
        asked = put_relations_aside(task.facts, task.entities, task.relations, **told)
        relations = asked.relation % len(task.relations)
        assert not torch.isin(relations, asked.graph.triples[:, 1]).any()
        assert 0.5 * len(task.facts) <= len(asked.graph.triples) < len(task.facts)
        count = torch.bincount(relations)
        assert int(count.max()) <= 2 * 4
        assert int(count[count > 0].max() - count[count > 0].min()) <= 2
        triples = [(task.entities[h], task.relations[r], task.entities[t]) for h, r, t in asked.triples().tolist()]
        drawn.append((triples, asked.wrong.tolist()))
    assert drawn[0] == drawn[1]
    assert len(drawn[0][0]) == 2 * 7 * 6
    nothing = put_relations_aside(task.facts, task.entities, task.relations, **{**told, "share": 0.001})
    assert len(nothing) == 0


@pytest.mark.parametrize("name", ["ultra", "informed", "rmpi"])
def test_another_numbering_changes_no_answer(name, inductive, priors, checkpoint):
    one, other = (fitted(name, checkpoint, kg, priors) for kg in (inductive, renumbered(inductive, 5)))
    place = torch.tensor([other._entity(entity) for entity in one.entities_])
    asked = torch.arange(6)
    here, there = one.scores("residesIn", asked), other.scores("residesIn", place[asked])
    assert torch.allclose(here, there[:, place], atol=1e-3)
    assert one.calibration_.bias == pytest.approx(other.calibration_.bias, abs=1e-2)


def test_informed_weights_hang_on_names_alone(inductive, priors, checkpoint):
    weights = []
    for kg in (inductive, renumbered(inductive, 2)):
        task = InductiveTask.training(kg)
        model = InformedUltra(Ultra.from_checkpoint(checkpoint), queries=20, others=40)
        weights.append(model.fit(task.facts, Surroundings(task.entities, task.relations, priors)).weights_)
    assert torch.allclose(*weights, atol=1e-3)
    other = InformedUltra(Ultra.from_checkpoint(checkpoint), queries=20, others=40, seed=1)
    task = InductiveTask.training(inductive)
    other.fit(task.facts, Surroundings(task.entities, task.relations, priors))
    assert not torch.allclose(weights[0], other.weights_, atol=1e-3)


def test_a_budget_changes_no_score_of_rmpi_and_bounds_its_chunks(inductive, priors, monkeypatch):
    training, task = InductiveTask.training(inductive), InductiveTask.inference(inductive)
    model = Rmpi(dim=8, epochs=1).fit(training.facts, len(training.entities), training.relations, priors=priors)
    model.about(task.relations)
    graph, queries = task.graph(), task.test[:4]
    sizes: list[tuple[int, int]] = []
    network = type(model.network_)
    forward = network.enclosed

    def watched(self, edges, relations, *, prune=True):
        sizes.append((edges.count, len(edges.head)))
        return forward(self, edges, relations, prune=prune)

    monkeypatch.setattr(network, "enclosed", watched)
    whole = model.score(graph, queries[:, 0], queries[:, 1])
    largest = max(edges for _, edges in sizes)
    for budget in (1, 100_000):
        sizes.clear()
        assert torch.allclose(model.score(graph, queries[:, 0], queries[:, 1], budget=budget), whole, atol=1e-5)
        several = [edges for count, edges in sizes if count > 1]
        assert max(edges for _, edges in sizes) < largest
        assert all(4 * edges * (model.dim + 2) * 24 <= budget for edges in several)


def test_the_graph_that_is_asked_about(inductive, kg):
    apart = InductiveTask.asked(inductive)
    assert len(apart.facts) == len(inductive.support)
    assert not set(apart.entities) & set(InductiveTask.training(inductive).entities)
    assert len(InductiveTask.asked(inductive, "all").facts) == len(inductive.support) + len(inductive.train)
    # One newcomer among old acquaintances: what training showed is known.
    shared = torch.cat([inductive.support, inductive.train[:1]])
    assert len(InductiveTask.asked(replace(inductive, support=shared)).facts) == len(inductive.train) + len(shared)
    alone = InductiveTask.asked(kg)
    assert len(alone.facts) == len(kg.train)
    # A validation triple of the training graph is nothing that the graph at test time knows of.
    foreign = replace(inductive, valid=torch.cat([inductive.valid, inductive.train[:1]]))
    assert InductiveTask.asked(foreign, "given").entities == apart.entities
    assert len(InductiveTask.asked(foreign, "given").valid) == len(apart.valid)
    with pytest.raises(InputError, match="no graph that is given at test time"):
        InductiveTask.asked(kg, "given")
    with pytest.raises(InputError, match="choose auto, given or all"):
        InductiveTask.asked(kg, "some")


def test_ties_are_ranked_both_ways_as_the_other_evaluator_ranks_them(inductive, checkpoint):
    task = InductiveTask.inference(inductive)
    model = fitted("ultra", checkpoint, inductive, None, calibrate=False)
    data = task.to_kg(inductive)
    protocol = InductiveProtocol(data, [make_rule("all", data)])

    def coarse(relation, anchors, side):
        return model.scores(relation, anchors, side=side).mul(20).round()

    found = protocol.final_score({"it": model.scorer, "coarse": coarse})
    names = {"all": "kgc."}
    for ties, key in (("realistic", "kgc.mrr"), ("pessimistic", "kgc.worst_ties.mrr")):
        theirs = evaluate_inductive(model.ultra_, task.graph(), task.test, known=task.known, ties=ties)
        assert found["it"].metrics(names)[key] == pytest.approx(theirs.metrics["mrr"], abs=1e-3)
    figures = found["coarse"].metrics(names)
    assert figures["kgc.worst_ties.mrr"] < figures["kgc.mrr"]
    assert figures["kgc.worst_ties.hits@10"] <= figures["kgc.hits@10"]


def recipe(ranker, **changes):
    content = {"task": "kg_completion", "dataset": "world", "ranker": ranker, "train": {"device": "cpu"}}
    return Recipe.build({**content, **changes})


def test_a_run_with_priors_beats_its_shuffled_self(inductive, priors, checkpoint, tmp_path):
    priors.save(tmp_path / "priors.safetensors")
    ranker = {"name": "informed", "checkpoint": checkpoint, "queries": 60, "others": 200, "penalty": 0.1}
    told = [{"name": "file", "path": str(tmp_path / "priors.safetensors")}]
    result = run(recipe(ranker, priors=told), data=inductive, progress=False)
    assert [row.name for row in result.rows] == [
        "informed", "link overlap", "popularity", "shuffled ontology", "chance"
    ]  # fmt: skip
    for control in ("shuffled", "chance"):
        assert result.metrics["kgc.mrr"] > result.metrics[f"control.{control}.kgc.mrr"], control
    assert set(result.unseen) == {"residesIn", "nationOf"}
    assert result.selection["setting"] == "inductive"
    assert result.metrics["kgc.queries"] == 40
    assert any("36 entities, 36 of them not in training" in note for note in result.warnings)
    assert "kgc.worst_ties.mrr" in result.columns


def test_a_run_with_priors_goes_on_where_it_was_interrupted(kg, priors, tmp_path):
    told = recipe(
        {"name": "rmpi", "dim": 4, "epochs": 1, "queries": 10, "others": 10, "calibrate": False},
        priors=[{"name": "file", "path": str(priors.save(tmp_path / "priors.safetensors"))}],
        controls=["chance"],
    )
    whole = run(told, data=kg, out=tmp_path / "whole", progress=False)

    def cut(line):
        if "scoring" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(told, data=kg, out=tmp_path / "cut", progress=False, log=cut)
    again = run(told, data=kg, out=tmp_path / "cut", progress=False, resume=True)
    assert again.predictions == whole.predictions
    assert again.metrics["kgc.mrr"] == whole.metrics["kgc.mrr"]


def test_drawn_answers_are_those_of_the_model_asked_by_itself(inductive, checkpoint):
    ranker = {"name": "ultra", "checkpoint": checkpoint, "queries": 20}
    result = run(recipe(ranker, protocol={"negatives": 5, "seeds": [3]}), data=inductive, progress=False)
    task = InductiveTask.inference(inductive.in_name_order())
    names = task.entities, task.relations
    alone = evaluate_drawn(result.model.ultra_, task.graph(), task.test, count=5, seed=3, names=names).metrics()
    for name in ("mrr", "hits@1", "auc_pr", "auc_roc"):
        assert result.metrics[f"kgc.drawn.{name}"] == pytest.approx(alone[name], abs=1e-3)


def test_one_graph_is_learned_from_and_asked_about(kg, checkpoint):
    result = run(recipe({"name": "ultra", "checkpoint": checkpoint, "queries": 20}), data=kg, progress=False)
    assert [row.name for row in result.rows] == ["ultra", "link overlap", "popularity", "chance"]
    assert any("0 of them not in training" in note for note in result.warnings)


def test_relations_that_the_schema_lacks_are_like_themselves(inductive, priors, tmp_path):
    schema = ClassGraph.from_triples([(X + name, RDFS + "range", X + "city") for name in ("livesIn", "residesIn")])
    schema.save(tmp_path / "schema.npz")
    small = {"name": "rmpi", **SMALL["rmpi"]}
    result = run(
        recipe(small, graph={"source": str(tmp_path / "schema.npz")}, priors=["attributes"], controls=["chance"]),
        data=inductive,
        progress=False,
    )
    assert any("7 of 9 relations are not in the schema: they are like themselves" in note for note in result.warnings)
    assert result.priors.align(["knows"]).matrix.sum() == 1


def test_kinds_grow():
    schema = ClassGraph.from_triples([(X + "r", RDFS + "range", X + "city"), (X + "s", RDFS + "domain", X + "city")])
    old = EntityKinds.read(["x:city:a", "x:city:b"], ["r"], schema)
    grown = old.grown(["x:city:a", "x:city:b", "x:city:new", "x:moon:m"], ["r", "s"], schema)
    assert [grown.names[kind] for kind in grown.of.tolist()] == ["city", "city", "city", ""]
    assert grown.allowed(0, "tail")[grown.of].tolist() == [True, True, True, False]
    assert grown.allowed(1, "head")[grown.of].tolist() == [True, True, True, False]
    assert old.grown(["x:city:a", "x:city:b"], ["r"], schema).names == old.names


def test_bad_input(inductive, priors, checkpoint, tmp_path):
    with pytest.raises(InputError, match=r"the ranker 'ultra' needs a checkpoint.*ultra_3g\.pth"):
        recipe("ultra")
    with pytest.raises(InputError, match=r"'none\.pth' does not exist; get ultra_3g\.pth from"):
        run(recipe({"name": "ultra", "checkpoint": "none.pth"}), data=inductive, progress=False)
    (tmp_path / "bad.pth").write_bytes(b"not weights")
    with pytest.raises(InputError, match=r"bad\.pth.*loads safely.*get ultra_3g\.pth"):
        run(recipe({"name": "ultra", "checkpoint": str(tmp_path / "bad.pth")}), data=inductive, progress=False)
    with pytest.raises(InputError, match="there are none"):
        recipe({"name": "informed", "checkpoint": checkpoint})
    with pytest.raises(InputError, match="nothing to shuffle"):
        recipe({"name": "ultra", "checkpoint": checkpoint}, controls=["shuffled"])
    with pytest.raises(InputError, match="no control 'rules'"):
        recipe("rmpi", controls=["rules"])
    with pytest.raises(InputError, match="has no generator"):
        recipe("rmpi", generator="wgan")
    with pytest.raises(InputError, match=r"'ultra' has no option 'epochs'"):
        recipe({"name": "ultra", "checkpoint": checkpoint, "epochs": 3})
    with pytest.raises(InputError, match="facts is 'some'"):
        recipe({"name": "rmpi", "facts": "some"})
    with pytest.raises(InputError, match="head_queries is 'both'"):
        recipe({"name": "ultra", "checkpoint": checkpoint, "head_queries": "both"})
    with pytest.raises(InputError, match="share is 2"):
        recipe({"name": "informed", "checkpoint": checkpoint, "share": 2.0}, priors=["text"])
    with pytest.raises(InputError, match="no graph that is given at test time"):
        data = replace(inductive, support=inductive.support[:0])
        run(recipe({"name": "rmpi", "facts": "given"}), data=data, progress=False)
    task = InductiveTask.training(inductive)
    with pytest.raises(InputError, match="reads no priors"):
        made("ultra", checkpoint).fit(task, priors=priors)
    with pytest.raises(InputError, match="needs priors"):
        made("informed", checkpoint).fit(task)
    with pytest.raises(InputError, match="no training triple"):
        made("ultra", checkpoint).fit(replace(task, facts=task.facts[:0]))
    with pytest.raises(InputError, match="not fitted"):
        made("ultra", checkpoint).save(tmp_path / "m")
    model = made("ultra", checkpoint).fit(task)
    with pytest.raises(InputError, match="'livesIn' is there already"):
        model.grow(relations=("livesIn",))
    with pytest.raises(InputError, match="'new' is there already"):
        model.grow(("new", "new"))


@pytest.mark.parametrize("name", ["ultra", "informed", "rmpi"])
def test_classes_of_the_data_are_those_of_the_completer(name, inductive, priors, checkpoint, tmp_path):
    kinds = {"p": "person", "c": "city", "l": "land"}
    typed = replace(inductive, types={entity: (kinds[entity[0]],) for entity in inductive.entities})
    model = fitted(name, checkpoint, typed, priors, calibrate=False)
    assert {model.kinds_.names[kind] for kind in model.kinds_.of.tolist()} == {"person", "city", "land"}
    model.save(tmp_path / "model")
    again = load_completer(tmp_path / "model", device="cpu")
    again.grow(("newcomer",), types={"newcomer": ("city",)})
    assert [again.kinds_.names[kind][0] for kind in again.kinds_.of.tolist()] == [
        *(entity[0] for entity in model.entities_),
        "c",
    ]
    assert fitted(name, checkpoint, inductive, priors, calibrate=False).kinds_.told == 0
