"""Normal forms of EL++: by hand, and by their models."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgzsl import InputError
from kgzsl.knowledge.normal_forms import NormalForms

from .conftest import PREFIXES

Data = Callable[[str], Path]


def normalise(tmp_path: Path, text: str, **options: bool) -> NormalForms:
    path = tmp_path / "o.ttl"
    path.write_text(PREFIXES + text)
    return NormalForms.read(path, **options)


SOME = "[ a owl:Restriction ; owl:onProperty :{} ; owl:someValuesFrom {} ]"
BY_HAND = {
    ":A rdfs:subClassOf :B .": {"A ⊑ B"},
    f":A rdfs:subClassOf {SOME.format('r', ':B')} .": {"A ⊑ ∃r.B"},
    f"{SOME.format('r', ':B')} rdfs:subClassOf :A .": {"∃r.B ⊑ A"},
    "[ owl:intersectionOf ( :A :B ) ] rdfs:subClassOf :C .": {"A ⊓ B ⊑ C"},
    ":A rdfs:subClassOf owl:Nothing .": {"A ⊑ ⊥"},
    ":A owl:disjointWith :B .": {"A ⊓ B ⊑ ⊥"},
    f"{SOME.format('r', ':B')} rdfs:subClassOf owl:Nothing .": {"∃r.B ⊑ ⊥"},
    ":A owl:equivalentClass :B .": {"A ⊑ B", "B ⊑ A"},
    ":A rdfs:subClassOf [ owl:complementOf :B ] .": {"A ⊓ B ⊑ ⊥"},
    ":A rdfs:subClassOf [ owl:intersectionOf ( :B :C ) ] .": {"A ⊑ B", "A ⊑ C"},
    "[ owl:unionOf ( :A :B ) ] rdfs:subClassOf :C .": {"A ⊑ C", "B ⊑ C"},
    ":r rdfs:domain :A .": {"∃r.Thing ⊑ A"},
    ":r rdfs:subPropertyOf :s .": {"r ⊑ s"},
    ":r owl:equivalentProperty :s .": {"r ⊑ s", "s ⊑ r"},
    ":r a owl:TransitiveProperty .": {"r ∘ r ⊑ r"},
    ":t owl:propertyChainAxiom ( :r :s ) .": {"r ∘ s ⊑ t"},
    "[] a owl:AllDisjointClasses ; owl:members ( :A :B :C ) .": {"A ⊓ B ⊑ ⊥", "A ⊓ C ⊑ ⊥", "B ⊓ C ⊑ ⊥"},
    ":A owl:disjointUnionOf ( :B :C ) .": {"B ⊑ A", "C ⊑ A", "B ⊓ C ⊑ ⊥"},
    ":A rdfs:subClassOf [ owl:onProperty :r ; owl:maxCardinality 0 ] .": {"∃r.Thing ⊑ 3", "A ⊓ 3 ⊑ ⊥"},
    ":A rdfs:subClassOf [ owl:onProperty :r ; owl:minCardinality 1 ] .": {"A ⊑ ∃r.Thing"},
    ":A rdfs:subClassOf [ owl:onProperty :r ; owl:hasValue :a ] .": {"A ⊑ ∃r.a"},
    ":a a :A .": {"a ⊑ A"},
    ":r a owl:ObjectProperty . :a :r :b .": {"a ⊑ ∃r.b"},
    ":a owl:sameAs :b .": {"a ⊑ b", "b ⊑ a"},
    ":a owl:differentFrom :b .": {"a ⊓ b ⊑ ⊥"},
    ":A rdfs:subClassOf owl:Thing .": set(),
}


@pytest.mark.parametrize("text", BY_HAND)
def test_by_hand(text: str, tmp_path: Path) -> None:
    found = normalise(tmp_path, text)
    assert set(found.lines()) == BY_HAND[text]
    assert found.account.balanced


def test_nested_expressions_get_fresh_names(tmp_path: Path) -> None:
    """A ⊑ ∃r.(B ⊓ ∃s.C): a fresh X below B and ∃s.C. ∃r.(B ⊓ C) ⊑ D: a fresh Y above B ⊓ C."""
    inner = f"[ owl:intersectionOf ( :B {SOME.format('s', ':C')} ) ]"
    found = normalise(tmp_path, f":A rdfs:subClassOf {SOME.format('r', inner)} .")
    (fresh,) = np.flatnonzero(found.kinds == 2)
    name = found.names[fresh].rpartition(":")[2]
    assert set(found.lines()) == {f"A ⊑ ∃r.{name}", f"{name} ⊑ B", f"{name} ⊑ ∃s.C"}
    found = normalise(tmp_path, f"{SOME.format('r', '[ owl:intersectionOf ( :B :C ) ]')} rdfs:subClassOf :D .")
    (fresh,) = np.flatnonzero(found.kinds == 2)
    name = found.names[fresh].rpartition(":")[2]
    assert set(found.lines()) == {f"B ⊓ C ⊑ {name}", f"∃r.{name} ⊑ D"}


def test_long_chains_begin_with_fresh_relations(tmp_path: Path) -> None:
    found = normalise(tmp_path, ":t owl:propertyChainAxiom ( :r :s :u :v ) .")
    assert len(found.role_chain) == 3
    assert sum(name.startswith("urn:kgzsl:fresh-relation:") for name in found.relations) == 2


DROPPED = {
    ":A rdfs:subClassOf [ owl:onProperty :r ; owl:allValuesFrom :B ] .": "a restriction to all",
    ":A rdfs:subClassOf [ owl:unionOf ( :B :C ) ] .": "a union",
    "[ owl:complementOf :A ] rdfs:subClassOf :B .": "on the left side: a complement",
    ":r rdfs:range :A .": "a range",
    ":r owl:inverseOf :s .": "an inverse",
    ":r a owl:FunctionalProperty .": "a characteristic other than transitivity",
    ":A owl:hasKey ( :r ) .": "a key",
    ":d a owl:DatatypeProperty ; rdfs:domain :A .": "on the left side: a data property",
    ":A rdfs:subClassOf [ owl:onProperty :d ; owl:someValuesFrom xsd:string ] .": "a data property",
    ":A rdfs:subClassOf [ owl:onProperty [ owl:inverseOf :r ] ; owl:someValuesFrom :B ] .": "an inverse",
    ":A rdfs:label 'a' .": "a text, a number or a date",
}


@pytest.mark.parametrize("text", DROPPED)
def test_what_el_cannot_say_is_dropped_with_a_reason(text: str, tmp_path: Path) -> None:
    found = normalise(tmp_path, text + " :K rdfs:subClassOf :L .")
    assert found.lines() == ["K ⊑ L"]
    assert DROPPED[text] in found.account.dropped
    assert found.account.balanced


def test_individuals_can_be_left_out(tmp_path: Path) -> None:
    text = ":a a :A . :A rdfs:subClassOf :B . :r a owl:ObjectProperty . :a :r :b . :a owl:sameAs :b ."
    found = normalise(tmp_path, text, individuals=False)
    assert found.lines() == ["A ⊑ B"]
    assert found.account.balanced


def test_saving(tmp_path: Path) -> None:
    found = normalise(tmp_path, f":A rdfs:subClassOf {SOME.format('r', ':B')} , :C . :r a owl:TransitiveProperty .")
    found.save(tmp_path / "o.nf")
    back = NormalForms.load(tmp_path / "o.nf")
    assert back.names == found.names
    assert back.lines() == found.lines()
    assert back.account == found.account
    assert repr(back) == repr(found)
    (tmp_path / "x.nf").write_text("hello")
    with pytest.raises(InputError, match="no file of normal forms"):
        NormalForms.load(tmp_path / "x.nf")


@pytest.mark.parametrize(
    "name", ["pizza.owl", "wine.owl", "family_owl2_primer.owl", "bfo-core-2020.owl", "goslim_generic.obo", "aeo.owl"]
)
def test_the_account_balances_on_real_ontologies(name: str, data: Data) -> None:
    found = NormalForms.read(data(f"ontologies/{name}"))
    assert found.account.balanced
    assert len(found) == found.account.num_edges
    for form, array in found.forms.items():
        assert len(np.unique(array, axis=0)) == len(array), form


# ---------------------------------------------------------------------- models

CLASSES = ("A", "B", "C")
ROLES = ("r", "s")
SIZE = 2  # of the domain
Concept = tuple[object, ...]

names = st.sampled_from([("name", name) for name in (*CLASSES, "owl:Thing", "owl:Nothing")])
nominal = st.just(("one", "i"))


def concepts(exact: bool, side: str) -> st.SearchStrategy[Concept]:
    """Concepts that EL++ can say exactly on one side, or any."""

    def grow(inner: st.SearchStrategy[Concept]) -> st.SearchStrategy[Concept]:
        some = st.tuples(st.just("some"), st.sampled_from(ROLES), inner)
        both = st.tuples(st.just("and"), inner, inner)
        either = st.tuples(st.just("or"), inner, inner)
        rest = [st.tuples(st.just("all"), st.sampled_from(ROLES), inner), st.tuples(st.just("not"), inner)]
        if exact:
            return st.one_of(some, both, either) if side == "left" else st.one_of(some, both)
        return st.one_of(some, both, either, *rest)

    leaves = [names, nominal]
    if exact and side == "right":
        leaves.append(st.tuples(st.just("not"), names))
    return st.recursive(st.one_of(leaves), grow, max_leaves=4)


def right_sides(exact: bool) -> st.SearchStrategy[Concept]:
    plain = concepts(exact, "right")
    negated = concepts(exact, "left")
    return st.one_of(
        plain,
        plain,
        st.tuples(st.just("not"), negated),
        st.tuples(st.just("max0"), st.sampled_from(ROLES), negated),
    )


def axioms(exact: bool) -> st.SearchStrategy[tuple[object, ...]]:
    return st.one_of(
        st.tuples(st.just("sub"), concepts(exact, "left"), right_sides(exact)),
        st.tuples(st.just("sub"), concepts(exact, "left"), right_sides(exact)),
        st.tuples(st.just("disjoint"), concepts(exact, "left"), concepts(exact, "left")),
        st.tuples(st.just("chain"), st.sampled_from(ROLES), st.sampled_from(ROLES), st.sampled_from(ROLES)),
        st.tuples(st.just("role"), st.sampled_from(ROLES), st.sampled_from(ROLES)),
        st.tuples(st.just("domain"), st.sampled_from(ROLES), concepts(exact, "right")),
    )


def turtle(concept: Concept) -> str:
    kind, *parts = concept
    if kind == "name":
        return str(parts[0]) if ":" in str(parts[0]) else f":{parts[0]}"
    if kind == "one":
        return f"[ owl:oneOf ( :{parts[0]} ) ]"
    if kind in ("and", "or"):
        word = "intersectionOf" if kind == "and" else "unionOf"
        return f"[ owl:{word} ( {turtle(parts[0])} {turtle(parts[1])} ) ]"  # type: ignore[arg-type]
    if kind == "not":
        return f"[ owl:complementOf {turtle(parts[0])} ]"  # type: ignore[arg-type]
    if kind == "max0":
        filler = turtle(parts[1])  # type: ignore[arg-type]
        return f"[ owl:onProperty :{parts[0]} ; owl:maxQualifiedCardinality 0 ; owl:onClass {filler} ]"
    word = "someValuesFrom" if kind == "some" else "allValuesFrom"
    return f"[ owl:onProperty :{parts[0]} ; owl:{word} {turtle(parts[1])} ]"  # type: ignore[arg-type]


def written(axiom: tuple[object, ...]) -> str:
    kind, *parts = axiom
    if kind == "chain":
        return f":{parts[2]} owl:propertyChainAxiom ( :{parts[0]} :{parts[1]} ) ."
    if kind == "role":
        return f":{parts[0]} rdfs:subPropertyOf :{parts[1]} ."
    if kind == "domain":
        return f":{parts[0]} rdfs:domain {turtle(parts[1])} ."  # type: ignore[arg-type]
    word = "rdfs:subClassOf" if kind == "sub" else "owl:disjointWith"
    return f"{turtle(parts[0])} {word} {turtle(parts[1])} ."  # type: ignore[arg-type]


Models = dict[str, np.ndarray]  # class -> bool [B, SIZE], role -> bool [B, SIZE, SIZE]


def extension(concept: Concept, models: Models) -> np.ndarray:
    """bool [B, SIZE]: which elements a concept holds, by the definition of OWL's direct semantics."""
    kind, *parts = concept
    one = next(iter(models.values()))
    if kind in ("name", "one"):
        if parts[0] == "owl:Thing":
            return np.ones((len(one), SIZE), bool)
        if parts[0] == "owl:Nothing":
            return np.zeros((len(one), SIZE), bool)
        return models[str(parts[0])]
    if kind == "not":
        return ~extension(parts[0], models)  # type: ignore[arg-type]
    if kind in ("and", "or"):
        left, right = (extension(part, models) for part in parts)  # type: ignore[arg-type]
        return left & right if kind == "and" else left | right
    role, filler = models[str(parts[0])], extension(parts[1], models)[:, None, :]  # type: ignore[arg-type]
    some = (role & filler).any(2)
    if kind == "all":
        return (~role | filler).all(2)
    return ~some if kind == "max0" else some


def holds(axiom: tuple[object, ...], models: Models) -> np.ndarray:
    kind, *parts = axiom
    if kind == "chain":
        first, second, whole = (models[str(part)] for part in parts)
        return (~(first[:, :, :, None] & second[:, None]).any(2) | whole).all((1, 2))
    if kind == "role":
        return (~models[str(parts[0])] | models[str(parts[1])]).all((1, 2))
    if kind == "domain":
        return (~models[str(parts[0])].any(2) | extension(parts[1], models)).all(1)  # type: ignore[arg-type]
    left, right = (extension(part, models) for part in parts)  # type: ignore[arg-type]
    return (~left | right).all(1) if kind == "sub" else ~(left & right).any(1)


def some_models(seed: int, count: int = 150) -> Models:
    """Interpretations of the names, dense and thin ones; ``i`` is one element."""
    random = np.random.default_rng(seed)
    density = random.choice([0.1, 0.5, 0.9], size=(count, 1))
    models = {name: random.random((count, SIZE)) < density for name in CLASSES}
    models |= {name: random.random((count, SIZE, SIZE)) < density[:, :, None] for name in ROLES}
    models["i"] = np.eye(SIZE, dtype=bool)[random.integers(SIZE, size=count)]
    return models


def extendable(found: NormalForms, models: Models) -> np.ndarray:
    """bool [B]: whether the fresh names can be interpreted such that all normal forms hold; every way is tried."""
    fresh = np.flatnonzero(found.kinds == 2)
    ways = 2 ** (SIZE * len(fresh))
    choices = np.array(list(itertools.product([False, True], repeat=SIZE * len(fresh))), bool)
    choices = choices.reshape(ways, len(fresh), SIZE)
    count = len(models["i"])
    wide = {name: np.repeat(values, ways, axis=0) for name, values in models.items()}
    values = np.zeros((len(found.names), count * ways, SIZE), bool)
    for number, name in enumerate(found.names):
        local = name.rpartition("/")[2]
        if number == 0:
            values[number] = True
        elif found.kinds[number] != 2 and number > 1:
            values[number] = wide[local]
    for at, number in enumerate(fresh.tolist()):
        values[number] = np.tile(choices[:, at], (count, 1))
    roles = np.stack([wide[name.rpartition("/")[2]] for name in found.relations]) if found.relations else np.empty(0)
    good = np.ones(count * ways, bool)

    def some(role: int, filler: int) -> np.ndarray:
        return (roles[role] & values[filler][:, None, :]).any(2)

    for c, d in found.gci0:
        good &= (~values[c] | values[d]).all(1)
    for c, d, e in found.gci1:
        good &= (~(values[c] & values[d]) | values[e]).all(1)
    for c, r, d in found.gci2:
        good &= (~values[c] | some(r, d)).all(1)
    for r, c, d in found.gci3:
        good &= (~some(r, c) | values[d]).all(1)
    for (c,) in found.gci0_bot:
        good &= ~values[c].any(1)
    for c, d in found.gci1_bot:
        good &= ~(values[c] & values[d]).any(1)
    for r, c in found.gci3_bot:
        good &= ~some(r, c).any(1)
    for r, s in found.role_inclusion:
        good &= (~roles[r] | roles[s]).all((1, 2))
    for r, s, t in found.role_chain:
        good &= (~(roles[r][:, :, :, None] & roles[s][:, None]).any(2) | roles[t]).all((1, 2))
    return good.reshape(count, ways).any(1)


def both_sides(
    ontology: list[tuple[object, ...]], seed: int, folder: Path
) -> tuple[NormalForms, np.ndarray, np.ndarray] | None:
    path = folder / "o.ttl"
    path.write_text(PREFIXES + " :K rdfs:subClassOf owl:Thing . " + "\n".join(map(written, ontology)))
    found = NormalForms.read(path)
    if (found.kinds == 2).sum() > 5:
        return None
    models = some_models(seed)
    truth = np.ones(len(models["i"]), bool)
    for axiom in ontology:
        truth &= holds(axiom, models)
    models["K"] = np.ones_like(models["A"])
    return found, truth, extendable(found, models)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ontology=st.lists(axioms(True), min_size=1, max_size=3), seed=st.integers(0, 2**31))
def test_a_conservative_extension(
    ontology: list[tuple[object, ...]], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An interpretation of the names is a model of the ontology iff it extends to a model of the normal form."""
    result = both_sides(ontology, seed, tmp_path_factory.mktemp("o"))
    if result is None:
        return
    found, truth, possible = result
    assert not any(row.partly for row in found.account.rows)
    assert set(found.account.dropped) <= {"says nothing that is not always so"}
    assert (truth == possible).all()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ontology=st.lists(axioms(False), min_size=1, max_size=2), seed=st.integers(0, 2**31))
def test_what_is_beyond_el_is_weakened_never_strengthened(
    ontology: list[tuple[object, ...]], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    result = both_sides(ontology, seed, tmp_path_factory.mktemp("o"))
    if result is not None:
        _, truth, possible = result
        assert (~truth | possible).all()
