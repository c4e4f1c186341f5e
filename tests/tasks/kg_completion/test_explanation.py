"""An axiom of the schema taken away moves the score of what it told, and the completer stays as it was."""

from __future__ import annotations

import pytest
import torch

from kgzsl.knowledge import ClassGraph
from kgzsl.priors import Attributes
from kgzsl.report.explanations import render_explanations
from kgzsl.tasks.kg_completion import RelationCompleter
from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
from kgzsl.tasks.kg_completion.explanation import explain_completion
from kgzsl.tasks.kg_completion.inductive import InductiveTask, RmpiCompleter
from tests.tasks.kg_completion.conftest import ENDS

OWL = "http://www.w3.org/2002/07/owl#"
PAIRS = {"dim": 8, "link_dim": 8, "steps": 20, "batch_size": 16, "queries": 12, "corrupted": 16, "support": 4}


@pytest.fixture
def schema() -> ClassGraph:
    triples = [(name, "domain", ends[0]) for name, ends in ENDS.items()]
    return ClassGraph.from_triples([*triples, *((name, "range", ends[1]) for name, ends in ENDS.items())])


def test_a_relation_without_its_range_is_answered_otherwise(kg, schema) -> None:
    priors = Attributes().fit(schema).priors(kg.relations)
    model = RelationCompleter(generator=None, pairs=PAIRS, seed=0).fit(kg, priors)
    told = explain_completion(model, priors, "p0", "residesIn", "c0", graph=schema, statements=2)
    axioms = [one for one in told.without if one.kind == "axiom"]
    assert {one.removed for one in axioms} == {"resides In range city", "resides In domain person"}
    assert {one.way for one in axioms} == {"read"}
    assert {one.kind for one in told.without} == {"axiom", "fact"}
    # What links a pair is in its features: these facts count, too.
    facts = [one for one in told.without if one.kind == "fact"]
    assert "p0 livesIn c0" in {one.removed for one in facts}
    before = float(model.scores("residesIn", torch.tensor([kg.entities.index("p0")]))[0, kg.entities.index("c0")])
    for one in [*axioms, *facts]:
        assert one.before == pytest.approx(before)
        assert abs(one.after - before) > 1e-3
        assert "read off the graph" in told.text()
    # Priors of something else: their columns are taken instead.
    other = ClassGraph.from_triples([("residesIn", "domain", "person")])
    told = explain_completion(model, priors, "p0", "residesIn", "c0", graph=other, statements=2)
    assert {one.kind for one in told.without} == {"fact", "column"}


def test_a_completer_that_looks_at_facts_loses_axioms_and_facts(kg, schema) -> None:
    priors = Attributes().fit(schema).priors(kg.relations)
    model = EvidenceCompleter(folds=2, queries=8, corrupted=16, steps=60, hidden=8, seed=0).fit(kg, priors)
    told = explain_completion(model, priors, "p0", "residesIn", "c0", graph=schema, statements=2)
    kinds = [one.kind for one in told.without]
    assert kinds.count("axiom") == 2
    assert "fact" in kinds
    assert all(one.after != one.before for one in told.without if one.kind == "axiom")
    assert "p0 livesIn c0" in {one.removed for one in told.without}
    assert told.by_priors
    assert "facts alone" not in told.text()


def test_ranks_are_those_of_answers_with_known_tails_left_out(kg, schema) -> None:
    priors = Attributes().fit(schema).priors(kg.relations)
    model = EvidenceCompleter(folds=2, queries=8, corrupted=16, steps=60, hidden=8, seed=0).fit(kg, priors)
    found = model.complete("livesIn", head="p0", k=5)
    assert model.complete("livesIn", head="p0", k=1, known=True)[0].tail == "c0"  # which would be before them all
    for place, one in enumerate(found, start=1):
        told = explain_completion(model, priors, "p0", "livesIn", one.tail)
        better, same = (sum(f(other.score, one.score) for other in found) for f in (float.__gt__, float.__eq__))
        if same == 1 and place < 5:  # an equal one may follow the last
            assert told.rank == place == better + 1
    assert explain_completion(model, priors, "p0", "livesIn", "c0").rank == 1


def test_likeness_that_was_no_part_of_a_score_is_told_as_such(kg, schema) -> None:
    priors = Attributes().fit(schema).priors(kg.relations)
    task = InductiveTask.training(kg)
    for given in (None, priors):
        model = RmpiCompleter(dim=8, epochs=1, calibrate=False).fit(task, priors=given)
        told = explain_completion(model, priors, "p0", "livesIn", "c0", graph=schema)
        assert told.nearest_seen
        assert told.by_priors is (given is not None)
        assert told.to_dict()["by_priors"] is told.by_priors
        assert ("made of facts alone" in told.text()) is not told.by_priors


def test_facts_that_a_triple_follows_from_are_told(kg) -> None:
    axioms = [(name, "range", ends[1]) for name, ends in ENDS.items()]
    schema = ClassGraph.from_triples([*axioms, ("livesIn", "subPropertyOf", "residesIn")])
    priors = Attributes().fit(schema).priors(kg.relations)
    model = EvidenceCompleter(folds=2, queries=4, corrupted=8, steps=2, hidden=4, calibrate=False).fit(kg, priors)
    head, _, tail = model.named(kg.train[kg.train[:, 1] == kg.relation("livesIn")][0].tolist())
    told = explain_completion(model, priors, head, "residesIn", tail, graph=schema)
    assert told.entailed == (f"{head} livesIn {tail}",)
    assert f"follows, by the schema, from {head} livesIn {tail}" in told.text()
    assert told.to_dict()["entailed"] == [f"{head} livesIn {tail}"]
    assert not explain_completion(model, priors, head, "residesIn", tail).entailed
    # A known fact follows from others or from none, but not from itself; what is not alike is no neighbour.
    turning = (OWL + "TransitiveProperty", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
    schema = ClassGraph.from_triples([*axioms, ("livesIn", turning[1], turning[0])])
    told = explain_completion(model, priors, head, "livesIn", tail, graph=schema, neighbours=9)
    assert told.entailed == ()
    assert 0 < len(told.nearest_seen) < 6
    assert min(value for _, value in told.nearest_seen) > 0


def test_the_confidence_is_told_where_there_is_one(kg, priors):
    model = EvidenceCompleter(folds=2, queries=4, corrupted=8, steps=2, hidden=4, calibrate=False).fit(kg, priors)
    head = kg.entities[int(kg.train[0, 0])]
    told = explain_completion(model, priors, head, "livesIn")
    assert told.confidence is None
    assert "confidence" not in told.text()
    model.calibration_ = Calibration(0.0, 0.5, 1.0, tuple(i / 20 for i in range(21)), None, None, 9, 18)
    told = explain_completion(model, priors, head, "livesIn")
    wanted = model.probabilities("livesIn", torch.tensor([model._entity(head)]))[0, model._entity(told.tail)]
    assert told.confidence == pytest.approx(float(wanted)) == told.to_dict()["confidence"]
    assert f"confidence {told.confidence:.3f}; seen)" in told.text()
    page = render_explanations("x", [("1", told.to_dict())], version="0")
    assert f"rank {told.rank:g}, confidence {told.confidence:.3f}; seen" in page
    assert "The rank leaves other known tails out." in page
