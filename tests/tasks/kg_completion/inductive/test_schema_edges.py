"""What an ontology says of relations as edges of ULTRA's relation graph: answers, files, new facts, whole runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.priors import make
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import load_completer, run
from kgzsl.tasks.kg_completion.explanation import explain_completion
from kgzsl.tasks.kg_completion.inductive import (
    MEETINGS,
    SCHEMA_MEETINGS,
    FactGraph,
    InductiveTask,
    InformedCompleter,
    Ultra,
    UltraCompleter,
    adapt_meetings,
    edged_completer,
    schema_meetings,
)
from kgzsl.tasks.kg_completion.inductive.asking import put_aside, put_relations_aside
from kgzsl.tasks.kg_completion.inductive.run import InductiveRun
from tests.tasks.kg_completion.inductive.inverse_world import (
    INVERSE_OF,
    inverses,
    schema,
    split,
    world,
    write_checkpoint,
)
from tests.tasks.kg_completion.renumbering import renumbered

LEARNING = {"steps": 120, "lr": 3e-2, "others": 10, "queries": 20}
SEED = 2  # whose shuffled ontology leaves no inverse where it was
KINDS = {"ultra": UltraCompleter, "informed": InformedCompleter}
OWL, RDFS = "http://www.w3.org/2002/07/owl#", "http://www.w3.org/2000/01/rdf-schema#"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """In place of the random weights of other tests."""
    return write_checkpoint(tmp_path_factory.mktemp("weights") / "ultra.pth")


@pytest.fixture(scope="module")
def data() -> KGSplit:
    return split(SEED)


@pytest.fixture(scope="module")
def edged(checkpoint, data) -> UltraCompleter:
    return fitted("ultra", checkpoint, data)


def fitted(name: str, checkpoint: str, data: KGSplit, said: ClassGraph | None = None, **changes):
    options = {**LEARNING, "schema_edges": True, "calibrate": False, **changes}
    told = {} if name == "ultra" else {"priors": options.pop("priors", alike(data))}
    model = KINDS[name](checkpoint=checkpoint, seed=SEED, **options)
    return model.fit(InductiveTask.training(data), InductiveTask.asked(data), schema=said or schema(), **told)


def alike(data: KGSplit) -> ClassPriors:
    """Priors that tell no relation from another."""
    return ClassPriors(tuple(data.relations), np.ones((len(data.relations), 1)))


def names(model, edges) -> set[tuple[str, str]]:
    """Receivers and senders, inverses with a ^."""
    every = [*model.relations_, *(f"^{name}" for name in model.relations_)]
    return {(every[a], every[b]) for a, b in edges.T.tolist()}


def mrr(model, relation: str) -> float:
    """Of the test triples of a relation, asked from both ends."""
    pairs = [(head, tail) for head, kind, tail in world(SEED)["test"] if kind == relation]
    found = []
    for side in ("tail", "head"):
        ends = pairs if side == "tail" else [pair[::-1] for pair in pairs]
        anchors, truth = (torch.tensor([model._entity(pair[end]) for pair in ends]) for end in (0, 1))
        scores = model.scores(relation, anchors, side=side)
        true = scores.gather(1, truth[:, None])
        found.append(1 / ((scores > true).sum(dim=1) + 1))
    return float(torch.cat(found).mean())


def recipe(folder, checkpoint, name: str = "ultra", **changes):
    schema().save(folder / "schema.npz")
    content = {
        "task": "kg_completion",
        "dataset": "world",
        "graph": {"source": str(folder / "schema.npz")},
        "ranker": {"name": name, "checkpoint": checkpoint, "schema_edges": True, **LEARNING},
        "protocol": {"seeds": [SEED]},
        "train": {"device": "cpu"},
    }
    return Recipe.build({**content, **changes})


def test_a_run_with_schema_edges_beats_the_same_without_and_with_a_shuffled_ontology(data, checkpoint, tmp_path):
    told = recipe(tmp_path, checkpoint)
    assert "shuffled" in told.controls
    result = run(told, data=data, progress=False)
    plain = {"name": "ultra", "checkpoint": checkpoint, "calibrate": False}
    without = run(recipe(tmp_path, checkpoint, ranker=plain), data=data, progress=False).metrics["kgc.mrr"]
    assert result.metrics["kgc.mrr"] > without + 0.08
    assert result.metrics["kgc.mrr"] > result.metrics["control.shuffled.kgc.mrr"] + 0.08
    # Of 4 axioms, in both directions, with both directions of each relation.
    chosen = result.selection["chosen"]["ranker"]
    assert (chosen["schema_edges"], chosen["schema_edges.training"]) == (16, 16)
    assert {row["stage"] for row in result.history} == {"ranker", "shuffled.ranker"}
    assert result.model.calibration_ is not None


def test_without_the_option_the_ontology_changes_nothing(data, checkpoint, edged):
    plain = fitted("ultra", checkpoint, data, schema_edges=False)
    assert plain.graph_.meetings == plain.ultra_.meetings == MEETINGS
    asked = torch.arange(4)
    expected = Ultra.from_checkpoint(checkpoint, head_queries="direct").score(
        InductiveTask.asked(data).graph(), asked, torch.full_like(asked, plain._relation("back0"))
    )
    torch.testing.assert_close(plain.scores("back0", asked), expected)
    assert edged.graph_.meetings == (*MEETINGS, *SCHEMA_MEETINGS)
    assert not torch.allclose(edged.scores("back0", asked), expected, atol=0.1)


@pytest.mark.parametrize("name", ["ultra", "informed"])
def test_edges_are_saved_and_new_relations_get_theirs(name, data, checkpoint, tmp_path):
    """Told of the ways back after training, a model answers as one that was asked about them from the beginning."""
    parts = world(SEED)
    there = [fact for fact in parts["msg"] if fact[1].startswith("to")]
    less = KGSplit.from_names(parts["train"], [], [("b0x", "to0", "b1x")], support=there, unseen_relations=[])
    whole, model = fitted(name, checkpoint, data), fitted(name, checkpoint, less)
    assert {relation for pair in names(model, model.edges_.pairs["inverse"]) for relation in pair} == set()
    model.save(tmp_path / "model")
    plain = load_completer(tmp_path / "model", device="cpu")
    model = load_completer(tmp_path / "model", device="cpu")
    assert model.get_params() == whole.get_params()
    back = tuple(f"back{number}" for number in range(4))
    lone = "the ontology joins back0, back1, back2, back3 to no other relation: there are no schema edges of it"
    assert lone not in model.grow((), back, schema=schema())
    assert lone in plain.grow((), back)
    for one in (model, plain):
        news = [(one._entity(b), one._relation(r), one._entity(a)) for b, r, a in parts["msg"] if r in back]
        one.set_facts(torch.cat([one._known, torch.tensor(news)]))
    assert names(model, model.edges_.pairs["inverse"]) == names(whole, whole.edges_.pairs["inverse"])
    place = torch.tensor([model._entity(entity) for entity in whole.entities_])
    for side in ("tail", "head") if name == "ultra" else ():  # new priors are no more than like themselves
        here = whole.scores("back0", torch.arange(6), side=side)
        torch.testing.assert_close(model.scores("back0", place[:6], side=side)[:, place], here, atol=1e-3, rtol=1e-3)
    if name == "ultra":
        found = [sum(mrr(one, relation) for relation in back) / len(back) for one in (model, plain)]
        assert found[0] > found[1] + 0.08
    # Grown once more, inverses have other numbers, and their edges go with them.
    model.save(tmp_path / "again")
    again = load_completer(tmp_path / "again", device="cpu")
    before = again.scores("back0", place[:6])
    again.grow((), ("another",))
    assert names(again, again.edges_.pairs["inverse"]) == names(whole, whole.edges_.pairs["inverse"])
    assert torch.allclose(again.scores("back0", place[:6]), before, atol=0.05)


def test_axioms_of_relations_that_are_there_are_heard_too(checkpoint, data):
    less = ClassGraph.from_triples(inverses()[1:])
    model = fitted("ultra", checkpoint, data, less)
    before = mrr(model, "back0")
    assert model.take_schema(less) == []
    assert model.take_schema(schema()) == ["the ontology has 4 more schema edges among relations of the run"]
    assert names(model, model.edges_.pairs["inverse"]) >= {("back0", "^to0"), ("^to0", "back0")}
    assert mrr(model, "back0") > before
    assert fitted("ultra", checkpoint, data, schema_edges=False).take_schema(schema()) == []


def test_another_numbering_changes_no_answer(data, checkpoint, edged):
    other = fitted("ultra", checkpoint, renumbered(data, 5))
    place = torch.tensor([other._entity(entity) for entity in edged.entities_])
    asked = torch.arange(6)
    torch.testing.assert_close(
        edged.scores("back0", asked), other.scores("back0", place[asked])[:, place], atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize(("name", "calibrate"), [("ultra", True), ("informed", True), ("informed", False)])
def test_what_is_asked_for_weights_and_probabilities_taught_no_edge(name, calibrate, data, checkpoint, monkeypatch):
    taught, scored = [], []

    def watched(model, triples, *given, **told):
        taught.append((model, triples))
        return adapt_meetings(model, triples, *given, **{**told, "steps": 1})

    score = Ultra.score

    def watching(self, graph, heads, relations, **told):
        scored.append((self, graph))
        return score(self, graph, heads, relations, **told)

    monkeypatch.setattr(edged_completer, "adapt_meetings", watched)
    monkeypatch.setattr(Ultra, "score", watching)
    task = InductiveTask.training(data)
    model = fitted(name, checkpoint, data, calibrate=calibrate)
    told = {"share": getattr(model, "share", 0.25), "queries": 1, "others": 1, "seed": SEED}
    there = task.facts, task.entities, task.relations
    left = [triples_of(put(*there, **told).graph.triples) for put in (put_aside, put_relations_aside)]
    every = triples_of(task.facts)
    assert all(one < every for one in left)
    assert [triples_of(triples) for _, triples in taught] == [every, left[0] & left[1]]
    # Whatever was asked of what was left, the second model was asked, and the first one is kept.
    asked = [ultra for ultra, graph in scored if triples_of(graph.triples) in left]
    assert asked
    assert all(ultra is taught[1][0] for ultra in asked)
    assert (model.ultra_ if name == "ultra" else model.informed_.ultra) is taught[0][0]


def triples_of(triples: torch.Tensor) -> set[tuple[int, ...]]:
    return {tuple(triple) for triple in triples.tolist()}


def test_parts_of_a_step_add_up_to_the_whole(data, checkpoint, monkeypatch):
    task, widths, forward = InductiveTask.training(data), [], Ultra.forward

    def watched(self, graph, heads, directed):
        widths.append(len(heads))
        return forward(self, graph, heads, directed)

    monkeypatch.setattr(Ultra, "forward", watched)
    tables = []
    for budget in (None, 1, 300_000):
        widths.clear()
        model = Ultra.from_checkpoint(checkpoint, meetings=(*MEETINGS, "inverse"))
        edges = {"inverse": schema_meetings(schema(), task.relations)["inverse"]}
        sizes = len(task.entities), len(task.relations)
        history = adapt_meetings(model, task.facts, *sizes, edges, steps=3, batch_size=4, budget=budget)
        tables.append([layer.relation.weight.detach() for layer in model.relation_model.stack()])
        assert max(widths) == {None: 8, 1: 1}.get(budget, max(widths))
        tables[-1].append(torch.tensor([row["loss"] for row in history.rows]))
    assert 1 < max(widths) < 8
    for part in tables[1:]:
        torch.testing.assert_close(part, tables[0], atol=1e-4, rtol=1e-3)
    assert tables[0][0][len(MEETINGS)].abs().max() > 1e-3


def test_some_types_of_edges_alone(data, checkpoint):
    said = ClassGraph.from_triples([*inverses(), ("to0", RDFS + "subPropertyOf", "to1")])
    model = fitted("ultra", checkpoint, data, said, schema_edges=["inverse", "domain-domain"])
    assert model.graph_.meetings == (*MEETINGS, "inverse", "domain-domain")
    assert model.edges_.counts() == {"inverse": 16}


def test_what_the_ontology_does_not_say_is_told(data, checkpoint, edged):
    assert edged.notes_ == []
    silent = fitted("ultra", checkpoint, data, ClassGraph.from_triples([("x", INVERSE_OF, "y")]))
    assert silent.notes_ == [
        "the ontology joins no relations of the training graph (no axiom of two that both are in it, no domain or "
        "range in common): nothing can be learned of its edges, and the answers are those without them"
    ]
    plain = fitted("ultra", checkpoint, data, schema_edges=False)
    assert torch.equal(silent.scores("back0", torch.arange(4)), plain.scores("back0", torch.arange(4)))
    some = fitted("ultra", checkpoint, data, ClassGraph.from_triples(inverses()[:3]))
    assert some.notes_ == ["the ontology joins 2 of 8 relations to no other: to3, back3"]
    # Relations of the graph that is asked are joined in a way that those of the training graph are not.
    parts = world(SEED)
    test = [("b0x", "undo1", "a0x")]
    new = KGSplit.from_names(parts["train"], [], test, support=parts["msg"], unseen_relations=["undo1"])
    said = ClassGraph.from_triples([*inverses(), ("undo1", RDFS + "subPropertyOf", "back1")])
    assert fitted("ultra", checkpoint, new, said).notes_ == [
        "no relations of the training graph are joined by sub-property, super-property: such edges say nothing"
    ]
    strange = KGSplit.from_names(
        parts["train"],
        [],
        test,
        support=[(head, f"other{number % 5}", tail) for number, (head, _, tail) in enumerate(parts["msg"])],
        unseen_relations=["undo1", *(f"other{number}" for number in range(5))],
    )
    assert fitted("ultra", checkpoint, strange).notes_ == [
        "the ontology joins no relations of the graph that is asked in a way that it joins relations of the training "
        "graph: the answers are those without schema edges"
    ]


@pytest.mark.parametrize("edges", [True, False])
def test_explaining_changes_no_answer(edges, data, checkpoint):
    said = ClassGraph.from_triples([*inverses(), *((f"to{number}", RDFS + "domain", "A") for number in range(4))])
    priors = make("attributes").fit(said).priors(data.relations)
    model = fitted("informed", checkpoint, data, said, schema_edges=edges, priors=priors)
    before = [model.scores(name, torch.arange(8)) for name in model.relations_]
    explained = explain_completion(model, priors, "b0x", "back0", "a0x", graph=said, statements=3)
    assert any(one.kind == "axiom" and one.after != one.before for one in explained.without)
    for name, there in zip(model.relations_, before, strict=True):
        assert torch.equal(model.scores(name, torch.arange(8)), there)


@pytest.mark.parametrize("read", [True, False])
def test_an_axiom_is_taken_from_edges_and_from_priors_made_of_it(read, data, checkpoint):
    there = [*inverses(), *((f"{way}{number}", RDFS + "domain", way) for number in range(4) for way in ("to", "back"))]
    graphs = [ClassGraph.from_triples(triples) for triples in (there, there[1:])]
    priors = [make("attributes").fit(graphs[0]).priors(data.relations) if read else alike(data)]
    model = fitted("informed", checkpoint, data, graphs[0], priors=priors[0])
    told = explain_completion(model, priors[0], "b0x", "back0", "a0x", graph=graphs[0], statements=3).without
    [found] = [one for one in told if one.kind == "axiom" and "inverse" in one.removed]
    whose = model.reading(graphs[1])
    if read:
        rows = priors[0].matrix.copy()
        rows[data.relations.index("back0"), [name.endswith("to0") for name in priors[0].columns]] = 0
        whose.priors_ = ClassPriors(priors[0].names, rows).align(model.relations_)
        whose.set_facts(whose._known)
    expected = whose.scores("back0", torch.tensor([model._entity("b0x")]))[0, model._entity("a0x")]
    assert found.after == pytest.approx(float(expected), abs=1e-4)
    assert found.after != pytest.approx(found.before, abs=1e-2)


def test_facts_that_contradict_the_ontology_are_those_of_the_graph_that_is_asked(data, checkpoint, tmp_path):
    told = recipe(tmp_path, checkpoint)
    ClassGraph.from_triples([("back0", OWL + "propertyDisjointWith", "back0")]).save(tmp_path / "schema.npz")
    notes = InductiveRun(told, data=data, progress=False).notes
    assert any(note.startswith("4 facts of the graph that is asked link what is linked") for note in notes)


def test_bad_input(data, checkpoint, tmp_path):
    training = InductiveTask.training(data)
    with pytest.raises(InputError, match="schema_edges needs an ontology, and there is none"):
        UltraCompleter(checkpoint=checkpoint, schema_edges=True).fit(training)
    with pytest.raises(InputError, match="schema_edges needs an ontology, and there is none"):
        run(recipe(tmp_path, checkpoint, graph="none"), data=data, progress=False)
    with pytest.raises(InputError, match=r"no type of edge; did you mean 'sub-property'"):
        UltraCompleter(checkpoint=checkpoint, schema_edges=["subproperty"])
    for name in ("ultra", "informed"):
        with pytest.raises(InputError, match="steps is 0"):
            KINDS[name](checkpoint=checkpoint, steps=0)
        with pytest.raises(InputError, match=r"schema_edges is \[\]"):
            KINDS[name](checkpoint=checkpoint, schema_edges=[])
        with pytest.raises(InputError, match="lr is 0"):
            KINDS[name](checkpoint=checkpoint, lr=0)
    with pytest.raises(InputError, match="graph's meetings are"):
        model = fitted("ultra", checkpoint, data)
        model.ultra_.score(FactGraph(training.facts, 16, 8), torch.tensor([0]), torch.tensor([0]))
