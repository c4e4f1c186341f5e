"""Proposals: refusals counted, facts left out, confidence calibrated, reasons told, files read back."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import quote

import numpy as np
import pyoxigraph
import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.kg_completion.contradictions import Contradictions
from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.new_facts import names_of_iris
from kgzsl.tasks.kg_completion.proposals import Proposal, propose
from kgzsl.tasks.kg_completion.reasons import reasons
from kgzsl.tasks.kg_completion.violations import Violations, in_domain_by_use
from kgzsl.tasks.kg_completion.writing import CONFIDENCE, iri_of, write_proposals
from tests.tasks.kg_completion.conftest import DESCRIBED, UNSEEN, facts

RDFS, OWL, X = "http://www.w3.org/2000/01/rdf-schema#", "http://www.w3.org/2002/07/owl#", "http://x/"
SCHEMA = ClassGraph.from_triples(
    [
        (X + "residesIn", RDFS + "range", X + "city"),
        (X + "residesIn", RDFS + "domain", X + "person"),
        (X + "residesIn", RDFS + "subPropertyOf", X + "livesIn"),
        (X + "person", OWL + "disjointWith", X + "place"),
        (X + "city", RDFS + "subClassOf", X + "place"),
        (X + "land", RDFS + "subClassOf", X + "area"),
    ]
)
KIND = {"p": "person", "c": "city", "l": "land"}


def named(entity: str) -> str:
    return f"w:{KIND[entity[0]]}:{entity}"


@pytest.fixture(scope="module")
def model() -> EvidenceCompleter:
    table = {r: [(named(h), named(t)) for h, t in pairs] for r, pairs in facts().items()}
    train = [(h, r, t) for r, pairs in table.items() if r not in UNSEEN for h, t in pairs]
    test = [(h, r, t) for r in UNSEEN for h, t in table[r]]
    kg = KGSplit.from_names(train, [], test, unseen_relations=UNSEEN)
    priors = ClassPriors(tuple(DESCRIBED), np.array(list(DESCRIBED.values())))
    made = EvidenceCompleter(folds=4, queries=8, corrupted=12, steps=60, batch_size=16, hidden=8, dim=8)
    return made.fit(kg, priors, schema=SCHEMA)


def test_what_the_schema_speaks_against_is_refused_and_counted(model):
    found = propose(model, "residesIn", heads=["w:person:p3"], top=8, schema=SCHEMA, why=True)
    assert len(found.found) == 8  # all cities
    assert all(one.tail.startswith("w:city:") for one in found.found)
    assert found.found[0].tail == "w:city:c3"
    # The best eight are cities anyway. Asked for more, people (disjoint with places, and so with cities) and lands
    # (merely no cities) would follow.
    assert found.refused == {"disjoint": 0, "range": 0}
    more = propose(model, "residesIn", heads=["w:person:p3"], top=20, schema=SCHEMA)
    assert len(more.found) == 8
    assert more.refused == {"disjoint": 24, "range": 4}
    kept = propose(model, "residesIn", heads=["w:person:p3"], top=36, schema=SCHEMA, keep_violations=True)
    assert {one.tail.split(":")[1] for one in kept.found} == {"person", "city", "land"}


def test_domains_and_ranges_that_a_schema_has_since_are_minded_too(model):
    """Of a relation that was there, without a class that is disjoint with anything, and where nothing else is new."""
    asked = {"heads": ["w:person:p3"], "top": 36}
    before = propose(model, "livesIn", schema=SCHEMA, **asked)
    assert {one.tail.split(":")[1] for one in before.found} == {"person", "city", "land"}
    since = SCHEMA.merge(
        ClassGraph.from_triples(
            [(X + "livesIn", RDFS + "range", X + "area"), (X + "knows", RDFS + "domain", X + "area")]
        )
    )
    after = propose(model, "livesIn", schema=since, **asked)
    assert {one.tail.split(":")[1] for one in after.found} == {"land"}
    gone = [one for one in before.found if not one.tail.startswith("w:land:")]
    assert after.refused == {"disjoint": 0, "range": len(gone)}
    # What the model was read with holds all the same; and heads are asked by what is told of domains.
    assert propose(model, "residesIn", schema=since, **asked).refused["disjoint"] == 24
    assert {one.head.split(":")[1] for one in propose(model, "knows", schema=since, top=30).found} == {"land"}
    # A class that the schema does not know is held against nobody.
    foreign = ClassGraph.from_triples([(X + "livesIn", RDFS + "range", X + "moon")])
    assert len(propose(model, "livesIn", schema=foreign, **asked).found) == len(before.found)


def test_confidence_is_a_probability_and_can_be_asked_for(model):
    every = propose(model, "residesIn", heads=["w:person:p3"], top=8)
    assert all(0 <= one.confidence <= 1 for one in every.found)
    assert [one.confidence for one in every.found] == sorted((one.confidence for one in every.found), reverse=True)
    least = (every.found[0].confidence + every.found[1].confidence) / 2
    sure = propose(model, "residesIn", heads=["w:person:p3"], top=8, min_confidence=least)
    assert [one.tail for one in sure.found] == ["w:city:c3"]
    assert sure.unsure == 7


def test_facts_are_not_proposed_but_counted(model):
    found = propose(model, "livesIn", heads=["w:person:p3"], top=3)
    assert "w:city:c3" not in {one.tail for one in found.found}
    assert found.known == 1


def test_heads_for_a_tail_and_both_ends_open(model):
    people = propose(model, "residesIn", tails=["w:city:c3"], top=3, schema=SCHEMA)
    assert {one.head for one in people.found} == {f"w:person:p{i}" for i in (3, 11, 19)}
    assert set(people.refused) == {"disjoint", "domain"}
    whole = propose(model, "residesIn", top=10, schema=SCHEMA)
    assert len(whole.found) == 10
    assert "24 heads were asked" in whole.notes[0]
    assert all(one.head.startswith("w:person:") for one in whole.found)


def test_reasons_name_relations_axioms_links_and_paths(model):
    because = propose(model, "residesIn", heads=["w:person:p4"], top=1, schema=SCHEMA, why=True).found[0].reasons
    assert {name for name, _ in because.nearest[:2]} == {"bornIn", "livesIn"}
    assert ("livesIn", pytest.approx(0.9997, abs=1e-3)) in because.links
    assert set(because.axioms) == {"domain person", "range city", "subPropertyOf lives In"}
    nation = propose(model, "nationOf", heads=["w:person:p4"], top=36, why=True)
    paths = next(one.reasons.paths for one in nation.found if one.tail == "w:land:l0")
    assert any("w:city:c4 > liesIn" in path or "w:city:c4 > hasCity (inverse)" in path for path in paths)
    assert "livesIn" in because.text()


def test_heads_are_of_the_domain_by_what_their_facts_entail():
    schema = ClassGraph.from_triples(
        [
            (X + "capital", RDFS + "domain", X + "Country"),
            (X + "hasPort", RDFS + "domain", X + "Island"),
            (X + "Island", RDFS + "subClassOf", X + "Country"),
            (X + "cityOf", RDFS + "range", X + "Country"),
            (X + "near", RDFS + "domain", X + "City"),
        ]
    )
    relations = (X + "capital", X + "hasPort", X + "cityOf", X + "near", X + "unsaid")
    facts = torch.tensor([[0, 1, 1], [2, 2, 3], [1, 3, 2], [4, 4, 4]])
    # 0 has a port, and islands are countries; 3 is what a city is of. A city, and what nothing is said of, are neither.
    assert in_domain_by_use(0, facts, 5, relations, schema).tolist() == [True, False, False, True, False]
    assert not in_domain_by_use(4, facts, 5, relations, schema).any()
    assert not in_domain_by_use(0, facts, 5, relations, None).any()


def test_only_heads_of_the_domain_are_asked_where_entities_have_no_kinds():
    train = [(f"l{i}", X + "has", f"c{i}{j}") for i in range(6) for j in range(2)]
    train += [(f"l{i}", X + "largest", f"c{i}0") for i in range(6)] + [
        (f"c{i}0", X + "near", f"c{i}1") for i in range(6)
    ]
    kg = KGSplit.from_names(train, [], [("l0", X + "capital", "c00")], unseen_relations=[X + "capital"])
    ends = {"has": ("L", "C"), "largest": ("L", "C"), "capital": ("L", "C"), "near": ("C", "C")}
    schema = ClassGraph.from_triples(
        [
            (X + r, RDFS + end, X + kind)
            for r, both in ends.items()
            for end, kind in zip(("domain", "range"), both, strict=True)
        ]
    )
    names = tuple(kg.relations)
    priors = ClassPriors(
        names, np.array([[r.endswith("near"), not r.endswith("near")] for r in names], dtype="float32")
    )
    made = EvidenceCompleter(folds=2, queries=4, corrupted=8, steps=10, batch_size=8, hidden=4, dim=4)
    whole = propose(made.fit(kg, priors, schema=schema), X + "capital", top=9, schema=schema)
    assert {one.head[0] for one in whole.found} == {"l"}
    assert "6 heads were asked, 12 are not in the domain" in whole.notes


def test_violations_by_hand(model):
    rules = Violations.read(model.kinds_, model.relations_, SCHEMA)
    number = model._relation("residesIn")
    tails = rules.against(number, "tail")
    kinds = np.array([name.split(":")[1] for name in model.entities_])
    assert set(kinds[tails["disjoint"].numpy()]) == {"person"}
    assert set(kinds[tails["range"].numpy()]) == {"land"}
    heads = rules.against(number, "head")
    assert set(kinds[heads["disjoint"].numpy()]) == {"city"}
    assert set(kinds[heads["domain"].numpy()]) == {"land"}
    assert not any(mask.any() for mask in rules.against(model._relation("nationOf"), "tail").values())


def test_a_confidence_does_not_hang_on_which_answers_are_shown(model):
    asked = {"heads": ["w:person:p3"], "top": 36, "schema": SCHEMA}
    few, every = (propose(model, "residesIn", **asked, keep_violations=kept).found for kept in (False, True))
    told = {one.tail: one.confidence for one in every}
    assert len(few) == 8 < len(every)
    assert [one.confidence for one in few] == pytest.approx([told[one.tail] for one in few], rel=1e-5)


def test_facts_of_a_disjoint_relation_rule_answers_out(model):
    strict = copy.copy(model)
    lives, resides = model.relations_.index("livesIn"), model.relations_.index("residesIn")
    strict.apart_ = Contradictions({resides: (lives,)})
    asked = {"heads": ["w:person:p3"], "top": 8, "schema": SCHEMA}
    assert propose(model, "residesIn", **asked).found[0].tail == "w:city:c3"
    found = propose(strict, "residesIn", **asked)
    assert "w:city:c3" not in {one.tail for one in found.found}
    assert found.refused["contradiction"] == 1
    kept = propose(strict, "residesIn", **asked, keep_violations=True).found
    assert next(one.confidence for one in kept if one.tail == "w:city:c3") == 0
    # What is left shares what the other would have had.
    left, before = found.found[0], {one.tail: one for one in propose(model, "residesIn", **asked).found}
    assert left.confidence > before[left.tail].confidence


@pytest.mark.parametrize("style", ["reified", "star"])
def test_rdf_with_confidence_reads_back_and_states_no_fact(style, tmp_path):
    proposals = [Proposal("w:a b", "http://x/r", "http://x/ü", 0.25, 1.0), Proposal("c", "r<", "d", 0.5, 0.1)]
    write_proposals(proposals, tmp_path / "new.nt", style=style)
    quads = list(pyoxigraph.parse((tmp_path / "new.nt").read_bytes(), pyoxigraph.RdfFormat.N_TRIPLES))
    chances = {q.subject: float(q.object.value) for q in quads if q.predicate.value == CONFIDENCE}
    assert sorted(chances.values()) == [0.25, 0.5]
    assert not any(q.predicate.value == "http://x/r" for q in quads)
    if style == "star":
        told = {(q.object.subject.value, q.object.predicate.value): q for q in quads if "reifies" in q.predicate.value}
    else:
        told = {
            (q.object.value, p.object.value): q
            for q in quads
            for p in quads
            if q.subject == p.subject
            and q.predicate.value.endswith("subject")
            and p.predicate.value.endswith("predicate")
        }
    quad = told["urn:kgzsl:name:w%3Aa%20b", "http://x/r"]
    assert chances[quad.subject] == 0.25


def test_tables_and_bad_targets(tmp_path):
    write_proposals([Proposal("a", "r", "b", 0.25, 1.0)], tmp_path / "new.tsv")
    assert (tmp_path / "new.tsv").read_text().splitlines() == [
        "head\trelation\ttail\tconfidence\twhy",
        "a\tr\tb\t0.250000\t",
    ]
    # As tables of facts are read: quotation marks stand for themselves, and a cell has no tab.
    write_proposals([Proposal('Jo "J" M', "r", "b\tc", 0.25, 1.0)], tmp_path / "odd.tsv")
    assert (tmp_path / "odd.tsv").read_text().splitlines()[1] == 'Jo "J" M\tr\tb c\t0.250000\t'
    assert iri_of("http://x/a b", "u:") == "u:http%3A%2F%2Fx%2Fa%20b"
    with pytest.raises(InputError, match=r"cannot be written as \.ttl"):
        write_proposals([], tmp_path / "new.ttl")
    with pytest.raises(InputError, match="style is 'quads'"):
        write_proposals([], tmp_path / "new.nt", style="quads")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("http://x/ü", True),
        ("HTTPS://x/a%20b?q#f", True),
        ("irods://x/a", True),
        ("urn:x:a", True),
        ("tag:x.org,2020:land", True),
        ("did:example:123", True),
        ("MailTo:ann@x.org", True),
        ("file:/x/a", True),
        ("ftp://x/a", True),
        ("geo:48.2,16.3", True),
        ("ark:/12148/b", True),
        ("tag:", False),
        ("concept:city:paris", False),  # as NELL names things
        ("w:person:p3", False),
        ("paris", False),
        ("http://x/a b", False),
        ("http://x/a>b", False),
        ("http://x/a\x0bb", False),
        ("urn:a\x85b", False),
        ("tag:a\x7fb", False),
        ("http://x/100%", False),
        ("http://x/a#b#c", False),
    ],
)
def test_iris_of_any_usual_scheme_stay_and_all_that_is_written_can_be_read(name, is_one, tmp_path):
    base = "urn:kgzsl:name:"
    written = iri_of(name, base)
    assert written == (name if is_one else base + quote(name, safe=""))
    write_proposals([Proposal(name, name, name, 0.25, 1.0)], tmp_path / "new.nt", style="star")
    quads = pyoxigraph.parse((tmp_path / "new.nt").read_bytes(), pyoxigraph.RdfFormat.N_TRIPLES)
    assert {quad.object.subject.value for quad in quads if "reifies" in quad.predicate.value} == {written}
    known = SimpleNamespace(entities_=(name,), relations_=(name,))
    new = SimpleNamespace(entities_=(), relations_=())
    assert names_of_iris([(written,) * 3], known, base) == names_of_iris([(written,) * 3], new, base) == [(name,) * 3]


def test_bad_questions(model):
    with pytest.raises(InputError, match="both heads and tails"):
        propose(model, "livesIn", heads=["w:person:p1"], tails=["w:city:c1"])
    with pytest.raises(InputError, match="least confidence is 2"):
        propose(model, "livesIn", min_confidence=2)
    with pytest.raises(InputError, match=r"no relation is called 'livsIn'.*livesIn"):
        propose(model, "livsIn")
    with pytest.raises(InputError, match="no entity is called"):
        propose(model, "livesIn", heads=["w:person:p99"])
    model.calibration_, kept = None, model.calibration_
    with pytest.raises(InputError, match="no calibration"):
        propose(model, "livesIn", heads=["w:person:p1"], min_confidence=0.1)
    bare = propose(model, "livesIn", heads=["w:person:p1"], top=4)
    assert [one.confidence for one in bare.found] == [None] * 4
    assert [one.score for one in bare.found] == sorted((one.score for one in bare.found), reverse=True)
    assert "not calibrated" in bare.notes[0]
    model.calibration_ = kept


def test_a_schema_that_refuses_every_answer_is_counted(model):
    number = model.relations_.index("residesIn")
    kinds, nothing = model.kinds_, torch.zeros(len(model.kinds_.names), dtype=torch.bool)
    strict = copy.copy(model).set_facts(model._known)  # with evidence of its own: that of the other kinds is not shared
    strict.kinds_ = EntityKinds(kinds.names, kinds.of, kinds.domain, {**kinds.range, number: nothing})
    found = propose(strict, "residesIn", heads=["w:person:p3"], top=3)
    assert found.found == ()
    assert sum(found.refused.values()) == len(model.entities_)


def test_open_ended_proposals_do_not_hang_on_how_much_memory_there_is(model):
    narrow = copy.copy(model)
    narrow.memory_budget_ = 1
    wide = propose(model, "residesIn", top=7, min_confidence=0.3, schema=SCHEMA)
    few = propose(narrow, "residesIn", top=7, min_confidence=0.3, schema=SCHEMA)
    assert replace(few, found=()) == replace(wide, found=())
    same_but_for_rounding(few.found, wide.found)
    assert len(wide.found) + wide.unsure == 7
    every = propose(model, "residesIn", top=10**6, schema=SCHEMA)
    same_but_for_rounding(wide.found, every.found[: len(wide.found)])


def same_but_for_rounding(some, others):
    """Products of matrices of another size may round otherwise, by processor."""
    for one, other in zip(some, others, strict=True):
        assert (one.head, one.tail) == (other.head, other.tail)
        assert (one.confidence, one.score) == pytest.approx((other.confidence, other.score), abs=1e-4)


def test_a_relation_that_the_schema_does_not_know_is_told(model):
    elsewhere = ClassGraph.from_triples([(X + "likes", RDFS + "range", X + "city")])
    (note,) = propose(model, "residesIn", heads=["w:person:p3"], top=2, schema=elsewhere).notes
    assert note == "residesIn is not in the schema, which says nothing of it"
    assert propose(model, "residesIn", heads=["w:person:p3"], top=2, schema=SCHEMA).notes == ()


def fixed(model, table, chances=None, **changes):
    """The model with other scores: of the anchors the rows of ``table``, and their confidences where given."""
    other = copy.copy(model)
    rows = {model._entity(name): torch.tensor(row) for name, row in table.items()}
    blank = torch.full((len(model.entities_),), -9.0)
    sure = {row.sum().item(): chances[name] for name, row in zip(table, rows.values(), strict=True)} if chances else {}
    other.scores = lambda relation, anchors, side: torch.stack([rows.get(a, blank) for a in anchors.tolist()])
    if chances:
        # A confidence is the score's place under its head's chance.
        other.calibration_of = lambda scores, relation, anchors, side: torch.stack(
            [torch.softmax(row, dim=0) * sure.get(row.sum().item(), 0.01) for row in scores]
        )
    return other


def test_open_ended_proposals_are_ordered_by_confidence_and_not_by_score(model):
    def row(best: str, second: str, value: float):
        scores = [-9.0] * len(model.entities_)
        scores[model._entity(best)], scores[model._entity(second)] = value, value - 1
        return scores

    # The higher the scores of a head, the less sure it is.
    table = {f"w:person:p{i}": row(f"w:city:c{i}", f"w:city:c{i + 1}", 2.0 + i) for i in range(4)}
    chances = {f"w:person:p{i}": 1.0 - 0.2 * i for i in range(4)}
    found = propose(fixed(model, table, chances), "residesIn", top=3, schema=SCHEMA).found
    assert [one.head for one in found] == ["w:person:p0", "w:person:p1", "w:person:p2"]
    assert [one.score for one in found] == [2, 3, 4]
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)


def test_a_fact_against_the_schema_is_a_fact_and_no_refusal(model):
    before = propose(model, "residesIn", heads=["w:person:p3"], top=20, schema=SCHEMA)
    told = copy.copy(model)
    fact = [model._entity("w:person:p3"), model._relation("residesIn"), model._entity("w:land:l0")]
    told.set_facts(torch.cat([model._known, torch.tensor([fact])]))
    after = propose(told, "residesIn", heads=["w:person:p3"], top=20, schema=SCHEMA)
    assert (before.refused["range"], before.known) == (4, 0)
    assert (after.refused["range"], after.known) == (3, 1)


def test_a_given_end_of_the_wrong_kind_is_refused_and_counted(model):
    found = propose(model, "residesIn", heads=["w:city:c1", "w:person:p3", "w:land:l0"], top=3, schema=SCHEMA)
    assert {one.head for one in found.found} == {"w:person:p3"}
    assert found.refused == {"disjoint": 1, "range": 0, "domain": 1}
    assert [note.split(":")[0] for note in found.notes] == [
        "of the wrong kind for a head of residesIn, as a class of it is disjoint with what the schema asks for",
        "of the wrong kind for a head of residesIn, which is outside the domain",
    ]
    alone = propose(model, "residesIn", tails=["w:person:p3"], top=3, schema=SCHEMA)
    assert alone.found == ()
    assert alone.refused == {"disjoint": 1, "domain": 0}
    kept = propose(model, "residesIn", heads=["w:land:l0"], top=3, schema=SCHEMA, keep_violations=True)
    assert len(kept.found) == 3
    assert "kept all the same" in kept.notes[0]


def test_ends_that_have_an_answer_already_are_told_with_how_often_there_are_more(model):
    def told(relation, **ends):
        notes = propose(model, relation, **ends, top=2).notes
        return [note for note in notes if "already" in note]

    known = model._known[model._known[:, 1] == model.relations_.index("livesIn")]
    heads, tails = torch.unique(known[:, 0]), torch.unique(known[:, 2], return_counts=True)
    several = int((tails[1] > 1).sum())
    one = "w:person:p3"
    (note,) = told("livesIn", heads=[one])
    assert note.startswith(
        f"{one} has a tail of livesIn already (of {len(heads)} that have one 0 have more): a confidence"
    )
    first, second = (model.entities_[entity] for entity in tails[0][:2].tolist())
    (note,) = told("livesIn", tails=[first, second])
    assert note.startswith(
        f"{first}, {second} have a head of livesIn already (of {len(tails[0])} that have one {several} "
    )
    (note,) = told("livesIn")
    assert note.startswith(f"{len(heads)} of those asked have a tail of livesIn already")
    assert not told("residesIn", heads=[one])


def test_an_end_that_is_given_twice_counts_once(model):
    once = propose(model, "residesIn", heads=["w:person:p3"], top=4, schema=SCHEMA)
    assert propose(model, "residesIn", heads=["w:person:p3", "w:person:p3"], top=4, schema=SCHEMA) == once


def test_paths_lead_over_the_fewest_linked_first(model):
    friend = model._relation("friendOf")
    people = {number: model._entity(f"w:person:p{number}") for number in range(24)}
    # From 0 over 1 .. 4 to 5; 1 has three links more, 2 two, 3 one.
    pairs = [(a, b) for middle in range(1, 5) for a, b in ((0, middle), (middle, 5))]
    pairs += [(middle, 10 + more) for middle in range(1, 4) for more in range(4 - middle)]
    told = copy.copy(model).set_facts(torch.tensor([[people[a], friend, people[b]] for a, b in pairs]))
    paths = reasons(told, model._relation("residesIn"), people[0], people[5], most=3).paths
    assert [path.split(" > ")[1] for path in paths] == ["w:person:p4", "w:person:p3", "w:person:p2"]
