"""Ordinary completion: rules by hand, types from training alone, and a whole run with its controls."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.recipe import Recipe
from kgzsl.report.html import render
from kgzsl.tasks.kg_completion import load_completer, run
from kgzsl.tasks.kg_completion.known_contradictions import KnownContradictions
from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter, OrdinaryProtocol, SchemaRules, range_rule, type_rule
from kgzsl.tasks.kg_completion.ordinary.controls import popularity, rules_alone, shuffled_triples
from kgzsl.tasks.kg_completion.proposals import propose

OWL, RDF = "http://www.w3.org/2002/07/owl#", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS, X = "http://www.w3.org/2000/01/rdf-schema#", "http://x/"
RELATIONS = ("marriedTo", "parentOf", "childOf", "fatherOf", "bornIn")
SCHEMA = ClassGraph.from_triples(
    [
        (X + "marriedTo", RDF + "type", OWL + "SymmetricProperty"),
        (X + "parentOf", RDF + "type", OWL + "AsymmetricProperty"),
        (X + "childOf", OWL + "inverseOf", X + "parentOf"),
        (X + "fatherOf", RDFS + "subPropertyOf", X + "parentOf"),
        (X + "bornIn", RDF + "type", OWL + "FunctionalProperty"),
        (X + "bornIn", RDFS + "range", X + "Place"),
        (X + "Town", RDFS + "subClassOf", X + "Place"),
    ]
)
# a is married to b, a is the father of c; a is born in town 3.
FACTS = torch.tensor([[0, 0, 1], [0, 3, 2], [0, 4, 3]])


@pytest.fixture
def rules() -> SchemaRules:
    return SchemaRules.read(SCHEMA, RELATIONS).about(FACTS, 5)


def test_what_follows_follows_over_several_rules():
    closed = SchemaRules.read(SCHEMA, RELATIONS).entail(FACTS)
    fresh = {tuple(row) for row in closed.tolist()} - {tuple(row) for row in FACTS.tolist()}
    # b married to a; a parent of c by the sub-property; so c child of a by the inverse.
    assert fresh == {(1, 0, 0), (0, 1, 2), (2, 2, 0)}
    assert SchemaRules.read(None, RELATIONS).entail(FACTS).tolist() == torch.unique(FACTS, dim=0).tolist()


def forbidden(rules, relation, anchors, side):
    return (rules.adjust(torch.zeros(len(anchors), 5), relation, torch.tensor(anchors), side) < 0).tolist()


def test_what_is_forbidden_by_hand(rules):
    # The child of a is no parent of a, and nobody is their own parent.
    assert forbidden(rules, 1, [2], "tail") == [[True, False, True, False, False]]
    assert forbidden(rules, 1, [0], "head") == [[True, False, True, False, False]]
    # a is born in 3 and nowhere else; so a is not the answer to who is born in 4.
    assert forbidden(rules, 4, [0], "tail") == [[True, True, True, False, True]]
    assert forbidden(rules, 4, [4], "head") == [[True, False, False, False, False]]
    assert forbidden(rules, 4, [1], "tail") == [[False] * 5]
    assert forbidden(rules, 3, [0], "tail") == [[False] * 5]


def test_entailed_stands_above_and_forbidden_below_in_their_order(rules):
    scores = torch.tensor([[0.1, 0.5, 0.3, -2.0, 9.0]])
    adjusted = rules.adjust(scores, 0, torch.tensor([1]), "tail")  # b is married to a
    assert adjusted.argsort(descending=True).tolist() == [[0, 4, 1, 2, 3]]
    adjusted = rules.adjust(scores, 1, torch.tensor([2]), "tail")  # neither c nor a is a child of c
    assert adjusted.argsort(descending=True).tolist() == [[4, 1, 3, 2, 0]]
    assert torch.equal(
        SchemaRules.read(None, RELATIONS).about(FACTS, 5).adjust(scores, 0, FACTS[:1, 0], "tail"), scores
    )


def dense(rules, scores, relation, anchors, side):
    """The same as adjust, by masks over all entities, fact by fact."""
    facts = {tuple(row) for row in rules.entail(FACTS_OF[id(rules)]).tolist()}
    entities = range(scores.shape[1])
    kinds, found = rules.kinds, scores.clone()
    for row, anchor in enumerate(anchors.tolist()):

        def fact(entity, anchor=anchor, turned=False):
            head, tail = (anchor, entity) if side == "tail" else (entity, anchor)
            return ((tail, relation, head) if turned else (head, relation, tail)) in facts

        gap = scores[row].max() - scores[row].min() + 1
        asymmetric = relation in kinds["Asymmetric"]
        one_answer = relation in kinds["Functional" if side == "tail" else "InverseFunctional"]
        one_anchor = relation in kinds["InverseFunctional" if side == "tail" else "Functional"]
        for entity in entities:
            if fact(entity):
                found[row, entity] += gap
            elif (
                ((asymmetric or relation in kinds["Irreflexive"]) and entity == anchor)
                or (asymmetric and fact(entity, turned=True))
                or (one_answer and any(fact(other) for other in entities))
                or (one_anchor and any(fact(entity, other) for other in entities))
            ):
                found[row, entity] -= gap
    return found


FACTS_OF: dict[int, torch.Tensor] = {}


@pytest.mark.parametrize("seed", range(6))
def test_rules_touch_scores_as_masks_over_all_entities_would(seed):
    random = torch.Generator().manual_seed(seed)
    kinds = ("Symmetric", "Asymmetric", "Irreflexive", "Functional", "InverseFunctional")
    drawn = {kind: frozenset(torch.nonzero(torch.rand(6, generator=random) < 0.4).flatten().tolist()) for kind in kinds}
    rules = SchemaRules(drawn, torch.tensor([[0, 1, 0], [2, 3, 1], [3, 2, 1]]), 6)
    facts = torch.randint(0, 6, (25, 3), generator=random)
    rules = rules.about(facts, 9)
    FACTS_OF[id(rules)] = facts
    anchors = torch.randint(0, 9, (7,), generator=random)
    scores = torch.randn(7, 9, generator=random)
    for relation in range(6):
        for side in ("tail", "head"):
            kept = scores.clone()
            assert torch.equal(
                rules.adjust(scores, relation, anchors, side), dense(rules, scores, relation, anchors, side)
            )
            assert torch.equal(scores, kept)  # in a copy


def test_facts_that_contradict_each_other_are_counted_and_told():
    bad = [
        ("a", "parentOf", "b"), ("b", "parentOf", "a"), ("c", "parentOf", "c"),
        ("a", "bornIn", "t"), ("a", "bornIn", "u"), ("b", "bornIn", "t"),
    ]  # fmt: skip
    kg = KGSplit.from_names(bad, [], [("b", "marriedTo", "a")])
    told = "\n".join(KnownContradictions.read(kg, SCHEMA).notes())
    assert "1 training triples link an entity with itself by a property that is irreflexive (parent Of)" in told
    assert "2 training triples are stated in both directions of an asymmetric property (parent Of); they are" in told
    assert "2 training triples give a head more than one value of a functional property" in told
    assert len(kg.train) == 6


TYPES = {"a": ("Person",), "b": ("Person", "King"), "t": ("Town",), "u": ("Town",), "m": ("Moon",)}


@pytest.fixture
def typed() -> KGSplit:
    train = [("a", "bornIn", "t"), ("m", "orbits", "u"), ("b", "knows", "a"), ("x", "knows", "a")]
    return replace(KGSplit.from_names(train, [], [("b", "bornIn", "u"), ("b", "bornIn", "m")]), types=TYPES)


def test_types_are_those_of_training_answers(typed):
    rule = type_rule(typed)
    relation = typed.relation("bornIn")
    names = {typed.entities[i] for i in rule.tails[relation].tolist()}
    assert names == {"t", "u", "x"}  # towns; x has no class; the moon only in test
    assert {typed.entities[i] for i in rule.heads[relation].tolist()} == {"a", "b", "x"}
    assert type_rule(replace(typed, types=None)) is None


def test_ranges_go_down_the_schema(typed):
    rule = range_rule(typed, SCHEMA)
    relation = typed.relation("bornIn")
    # Person, King and Moon are no classes of the schema: nothing is held against them.
    assert {typed.entities[i] for i in rule.tails[relation].tolist()} == set(typed.entities)
    known = ClassGraph.from_triples(
        [(X + "bornIn", RDFS + "range", X + "Place"), (X + "Town", RDFS + "subClassOf", X + "Place")]
        + [(X + name, RDFS + "subClassOf", X + "Thing") for name in ("Person", "Moon", "King")]
    )
    names = {typed.entities[i] for i in range_rule(typed, known).tails[relation].tolist()}
    assert names == {"t", "u", "x"}
    assert range_rule(typed, None) is None


def world(kg: KGSplit) -> KGSplit:
    """The little world with all relations in training, and a fifth of the triples put aside."""
    every = torch.cat([kg.train, kg.test])
    order = torch.randperm(len(every), generator=torch.Generator().manual_seed(0))
    every = every[order]
    return KGSplit(kg.entities, kg.relations, train=every[30:], valid=every[:15], test=every[15:30], name="world")


RANKER = {"name": "embedding", "model": "complex", "dim": 16, "epochs": 20, "batch_size": 32, "negatives": 0}


def recipe(**changes):
    content = {
        "task": "kg_completion",
        "dataset": "world",
        "ranker": RANKER,
        "train": {"device": "cpu", "precision": "32-true"},
    }
    return Recipe.build({**content, **changes})


def test_a_run_beats_its_controls_and_saves_its_model(kg, tmp_path):
    data = world(kg)
    result = run(recipe(), data=data, progress=False)
    assert [row.name for row in result.rows] == ["complex", "popularity", "shuffled triples", "chance"]
    for control in ("popularity", "shuffled", "chance"):
        assert result.metrics["kgc.mrr"] > result.metrics[f"control.{control}.kgc.mrr"], control
    assert result.selection["by"] == "validation-triples"
    assert result.selection["setting"] == "inductive"  # no unlabelled test data were looked at
    assert "<h1>Completion: world</h1>" in render(result, {})
    assert result.metrics["kgc.queries"] == 30
    result.model.save(tmp_path / "model")
    again = load_completer(tmp_path / "model", device="cpu")
    assert isinstance(again, EmbeddingCompleter)
    asked = torch.arange(5)
    assert torch.equal(again.scores("livesIn", asked), result.model.scores("livesIn", asked))
    assert again.complete("livesIn", head="p1", k=3)[0].relation == "livesIn"


def test_triples_are_proposed_by_what_the_schema_calls_the_relations(kg, tmp_path):
    (tmp_path / "s.ttl").write_text(
        "@prefix owl: <http://www.w3.org/2002/07/owl#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
        "<urn:P1> rdfs:range <urn:city> . <urn:P1> a owl:ObjectProperty .\n"
        "<urn:P2> a owl:ObjectProperty, owl:SymmetricProperty ."
    )
    data = replace(world(kg), types={name: ("city",) if name[0] == "c" else ("urn:other",) for name in kg.entities})
    graph = {"source": str(tmp_path / "s.ttl"), "mapping": {"livesIn": "urn:P1", "friendOf": "urn:P2"}}
    result = run(recipe(graph=graph), data=data, progress=False)
    found = propose(result.model, "livesIn", heads=["p3"], top=40, schema=result.graph)
    assert found.refused["range"] == 0  # people and lands are of a class that the schema does not know
    assert found.found
    told = propose(result.model, "livesIn", heads=["p3"], top=1, schema=result.graph, why=True).found[0]
    assert "range city" in told.reasons.axioms
    friends = data.train[data.train[:, 1] == data.relation("friendOf")]
    one, other = (data.entities[entity] for entity in friends[0, [0, 2]].tolist())
    follows = propose(result.model, "friendOf", heads=[other], top=1, schema=result.graph, why=True).found[0]
    assert follows.tail == one
    assert follows.reasons.entailed == (f"{one} friendOf {other}",)


@pytest.mark.parametrize("model", ["transe", "distmult", "rotate", "boxe", "triplere"])
def test_every_model_trains_and_scores_both_ends(kg, model):
    fitted = EmbeddingCompleter(model=model, dim=8, epochs=2, batch_size=32, negatives=8).fit(world(kg))
    for side in ("tail", "head"):
        scores = fitted.scores("livesIn", torch.tensor([0, 3]), side=side)
        assert scores.shape == (2, kg.num_entities)
        assert torch.isfinite(scores).all()
    head = int(torch.tensor(fitted.scores("livesIn", torch.tensor([0]))[0].argmax()))
    back = fitted.scores("livesIn", torch.tensor([head]), side="head")
    assert back[0, 0] == pytest.approx(float(fitted.scores("livesIn", torch.tensor([0]))[0, head]), abs=1e-4)


@pytest.mark.parametrize("inverse", [False, True])
def test_vectors_are_put_into_the_order_of_the_data_once_and_again_when_they_change(kg, inverse):
    fitted = EmbeddingCompleter(model="complex", dim=8, epochs=2, negatives=8, inverse=inverse).fit(world(kg))
    model, asked, kind = fitted.model_, torch.arange(5), fitted._relation("livesIn")
    assert not torch.equal(fitted._row, torch.arange(kg.num_entities))

    def plain(side):
        given, same = fitted._row[asked], torch.full_like(asked, int(fitted._relation_row[kind]))
        return (model.score_tails(given, same) if side == "tail" else model.score_heads(same, given))[:, fitted._row]

    for factor in (1.0, 2.0):
        with torch.no_grad():
            model.nodes.mul_(factor)
        for side in ("tail", "head"):
            assert torch.allclose(fitted.scores("livesIn", asked, side=side), plain(side), atol=1e-6)
        assert fitted._in_order() is fitted._in_order()
    model.requires_grad_(True)  # in training nothing is kept
    assert fitted._in_order() is not fitted._in_order()


def test_another_order_of_names_changes_nothing(kg):
    data = world(kg)
    place = torch.randperm(data.num_entities, generator=torch.Generator().manual_seed(1))
    entities = [""] * data.num_entities
    for old, new in enumerate(place.tolist()):
        entities[new] = data.entities[old]

    def moved(triples):
        return torch.stack([place[triples[:, 0]], triples[:, 1], place[triples[:, 2]]], dim=1)

    other = replace(
        data, entities=tuple(entities), train=moved(data.train), valid=moved(data.valid), test=moved(data.test)
    )
    first, second = (EmbeddingCompleter(dim=8, epochs=3, batch_size=32).fit(one) for one in (data, other))
    here, there = first.scores("livesIn", torch.arange(6)), second.scores("livesIn", place[:6])
    assert torch.allclose(here, there[:, place], atol=1e-6)


def test_rules_of_the_schema_decide_where_they_speak(kg):
    data = world(kg)
    schema = ClassGraph.from_triples([(X + "hasCity", OWL + "inverseOf", X + "liesIn")])
    fitted = EmbeddingCompleter(dim=8, epochs=1).fit(data, schema=schema)
    known = data.train[data.train[:, 1] == data.relation("liesIn")]
    city, land = int(known[0, 0]), int(known[0, 2])
    top = fitted.scores("hasCity", torch.tensor([land]))[0]
    entailed = {int(row[0]) for row in known.tolist() if row[2] == land}
    entailed |= {int(row[2]) for row in data.train.tolist() if row[1] == data.relation("hasCity") and row[0] == land}
    assert set(top.topk(len(entailed)).indices.tolist()) == entailed
    assert city in entailed
    without = EmbeddingCompleter(dim=8, epochs=1, use_rules=False).fit(data, schema=schema)
    assert without.rules_.empty
    alone = rules_alone(fitted.rules_, data.num_entities)(data.relation("hasCity"), torch.tensor([land]), "tail")
    assert set(torch.nonzero(alone[0] > 0).flatten().tolist()) == entailed


def test_controls_by_hand(kg):
    counts = popularity(torch.tensor([[0, 0, 1], [2, 0, 1], [2, 1, 0]]), 3)(0, torch.tensor([0, 1]), "tail")
    assert counts.tolist() == [[0, 2, 0], [0, 2, 0]]
    mixed = shuffled_triples(kg, 3)
    assert mixed.train[:, :2].tolist() == kg.train[:, :2].tolist()
    assert mixed.train.tolist() != kg.train.tolist()
    for relation in torch.unique(kg.train[:, 1]).tolist():
        one, other = (g.train[g.train[:, 1] == relation, 2].sort().values.tolist() for g in (kg, mixed))
        assert one == other


def test_selection_sees_no_test_triple_and_the_door_opens_once(kg):
    data = world(kg)
    rule = type_rule(replace(data, types=dict.fromkeys(data.entities, ("thing",))))

    def score(relation, anchors, side):
        return torch.rand(len(anchors), data.num_entities, generator=torch.Generator().manual_seed(relation))

    changed = replace(data, test=data.test.flip(0)[:3])
    assert OrdinaryProtocol(data, [rule]).validate(score) == OrdinaryProtocol(changed, [rule]).validate(score)
    protocol = OrdinaryProtocol(data, [rule])
    assert not len(protocol.final_kg.test)
    assert not len(protocol.final_kg.valid)
    protocol.final_score({"it": score})
    with pytest.raises(RuntimeError, match="used already"):
        protocol.final_score({"it": score})


def test_a_constant_scorer_scores_chance(kg):
    data = world(kg)
    rule = type_rule(replace(data, types={name: (name[0],) for name in data.entities}))
    found = OrdinaryProtocol(data, [rule]).final_score(
        {"it": lambda _, anchors, __: torch.zeros(len(anchors), data.num_entities)}
    )["it"]
    names = {"type": "kgc."}
    assert found.metrics(names)["kgc.mrr"] == pytest.approx(found.chance(names)["kgc.mrr"], abs=1e-12)


def test_bad_input(kg, tmp_path):
    with pytest.raises(InputError, match=r"'complx'.*complex"):
        EmbeddingCompleter(model="complx")
    with pytest.raises(InputError, match=r"'text' embeds no triples.*choose .*complex"):
        EmbeddingCompleter(model="text")
    with pytest.raises(InputError, match="has no option 'dims'"):
        recipe(ranker={**RANKER, "dims": 3})
    with pytest.raises(InputError, match="an embedding takes no priors"):
        recipe(priors=["text"])
    with pytest.raises(InputError, match="an embedding has no generator"):
        recipe(generator="wgan")
    with pytest.raises(InputError, match="no control 'link_overlap'"):
        recipe(controls=["link_overlap"])
    with pytest.raises(InputError, match="the key 'priors' is missing"):
        recipe(ranker={"name": "evidence"})
    with pytest.raises(InputError, match="not selected on test triples"):
        run(recipe(protocol={"validation": "oracle"}), data=world(kg), progress=False)
    with pytest.raises(InputError, match="no candidates of the kind 'type'; choose among all"):
        run(recipe(protocol={"candidates": "type"}), data=world(kg), progress=False)
    with pytest.raises(InputError, match="not fitted"):
        EmbeddingCompleter().save(tmp_path / "m")
    with pytest.raises(InputError, match="no model here"):
        EmbeddingCompleter.load(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        EmbeddingCompleter.load(tmp_path)


def test_types_from_files(tmp_path):
    for name, text in (("train", "a\tr\tb\n"), ("test", "b\tr\ta\n")):
        (tmp_path / f"{name}.txt").write_text(text)
    (tmp_path / "entity2types.json").write_text(json.dumps({"a": ["K", "L"], "z": "K"}))
    kg = KGSplit.from_tsv(tmp_path)
    assert kg.types == {"a": ("K", "L")}
    assert "1 of 2 entities have no class" in kg.notes
    assert "classes are told of 1 entities that are not in the data; they were left out" in kg.notes
    (tmp_path / "kinds.tsv").write_text("a\tK\nb\tL\nb\tM\n")
    assert KGSplit.from_tsv(tmp_path, types="kinds.tsv").types == {"a": ("K",), "b": ("L", "M")}
    (tmp_path / "kinds.tsv").write_text("a K\n")
    with pytest.raises(InputError, match=r"kinds\.tsv, line 1: 1 field"):
        KGSplit.from_tsv(tmp_path, types="kinds.tsv")
    (tmp_path / "bad.json").write_text('{"a": [1]}')
    with pytest.raises(InputError, match=r"bad\.json, key 'a': these are no names of classes"):
        KGSplit.from_tsv(tmp_path, types="bad.json")
    with pytest.raises(InputError, match=r"none\.tsv: there is no such file"):
        KGSplit.from_tsv(tmp_path, types="none.tsv")


def test_a_resumed_fit_finds_the_best_of_before(kg, tmp_path):
    def fitted(resume, validate):
        engine = Engine(device="cpu", precision="32-true", progress=False, checkpoint=tmp_path, resume=resume)
        options = {"model": "distmult", "dim": 8, "epochs": 4, "batch_size": 32, "negatives": 8, "looks": 2}
        return EmbeddingCompleter(**options).fit(world(kg), validate=validate, engine=engine)

    told = iter([0.5, 0.2])
    first = fitted(False, lambda scorer: next(told))
    again = fitted(True, lambda scorer: pytest.fail("asked again"))
    assert again.chosen_ == first.chosen_ == {"epochs": 2.0, "validation.mrr": 0.5}
    assert torch.equal(again.scores("livesIn", torch.arange(5)), first.scores("livesIn", torch.arange(5)))
