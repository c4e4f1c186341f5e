"""The embedded geography graph: its facts agree with one another, and its split shows no unseen relation."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cache

import pyoxigraph as ox
import pytest

from kgzsl import datasets
from kgzsl.datasets.geography import FACT_FILES, IRI, UNSEEN_RELATIONS, VALIDATION_RELATIONS, geography
from kgzsl.errors import InputError

PLACE = "urn:kgzsl:place#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"
SKOS = "http://www.w3.org/2004/02/skos/core#"


@cache
def quads(name: str) -> tuple[ox.Triple, ...]:
    with datasets.ontology_path(name).open("rb") as stream:
        return tuple(quad.triple for quad in ox.parse(stream, format=ox.RdfFormat.TURTLE))


@cache
def schema(predicate: str) -> dict[str, list[str]]:
    found = defaultdict(list)
    for triple in quads("geography"):
        if triple.predicate.value == predicate and isinstance(triple.subject, ox.NamedNode):
            found[triple.subject.value.removeprefix(IRI)].append(getattr(triple.object, "value", "").removeprefix(IRI))
    return found


@cache
def facts() -> dict[str, frozenset[tuple[str, str]]]:
    found = defaultdict(set)
    for name in FACT_FILES:
        for triple in quads(name):
            if triple.predicate.value.startswith(IRI):
                pair = (triple.subject.value.removeprefix(PLACE), triple.object.value.removeprefix(PLACE))
                found[triple.predicate.value.removeprefix(IRI)].add(pair)
    return {relation: frozenset(pairs) for relation, pairs in found.items()}


@cache
def types() -> dict[str, list[str]]:
    found = defaultdict(list)
    for name in FACT_FILES:
        for triple in quads(name):
            if triple.predicate.value == RDF + "type":
                found[triple.subject.value.removeprefix(PLACE)].append(triple.object.value.removeprefix(IRI))
    return found


def kinds_of(entity: str) -> set[str]:
    found, open_ = set(), list(types()[entity])
    while open_:
        kind = open_.pop()
        found.add(kind)
        open_ += schema(RDFS + "subClassOf").get(kind, [])
    return found


def supers(relation: str) -> set[str]:
    found, open_ = set(), list(schema(RDFS + "subPropertyOf").get(relation, []))
    while open_:
        above = open_.pop()
        if above not in found:
            found.add(above)
            open_ += schema(RDFS + "subPropertyOf").get(above, [])
    return found


def properties_of_kind(kind: str) -> list[str]:
    return [name for name, values in schema(RDF + "type").items() if OWL + kind in values]


def members(kind: str) -> set[str]:
    return {entity for entity in types() if kind in kinds_of(entity)}


class TestSchema:
    def test_every_relation_is_described(self) -> None:
        for relation in properties_of_kind("ObjectProperty"):
            assert len(schema(RDFS + "label")[relation]) == 1, relation
            assert len(schema(SKOS + "definition")[relation]) == 1, relation
            assert schema(RDFS + "domain").get(relation), relation
        assert set(facts()) <= set(properties_of_kind("ObjectProperty"))

    def test_every_relation_with_facts_has_a_range(self) -> None:
        assert all(len(schema(RDFS + "range").get(relation, [])) == 1 for relation in facts())

    def test_no_two_relations_are_described_alike(self) -> None:
        for text in (RDFS + "label", SKOS + "definition"):
            values = [value for found in schema(text).values() for value in found]
            assert len(set(values)) == len(values)

    def test_schema_states_no_fact(self) -> None:
        for triple in quads("geography"):
            assert PLACE not in str(triple)
        names = {entity.replace("_", " ") for entity in members("Country") | members("City") | members("River")}
        texts = [value for found in schema(SKOS + "definition").values() for value in found]
        named = [name for name in names if any(re.search(rf"\b{re.escape(name)}\b", text) for text in texts)]
        assert not named

    def test_schema_says_nothing_about_the_split(self) -> None:
        text = datasets.ontology_path("geography").read_text(encoding="utf-8").lower()
        assert not any(word in text for word in ("unseen", "zero-shot", "validation", "training"))


class TestFacts:
    def test_every_entity_has_one_type_that_the_schema_knows(self) -> None:
        classes = set(properties_of_kind("Class"))
        used = {entity for pairs in facts().values() for pair in pairs for entity in pair}
        assert used <= set(types())
        for entity, kinds in types().items():
            assert len(kinds) == 1, entity
            assert kinds[0] in classes, entity

    def test_every_entity_has_its_own_label(self) -> None:
        labels = defaultdict(list)
        for name in FACT_FILES:
            for triple in quads(name):
                if triple.predicate.value == RDFS + "label":
                    labels[triple.object.value].append(triple.subject.value.removeprefix(PLACE))
        assert sorted(entity for found in labels.values() for entity in found) == sorted(types())
        shared = {label: found for label, found in labels.items() if len(found) > 1}
        # An adjective may be a language and a city or a good may share a word, but no two things of one kind do.
        for label, found in shared.items():
            assert len({types()[entity][0] for entity in found}) == len(found), label

    @pytest.mark.parametrize("end", ["domain", "range"])
    def test_types_fit_domain_and_range(self, end: str) -> None:
        for relation, pairs in facts().items():
            (wanted,) = schema(RDFS + end)[relation]
            for pair in pairs:
                entity = pair[0 if end == "domain" else 1]
                assert wanted in kinds_of(entity), (relation, pair)

    def test_functional_relations_have_one_value(self) -> None:
        checked = 0
        for relation in properties_of_kind("FunctionalProperty"):
            counts = Counter(head for head, _ in facts()[relation])
            assert not [head for head, count in counts.items() if count > 1], relation
            checked += 1
        assert checked > 15

    def test_symmetric_relations_hold_both_ways(self) -> None:
        for relation in ("borders", "maritimeNeighbour"):
            assert relation in properties_of_kind("SymmetricProperty")
            assert all((tail, head) in facts()[relation] for head, tail in facts()[relation])
            assert not [head for head, tail in facts()[relation] if head == tail]

    def test_disjoint_relations_share_no_pair(self) -> None:
        for one, others in schema(OWL + "propertyDisjointWith").items():
            for other in others:
                assert not facts()[one] & facts()[other], (one, other)

    def test_facts_agree_with_sub_property_and_inverse(self) -> None:
        """What a super-property with facts, or the inverse of one, entails is stated: cityIn for every capital."""
        inverse = {name: values[0] for name, values in schema(OWL + "inverseOf").items()}
        checked = set()
        for relation, pairs in facts().items():
            for above in supers(relation):
                if above in facts():
                    assert pairs <= facts()[above], (relation, above)
                    checked.add((relation, above))
                if inverse.get(above) in facts():
                    assert {(tail, head) for head, tail in pairs} <= facts()[inverse[above]], (relation, above)
                    checked.add((relation, inverse[above]))
        assert {
            ("foundingMemberOf", "memberOf"),
            ("riverSource", "flowsThrough"),
            ("capital", "cityIn"),
            ("seatOfGovernment", "cityIn"),
            ("highestPoint", "peakIn"),
            ("largestIsland", "islandOf"),
            ("capitalOnRiver", "flowsThrough"),
        } <= checked

    def test_capital_on_river_is_the_chain(self) -> None:
        rivers = defaultdict(set)
        for city, river in facts()["cityOnRiver"]:
            rivers[city].add(river)
        countries = members("Country")
        chain = {
            (country, river) for country, city in facts()["capital"] if country in countries for river in rivers[city]
        }
        assert chain == facts()["capitalOnRiver"]

    def test_every_country_is_complete(self) -> None:
        countries = members("Country")
        assert len(countries) == 197
        for relation in (
            "onContinent",
            "inSubregion",
            "largestCity",
            "currency",
            "officialLanguage",
            "governmentForm",
            "headOfState",
            "drivingSide",
            "timeZone",
            "climate",
            "flagColour",
            "seatOfGovernment",
        ):
            assert countries <= {head for head, _ in facts()[relation]}, relation
        without_capital = countries - {head for head, _ in facts()["capital"]}
        assert without_capital == {"Israel", "Palestine"}, "these two have a disputed one"

    def test_places_agree(self) -> None:
        continent_of = dict(facts()["onContinent"])
        part_of = dict(facts()["partOfContinent"])
        assert all(part_of[subregion] == continent_of[place] for place, subregion in facts()["inSubregion"])
        country_of = dict(facts()["cityIn"])
        flows, lake_in, coast = facts()["flowsThrough"], facts()["lakeIn"], facts()["coastOn"]
        assert all((river, country_of[city]) in flows for city, river in facts()["cityOnRiver"])
        assert all((lake, country_of[city]) in lake_in for city, lake in facts()["cityOnLake"])
        assert all((country_of[city], sea) in coast for city, sea in facts()["cityOnSea"])

    def test_ocean_coast_follows_the_seas(self) -> None:
        above = dict(facts()["seaPartOf"])
        reached = set()
        for country, water in facts()["coastOn"]:
            while water in above:
                water = above[water]
            if "Ocean" in kinds_of(water) and country in members("Country"):
                reached.add((country, water))
        assert reached == facts()["oceanCoast"]

    def test_native_continent_holds_the_native_country(self) -> None:
        home, continent_of = dict(facts()["nativeTo"]), dict(facts()["onContinent"])
        differing = {
            language
            for language, continent in facts()["nativeContinent"]
            if language in home and continent_of[home[language]] != continent
        }
        # Languages at home in the Asian part of Russia, and on the Pacific islands of Chile and the United States.
        assert {name.removesuffix("_language") for name in differing} == {
            "Yakut", "Buryat", "Evenki", "Hawaiian", "Rapa_Nui",
        }  # fmt: skip

    def test_known_memberships(self) -> None:
        """Sizes of well-known bodies on 1 July 2024, by their own counts (un.org, europa.eu, nato.int, oecd.org)."""
        sizes = Counter(organisation for _, organisation in facts()["memberOf"])
        expected = {"UN": 193, "EU": 27, "NATO": 32, "Commonwealth": 56, "OIC": 57, "ASEAN": 10, "OECD": 38, "OPEC": 12}
        assert {name: sizes[name] for name in expected} == expected

    def test_files_are_small_and_in_a_stable_order(self) -> None:
        for name in FACT_FILES:
            path = datasets.ontology_path(name)
            assert path.stat().st_size < 300_000
            kind_and_name = [
                (line.split(" a g:")[1].split(" ")[0], line[1:].split(" ")[0].lower())
                for line in path.read_text(encoding="utf-8").splitlines()
                if line.startswith(":")
            ]
            for kind in {kind for kind, _ in kind_and_name}:
                names = [entity for found, entity in kind_and_name if found == kind]
                assert names == sorted(names), kind


class TestSplit:
    def test_loads_by_name_with_whole_relations_held_out(self) -> None:
        kg = datasets.load("geography")
        assert isinstance(kg, datasets.KGSplit)
        assert set(kg.names_of(kg.unseen_relations)) == set(UNSEEN_RELATIONS)
        assert set(kg.names_of(kg.valid_relations)) == set(VALIDATION_RELATIONS)
        assert len(kg.train) + len(kg.valid) + len(kg.test) == sum(map(len, facts().values()))
        held_out = {*UNSEEN_RELATIONS, *VALIDATION_RELATIONS}
        assert set(kg.names_of(kg.train[:, 1].unique())) == set(facts()) - held_out
        assert len(kg.seen_relations) >= 40
        assert kg.graph_source is not None
        assert kg.graph_source.endswith("geography.ttl")

    def test_every_entity_is_in_training(self) -> None:
        kg = geography()
        assert set(kg.train[:, [0, 2]].flatten().tolist()) == set(range(kg.num_entities))

    def test_links_of_seen_relations_help_some_unseen_relations_and_not_others(self) -> None:
        kg = geography()
        linked = {(head, tail) for head, _, tail in kg.train.tolist()}
        linked |= {(tail, head) for head, tail in linked}
        share = {
            kg.relations[relation]: sum((head, tail) in linked for head, r, tail in kg.test.tolist() if r == relation)
            / int((kg.test[:, 1] == relation).sum())
            for relation in kg.unseen_relations.tolist()
        }
        assert sum(value > 0.9 for value in share.values()) >= 3
        assert sum(value < 0.1 for value in share.values()) >= 5
        total = sum((head, tail) in linked for head, _, tail in kg.test.tolist()) / len(kg.test)
        assert 0.2 < total < 0.5

    def test_candidates_by_range_hold_every_answer_and_only_its_kind(self) -> None:
        kg = geography(candidates="range")
        assert geography().candidates is None
        assert kg.candidates is not None
        for _, relation, tail in [*kg.test.tolist(), *kg.train.tolist()]:
            assert tail in kg.candidates[relation]
        oceans = kg.candidates[kg.relation("oceanCoast")].tolist()
        assert {kg.entities[i] for i in oceans} == members("Ocean")
        peaks = {kg.entities[i] for i in kg.candidates[kg.relation("highestPoint")].tolist()}
        assert peaks == members("Mountain") > members("Volcano") > set()

    def test_unknown_candidates_are_refused(self) -> None:
        with pytest.raises(InputError, match="'range'"):
            geography(candidates="everything")  # type: ignore[arg-type]

    def test_schema_describes_every_relation_of_the_split(self) -> None:
        from kgzsl import ClassGraph

        kg = geography()
        graph = ClassGraph.read(datasets.ontology_path("geography"))
        nodes = graph.align(kg.relations).require()
        assert [graph.iris[i].removeprefix(IRI) for i in nodes.tolist()] == list(kg.relations)
        assert all(graph.node_text(int(i)) for i in nodes)
