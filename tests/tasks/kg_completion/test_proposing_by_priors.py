"""Generated and mapped prototypes, and embeddings, propose triples as rankers do: by schema, by facts of later."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.priors import Attributes
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import RelationCompleter, run
from kgzsl.tasks.kg_completion.entity_vectors import EntityVectors
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
from kgzsl.tasks.kg_completion.loading import load_completer
from kgzsl.tasks.kg_completion.naming import answered_relation
from kgzsl.tasks.kg_completion.new_facts import require_relation, take_facts
from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter
from kgzsl.tasks.kg_completion.proposals import propose
from tests.tasks.kg_completion.conftest import ENDS

PAIRS = {"dim": 8, "link_dim": 8, "steps": 20, "batch_size": 16, "queries": 12, "corrupted": 16, "support": 4}
KINDS = {"p": ("person",), "c": ("city",), "l": ("land",)}


def schema_of(*more: tuple[str, str, str]) -> ClassGraph:
    ends = [
        (name, axiom, end)
        for name, both in ENDS.items()
        for axiom, end in zip(("rdfs:domain", "rdfs:range"), both, strict=True)
    ]
    return ClassGraph.from_triples([*ends, *more])


@pytest.fixture
def typed(kg) -> KGSplit:
    return replace(kg, types={name: KINDS[name[0]] for name in kg.entities})


@pytest.fixture
def schema() -> ClassGraph:
    return schema_of(("residesIn", "rdfs:subPropertyOf", "livesIn"), ("livesIn", "owl:inverseOf", "homeOf"))


def ridge(kg, schema, **options):
    priors = Attributes().fit(schema).priors(kg.relations)
    return RelationCompleter(generator=None, pairs=PAIRS, device="cpu").fit(kg, priors, schema=schema, **options)


def sure(**changes) -> Calibration:
    told = {"bias": 0.0, "of_score": 1.0, "of_share": 0.0, "drawn": (0.0, 1.0), "error": 0.1, "error_of_one": None}
    return Calibration(**{**told, "groups": 6, "queries": 20, **changes})


def test_what_the_schema_speaks_against_is_refused_and_counted(typed, schema) -> None:
    model = ridge(typed, schema)
    found = propose(model, "residesIn", heads=["p3"], top=40, schema=schema, why=True)
    assert {one.tail[0] for one in found.found} == {"c"}
    assert found.refused["range"] == 28
    assert all(one.confidence is None for one in found.found)
    assert any("no probabilities" in note for note in found.notes)
    first = found.found[0]
    assert first.tail == "c3"
    assert "livesIn" in {name for name, _ in first.reasons.links}
    assert "subPropertyOf lives In" in first.reasons.axioms
    # A land is no person.
    assert propose(model, "residesIn", heads=["l0"], schema=schema).found == ()
    # In all, where no end is given.
    every = propose(model, "nationOf", top=10, schema=schema)
    assert {(one.head[0], one.tail[0]) for one in every.found} == {("p", "l")}
    with pytest.raises(InputError, match="no calibration for residesIn"):
        propose(model, "residesIn", heads=["p3"], min_confidence=0.5, schema=schema)


def test_what_follows_comes_first(typed) -> None:
    schema = schema_of(("livesIn", "rdfs:subPropertyOf", "residesIn"))
    found = propose(ridge(typed, schema), "residesIn", heads=["p3"], top=2, schema=schema, why=True)
    assert found.found[0].tail == "c3"
    assert found.found[0].reasons.entailed == ("p3 livesIn c3",)


def test_probabilities_are_for_relations_that_training_lacked(typed, schema) -> None:
    model = ridge(typed, schema)
    model.calibration_ = sure()
    found = propose(model, "residesIn", heads=["p3"], top=3, schema=schema)
    assert all(0 < one.confidence < 1 for one in found.found)
    seen = propose(model, "livesIn", heads=["p3"], top=3, schema=schema)
    assert all(one.confidence is None for one in seen.found)
    assert any("livesIn has training triples" in note for note in seen.notes)
    with pytest.raises(InputError, match="livesIn has training triples"):
        propose(model, "livesIn", heads=["p3"], min_confidence=0.5)


def test_facts_that_came_after_training_are_read(typed, schema) -> None:
    model = ridge(typed, schema)
    before = model.scores("residesIn", torch.tensor([typed.entities.index("p3")]))
    features = model.features_
    news = take_facts(
        model,
        [("zoe", "livesIn", "c5"), ("zoe", "friendOf", "p3"), ("p3", "livesIn", "c6")],
        types={"zoe": "person"},
        schema=schema,
    )
    assert news.entities == ("zoe",)
    after = model.scores("residesIn", torch.tensor([typed.entities.index("p3")]))
    place = typed.entities.index("c6")
    assert after[0, place] > before[0, place] + 1e-3
    found = propose(model, "residesIn", heads=["zoe"], top=40, schema=schema)
    assert found.found[0].tail == "c5"
    assert {one.tail[0] for one in found.found} == {"c"}
    # What others hold is as it was.
    assert features is not model.features_
    assert features.graph.num_entities == typed.num_entities
    # The same facts, the same scores.
    again = ridge(typed, schema)
    same = again.scores("residesIn", torch.arange(5))
    assert torch.equal(again.set_facts(typed.train).scores("residesIn", torch.arange(5)), same)
    fewer = again.set_facts(typed.train[typed.train[:, 1] != typed.relation("livesIn")])
    assert "livesIn" not in fewer.seen_
    assert not torch.equal(fewer.scores("residesIn", torch.arange(5)), same)


def test_a_relation_that_came_after_training_is_answered_by_what_the_schema_says(typed, schema) -> None:
    model = ridge(typed, schema)
    grown = schema.merge(schema_of(("dwellsIn", "rdfs:domain", "person"), ("dwellsIn", "rdfs:range", "city")))
    name, notes = require_relation(model, "dwellsIn", schema=grown, was=schema)
    found = propose(model, name, heads=["p3"], top=20, schema=grown)
    assert found.found[0].tail in {"c3", "c4"}
    assert {one.tail[0] for one in found.found} == {"c"}
    assert not any("nothing says" in note for note in notes)
    # One that nothing is said of is taken in, and that is told.
    news = take_facts(model, [("p1", "xyzzy", "p2")], schema=grown)
    assert [note for note in news.notes if "xyzzy" in note] == [
        "nothing says what xyzzy is like: this ranker answers by that alone"
    ]
    assert torch.isfinite(model.scores("xyzzy", torch.arange(3))).all()
    assert model.likeness(model.relations_.index("dwellsIn")).cosines is not None


@pytest.mark.parametrize(
    "options",
    [
        {"generator": None, "network": "gcn", "network_options": {"hidden": [4], "epochs": 2}},
        {"generator": "extrapolation", "generator_options": {"metric": "hops", "k": 2, "hidden": 4, "epochs": 1}},
    ],
)
def test_what_goes_by_the_schema_graph_answers_for_new_relations(typed, schema, options, tmp_path) -> None:
    priors = Attributes().fit(schema).priors(typed.relations)
    model = RelationCompleter(pairs=PAIRS, device="cpu", **options).fit(typed, priors, schema=schema)
    before = model.scores("residesIn", torch.arange(3))
    model = load_completer(model.save(tmp_path / "m"))
    grown = schema.merge(schema_of(("dwellsIn", "rdfs:domain", "person"), ("dwellsIn", "rdfs:range", "city")))
    name, _ = require_relation(model, "dwellsIn", schema=grown, was=schema)
    assert torch.isfinite(model.scores(name, torch.arange(3))).all()
    assert torch.allclose(model.scores("residesIn", torch.arange(3)), before)


def test_with_vectors_of_entities_new_ones_are_refused(typed, schema) -> None:
    vectors = EntityVectors(
        typed.entities, torch.randn(typed.num_entities, 4, generator=torch.Generator().manual_seed(0))
    )
    model = ridge(typed, schema, vectors=vectors)
    with pytest.raises(InputError, match="vectors of entities, and what came after training has none"):
        take_facts(model, [("zoe", "livesIn", "c5")], schema=schema)
    # It is as it was, and takes facts about what it knows.
    assert model.entities_ == typed.entities
    take_facts(model, [("p3", "livesIn", "c5")], schema=schema)
    assert model.complete("residesIn", head="p3", k=1)


def test_kinds_and_probabilities_come_back_from_disk(typed, schema, tmp_path) -> None:
    model = ridge(typed, schema)
    model.calibration_ = sure(bias=0.25)
    wanted = propose(model, "residesIn", heads=["p3", "p4"], top=5, schema=schema)
    assert (
        propose(load_completer(model.save(tmp_path / "m")), "residesIn", heads=["p3", "p4"], top=5, schema=schema)
        == wanted
    )
    # A folder of before, which had neither.
    file = tmp_path / "m" / "model.json"
    about = json.loads(file.read_text())
    file.write_text(json.dumps({key: about[key] for key in about.keys() - {"kinds", "calibration"}}))
    old = load_completer(tmp_path / "m")
    assert isinstance(old, RelationCompleter)
    assert old.calibration_ is None
    assert not old.kinds_.told


def test_progress_is_told_by_given_ends(typed, schema) -> None:
    told = []
    propose(ridge(typed, schema), "residesIn", schema=schema, progress=lambda done, total: told.append((done, total)))
    assert told == [(24, 24)]


def test_facts_of_validation_relations_are_known_in_a_run(typed, schema, tmp_path) -> None:
    priors = Attributes().fit(schema).priors(typed.relations)
    priors.save(tmp_path / "priors.safetensors")
    content = {
        "task": "kg_completion",
        "dataset": "world",
        "generator": None,
        "pairs": PAIRS,
        "priors": [{"name": "file", "path": str(tmp_path / "priors.safetensors")}],
        "controls": [],
        "protocol": {"seeds": 1},
        "train": {"device": "cpu"},
    }
    data = typed.with_validation_relations(["friendOf"]).in_name_order()
    model = run(Recipe.build(content), data=data, progress=False).model
    kept = data.valid[data.valid[:, 1] == data.relation("friendOf")]
    assert len(kept) == 24
    assert {tuple(row) for row in kept.tolist()} <= {tuple(row) for row in model._known.tolist()}
    assert model.features_.graph.num_relations == len(data.seen_relations)
    head, _, tail = model.named(kept[0].tolist())
    assert tail not in {one.tail for one in propose(model, "friendOf", heads=[head], top=40).found}


def test_without_a_fact_there_are_no_reasons_and_no_fault(typed, schema) -> None:
    model = ridge(typed, schema).set_facts(typed.train[:0])
    (found,) = propose(model, "residesIn", heads=["p3"], top=1, why=True).found
    assert found.reasons.nearest == found.reasons.links == ()


def test_only_runs_that_take_new_relations_are_sent_to_complete_with_them(typed, schema) -> None:
    grown = schema.merge(schema_of(("dwellsIn", "rdfs:domain", "person")))
    with pytest.raises(InputError, match="which only the schema has"):
        answered_relation(ridge(typed, schema), "dwellsIn", grown)
    assert answered_relation(EmbeddingCompleter(dim=4, epochs=1).fit(typed), "dwellsIn", grown) == "dwellsIn"


def test_embeddings_go_by_what_the_schema_calls_their_relations(typed, schema) -> None:
    called = [f"urn:P{number}" for number in range(len(typed.relations))]
    renamed = ClassGraph.from_triples([(called[typed.relation("livesIn")], "rdfs:range", "city")])
    kinds = EmbeddingCompleter(dim=4, epochs=1).fit(typed, schema=renamed, called=called).kinds_
    assert kinds.allowed(typed.relation("livesIn"), "tail") is not None


def test_embeddings_propose_too(typed, schema, tmp_path) -> None:
    model = EmbeddingCompleter(dim=8, epochs=2).fit(typed, schema=schema)
    for one in (model, load_completer(model.save(tmp_path / "m"))):
        found = propose(one, "livesIn", heads=["p3"], top=40, schema=schema, why=True)
        assert {got.tail for got in found.found} == {f"c{i}" for i in range(8) if i != 3}
        assert found.refused["range"] == 28
        assert found.found[0].confidence is None
        assert found.found[0].reasons.nearest == ()
        with pytest.raises(InputError, match="'zoe' is in no training triple"):
            take_facts(one, [("zoe", "livesIn", "c5")])
        # Of what it has vectors for it takes facts, and classes.
        told = take_facts(one, [], types={"c0": "land"}, schema=schema)
        assert "classes are told of 1 entities" in told.notes[0]
        assert "c0" in {got.tail for got in propose(one, "liesIn", heads=["c3"], top=40, schema=schema).found}
        take_facts(one, [("p3", "livesIn", "c6")])
        assert "c6" not in {got.tail for got in propose(one, "livesIn", heads=["p3"], top=40, schema=schema).found}
