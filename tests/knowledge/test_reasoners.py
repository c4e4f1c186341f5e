"""EL classification, HermiT, contradictions and looping chains."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgzsl import ClassGraph, InputError
from kgzsl.knowledge.normal_forms import NormalForms
from kgzsl.knowledge.readers import ReadOptions, read_triples
from kgzsl.knowledge.reasoners import classify, direct_subsumptions, looping_chains
from kgzsl.knowledge.reasoners.chain_rule import follow_chains
from kgzsl.knowledge.reasoners.hermit import java, run_hermit
from kgzsl.knowledge.texts import local_name

from .conftest import PREFIXES
from .helpers import edges
from .test_normal_forms import CLASSES, axioms, extension, holds, some_models, written

Data = Callable[[str], Path]
Turtle = Callable[..., ClassGraph]
needs_java = pytest.mark.skipif(java() is None, reason="no Java on this machine")

SOME = "[ a owl:Restriction ; owl:onProperty :{} ; owl:someValuesFrom {} ]"
# ontology -> subclass edges that follow and are not there, by the rule of the completion that they need
FOLLOWS = {
    "CR1, CR3 and CR4: through a restriction": (
        f":A rdfs:subClassOf {SOME.format('r', ':B')} . :B rdfs:subClassOf :C ."
        f" {SOME.format('r', ':C')} rdfs:subClassOf :D .",
        {("A", "D")},
    ),
    "CR2: a conjunction": (
        ":A rdfs:subClassOf :B , :C . [ owl:intersectionOf ( :B :C ) ] rdfs:subClassOf :D .",
        {("A", "D")},
    ),
    "CR10: a narrower relation": (
        f":A rdfs:subClassOf {SOME.format('r', ':B')} . :r rdfs:subPropertyOf :s ."
        f" {SOME.format('s', ':B')} rdfs:subClassOf :D .",
        {("A", "D")},
    ),
    "CR11: a chain": (
        f":A rdfs:subClassOf {SOME.format('r', ':B')} . :B rdfs:subClassOf {SOME.format('s', ':C')} ."
        f" :t owl:propertyChainAxiom ( :r :s ) . {SOME.format('t', ':C')} rdfs:subClassOf :D .",
        {("A", "D")},
    ),
    "CR11: a transitive relation": (
        f":A rdfs:subClassOf {SOME.format('r', ':B')} . :B rdfs:subClassOf {SOME.format('r', ':C')} ."
        f" :r a owl:TransitiveProperty . {SOME.format('r', ':C')} rdfs:subClassOf :D .",
        {("A", "D"), ("B", "D")},
    ),
    "a domain": (f":A rdfs:subClassOf {SOME.format('r', ':B')} . :r rdfs:domain :D .", {("A", "D")}),
    "definitions": (
        f":A owl:equivalentClass [ owl:intersectionOf ( :P {SOME.format('r', ':T')} ) ] ."
        f" :B rdfs:subClassOf :P , {SOME.format('r', ':S')} . :S rdfs:subClassOf :T .",
        {("B", "A"), ("A", "P")},
    ),
}


@pytest.mark.parametrize("name", FOLLOWS)
def test_el_rules(name: str, turtle: Turtle) -> None:
    text, expected = FOLLOWS[name]
    before = {(a, b) for a, r, b in edges(turtle(text)) if r == "subClassOf"}
    graph = turtle(text, reasoning="el")
    after = {(a, b) for a, r, b in edges(graph) if r == "subClassOf"}
    assert after == before | expected
    assert expected - before or name == "definitions"
    assert graph.account.balanced
    assert graph.account.notes[0].startswith("reasoning el added ")


def test_only_direct_subsumptions_are_added(turtle: Turtle) -> None:
    text = ":A owl:equivalentClass [ owl:intersectionOf ( :B :C ) ] . :B rdfs:subClassOf :D . :D rdfs:subClassOf :E ."
    found = {(a, b) for a, r, b in edges(turtle(text, reasoning="el")) if r == "subClassOf"}
    assert found == {("A", "B"), ("A", "C"), ("B", "D"), ("D", "E")}
    assert direct_subsumptions({1: {1, 2, 3}, 2: {2, 3}, 3: {3}, 4: {4, 5, 3}, 5: {4, 5, 3}}) == (
        [(1, 2), (2, 3), (4, 3)],
        [(4, 5)],
    )


def test_types_of_individuals(turtle: Turtle) -> None:
    text = f""":a a :A ; :r :b . :b a :B . :r a owl:ObjectProperty . {SOME.format("r", ":B")} rdfs:subClassOf :D .
        :D rdfs:subClassOf :E ."""
    found = edges(turtle(text, reasoning="el"))
    assert ("a", "type", "D") in found
    assert ("a", "type", "E") not in found  # not among the most special


def test_unsatisfiable_classes_are_reported(turtle: Turtle) -> None:
    text = ":A owl:disjointWith :B . :C rdfs:subClassOf :A , :B . :D rdfs:subClassOf :C ."
    for regime in ("el", "owl2rl", "rdfs"):
        graph = turtle(text, reasoning=regime)
        assert any(note == "2 classes are unsatisfiable: C, D" for note in graph.account.notes), regime


def test_inconsistency_is_reported(turtle: Turtle) -> None:
    text = ":A owl:disjointWith :B . :a a :A , :B . :K rdfs:subClassOf :L ."
    with pytest.raises(InputError, match="inconsistent"):
        turtle(text, reasoning="el")
    notes = turtle(text, reasoning="owl2rl").account.notes
    assert "the ontology is inconsistent: a is both A and B" in notes


CONTRADICTIONS = {
    ":a a owl:Nothing .": "a is of owl:Nothing",
    ":A owl:complementOf :B . :a a :A , :B .": "a is both A and B",
    "[] a owl:AllDisjointClasses ; owl:members ( :A :B ) . :a a :A , :B .": "a is both A and B",
    ":a owl:sameAs :b ; owl:differentFrom :b .": "a and b are the same and different",
    ":r a owl:IrreflexiveProperty . :a :r :a .": "a r a contradicts that r is IrreflexiveProperty",
    ":r a owl:AsymmetricProperty . :a :r :b . :b :r :a .": "a r b contradicts that r is AsymmetricProperty",
}


@pytest.mark.parametrize("text", CONTRADICTIONS)
def test_rules_that_end_in_false(text: str, turtle: Turtle) -> None:
    pytest.importorskip("reasonable")
    notes = turtle(text + " :K rdfs:subClassOf :L .", reasoning="owl2rl").account.notes
    assert any(CONTRADICTIONS[text] in note for note in notes)


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        (":r owl:propertyChainAxiom ( :r :r ) .", []),
        (":r owl:propertyChainAxiom ( :r :s ) .", []),
        (":r owl:propertyChainAxiom ( :s :r ) .", []),
        (":t owl:propertyChainAxiom ( :r :s ) . :r owl:propertyChainAxiom ( :u :v ) .", []),
        (":r owl:propertyChainAxiom ( :s :r :t ) .", [{"r"}]),
        (":t owl:propertyChainAxiom ( :r :s ) . :r owl:propertyChainAxiom ( :t :u ) .", [{"r", "t"}]),
        (":t owl:propertyChainAxiom ( :r :s ) . :t rdfs:subPropertyOf :s .", [{"s", "t"}]),
        (":r rdfs:subPropertyOf :s . :s rdfs:subPropertyOf :r .", []),
    ],
)
def test_looping_chains(text: str, loops: list[set[str]], tmp_path: Path) -> None:
    path = tmp_path / "o.ttl"
    path.write_text(PREFIXES + text)
    found = looping_chains(read_triples(path, None, ReadOptions()).triples)
    assert [{local_name(one) for one in loop} for loop in found] == loops


def test_looping_chains_are_reported_and_end(turtle: Turtle) -> None:
    text = """:t owl:propertyChainAxiom ( :r :s ) . :r owl:propertyChainAxiom ( :t :u ) .
        :a :r :b . :b :s :c . :c :u :d . :a a :A . :A rdfs:subClassOf :B ."""
    for regime in ("el", "owl2rl"):
        graph = turtle(text, reasoning=regime)
        assert any("property chains loop" in note and "r, t" in note for note in graph.account.notes)
    assert ("a", "t", "c") in edges(turtle(text, reasoning="owl2rl"))


def test_chains_and_rules_feed_each_other(turtle: Turtle) -> None:
    """uncle = parent o brother; brother is symmetric, and so the uncle comes by one rule through the other."""
    text = """:uncle owl:propertyChainAxiom ( :parent :brother ) ; rdfs:subPropertyOf :kin .
        :far owl:propertyChainAxiom ( :kin :kin :kin ) . :brother a owl:SymmetricProperty .
        :a :parent :b . :c :brother :b . :c :parent :d . :d :brother :e . :e :parent :f . :f :brother :g ."""
    found = edges(turtle(text, reasoning="owl2rl"))
    assert {("a", "uncle", "c"), ("c", "uncle", "e"), ("e", "uncle", "g"), ("a", "far", "g")} <= found
    with pytest.raises(InputError, match="more than 2 triples by property chains"):
        turtle(text, reasoning="owl2rl", max_added=2)


def test_chains_within_their_time() -> None:
    facts = {(f"n{i}", "p", f"n{i + 1}") for i in range(3000)}
    with pytest.raises(InputError, match=r"chains took longer than its budget of time; raise max_seconds="):
        follow_chains([(("p", "p"), "p")], facts, max_added=10**9, end=time.monotonic() + 0.05)


def test_budgets(turtle: Turtle) -> None:
    chain = " ".join(f":C{i} rdfs:subClassOf :C{i + 1} ." for i in range(300))
    with pytest.raises(InputError, match=r"took longer than 0 seconds; raise max_seconds"):
        turtle(chain, reasoning="el", max_seconds=0)
    text = ":A owl:equivalentClass [ owl:intersectionOf ( :B :C ) ] ."
    with pytest.raises(InputError, match="adds more than 1 triples"):
        turtle(text, reasoning="el", max_added=1)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ontology=st.lists(axioms(False), min_size=1, max_size=4), seed=st.integers(0, 2**31))
def test_what_el_finds_holds_in_every_model(
    ontology: list[tuple[object, ...]], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Soundness, for ontologies beyond EL too: no model of the ontology contradicts a subsumption that was found."""
    path = tmp_path_factory.mktemp("o") / "o.ttl"
    path.write_text(PREFIXES + " :K rdfs:subClassOf owl:Thing . " + "\n".join(map(written, ontology)))
    forms = NormalForms.read(path)
    found = classify(forms)
    models = some_models(seed, 2000)
    good = np.ones(len(models["i"]), bool)
    for axiom in ontology:
        good &= holds(axiom, models)
    models = {name: values[good] for name, values in models.items()}
    if not found.consistent:
        assert not good.any()
    for number, name in enumerate(forms.names):
        one = local_name(name)
        if forms.kinds[number] == 0 and one in CLASSES:
            for above in found.subsumers[number]:
                other = local_name(forms.names[above])
                if forms.kinds[above] == 0 and other in (*CLASSES, "Nothing"):
                    target = extension(("name", f"owl:{other}" if other == "Nothing" else other), models)
                    assert (~models[one] | target).all()


@pytest.mark.slow
@needs_java
@pytest.mark.parametrize("name", ["pizza.owl", "univ-bench.owl", "koala.owl", "bfo-core-2020.owl"])
def test_el_finds_a_part_of_what_hermit_finds(name: str, data: Data) -> None:
    triples = read_triples(data(f"ontologies/{name}"), None, ReadOptions()).triples
    hermit = run_hermit(triples, max_seconds=300)
    above: dict[str, set[str]] = {}
    for low, high in [*hermit.subclasses, *hermit.equivalents, *((b, a) for a, b in hermit.equivalents)]:
        above.setdefault(low, set()).add(high)

    def all_above(one: str) -> set[str]:
        seen: set[str] = set()
        waiting = [one]
        while waiting:
            new = above.get(waiting.pop(), set()) - seen
            seen |= new
            waiting += new
        return seen

    forms = NormalForms.from_triples(triples)
    found = classify(forms)
    assert {forms.names[one] for one in found.unsatisfiable if not forms.kinds[one]} <= set(hermit.unsatisfiable)
    compared = 0
    for number, one in enumerate(forms.names):
        if forms.kinds[number] or number < 2 or one in hermit.unsatisfiable:
            continue
        mine = {forms.names[a] for a in found.subsumers[number] if not forms.kinds[a] and a > 1} - {one}
        assert mine <= all_above(one)
        compared += len(mine)
    assert compared


def random_concept(random: np.random.Generator, depth: int = 2) -> str:
    kind = random.integers(3) if depth else 0
    if kind == 0:
        return f":{random.choice(CLASSES)}"
    if kind == 1:
        return SOME.format(random.choice(["r", "s"]), random_concept(random, depth - 1))
    parts = f"{random_concept(random, depth - 1)} {random_concept(random, depth - 1)}"
    return f"[ a owl:Class ; owl:intersectionOf ( {parts} ) ]"


def random_axiom(random: np.random.Generator) -> str:
    kind = random.integers(8)
    if kind == 0:
        return f":{random.choice(CLASSES)} owl:disjointWith {SOME.format('r', random_concept(random, 1))} ."
    if kind == 1:
        return ":r rdfs:subPropertyOf :s ."
    if kind == 2:
        return f":s rdfs:domain {random_concept(random, 1)} ."
    return f"{random_concept(random)} rdfs:subClassOf {random_concept(random)} ."


@pytest.mark.slow
@needs_java
def test_el_is_complete_on_random_el_ontologies(tmp_path: Path) -> None:
    """Two hundred ontologies without individuals, each under names of its own, classified in one run of HermiT."""
    random = np.random.default_rng(0)
    texts = ["\n".join(random_axiom(random) for _ in range(6)) for _ in range(200)]
    path = tmp_path / "o.ttl"
    declared = " ".join(f":X{n}{name} a owl:Class ." for n in range(len(texts)) for name in CLASSES)
    declared += " ".join(f":X{n}{name} a owl:ObjectProperty ." for n in range(len(texts)) for name in "rs")
    parts = [re.sub(r"(?<=\s):(?=[ABCrs]\b)", f":X{n}", f" {text} ") for n, text in enumerate(texts)]
    kept = []
    for part in parts:  # those that are consistent by themselves
        path.write_text(PREFIXES + " :K rdfs:subClassOf owl:Thing . " + part)
        if classify(NormalForms.read(path)).consistent:
            kept.append(part)
    path.write_text(PREFIXES + declared + "\n".join(kept))
    triples = read_triples(path, None, ReadOptions()).triples
    hermit = run_hermit(triples, max_seconds=300)
    forms = NormalForms.from_triples(triples)
    found = classify(forms)
    assert {forms.names[one] for one in found.unsatisfiable if not forms.kinds[one]} == set(hermit.unsatisfiable)
    number = {name: at for at, (name, kind) in enumerate(zip(forms.names, forms.kinds, strict=True)) if not kind}
    theirs = [*hermit.subclasses, *hermit.equivalents, *((b, a) for a, b in hermit.equivalents)]
    for low, high in theirs:
        if low in number:
            assert number[high] in found.subsumers[number[low]]
    assert len(theirs) > 100


@pytest.mark.slow
@needs_java
def test_hermit_goes_beyond_el(turtle: Turtle) -> None:
    """A ⊑ B ⊔ C, A ⊓ B ⊑ ⊥ gives A ⊑ C, which EL cannot say."""
    text = """:A a owl:Class ; rdfs:subClassOf [ a owl:Class ; owl:unionOf ( :B :C ) ] .
        :B a owl:Class . :C a owl:Class . :A owl:disjointWith :B . :a a :A , owl:NamedIndividual ."""
    assert ("A", "subClassOf", "C") not in edges(turtle(text, reasoning="el"))
    graph = turtle(text, reasoning="hermit")
    assert ("A", "subClassOf", "C") in edges(graph)
    assert graph.account.balanced
    with pytest.raises(InputError, match="inconsistent"):
        turtle(text + " :a a :B .", reasoning="hermit")
    with pytest.raises(InputError, match="HermiT takes OWL 2 DL only"):
        turtle(
            ":r a owl:ObjectProperty , owl:TransitiveProperty , owl:AsymmetricProperty . :A a owl:Class .",
            reasoning="hermit",
        )


@needs_java
def test_hermit_within_its_time(turtle: Turtle) -> None:
    with pytest.raises(InputError, match=r"reasoning hermit took longer than 0\.01 seconds"):
        turtle(":A a owl:Class ; rdfs:subClassOf :B .", reasoning="hermit", max_seconds=0.01)


def test_hermit_without_java(turtle: Turtle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(InputError, match=r"needs Java.*reasoning='el'"):
        turtle(":A rdfs:subClassOf :B .", reasoning="hermit")
