"""animals.ttl and flowers.ttl: complete, consistent, and usable by the attribute prior as they are."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pyoxigraph as ox
import pytest
import rdflib

from kgzsl import ClassGraph, datasets
from kgzsl.priors import Attributes

RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"
SKOS = "http://www.w3.org/2004/02/skos/core#"

# The names of the data sets, as they give them.
ANIMALS = [
    "antelope", "grizzly+bear", "killer+whale", "beaver", "dalmatian", "persian+cat", "horse", "german+shepherd",
    "blue+whale", "siamese+cat", "skunk", "mole", "tiger", "hippopotamus", "leopard", "moose", "spider+monkey",
    "humpback+whale", "elephant", "gorilla", "ox", "fox", "sheep", "seal", "chimpanzee", "hamster", "squirrel",
    "rhinoceros", "rabbit", "bat", "giraffe", "wolf", "chihuahua", "rat", "weasel", "otter", "buffalo", "zebra",
    "giant+panda", "deer", "bobcat", "pig", "lion", "mouse", "polar+bear", "collie", "walrus", "raccoon", "cow",
    "dolphin",
]  # fmt: skip
ANIMAL_ATTRIBUTES = [
    "black", "white", "blue", "brown", "gray", "orange", "red", "yellow", "patches", "spots", "stripes", "furry",
    "hairless", "toughskin", "big", "small", "bulbous", "lean", "flippers", "hands", "hooves", "pads", "paws",
    "longleg", "longneck", "tail", "chewteeth", "meatteeth", "buckteeth", "strainteeth", "horns", "claws", "tusks",
    "smelly", "flys", "hops", "swims", "tunnels", "walks", "fast", "slow", "strong", "weak", "muscle", "bipedal",
    "quadrapedal", "active", "inactive", "nocturnal", "hibernate", "agility", "fish", "meat", "plankton",
    "vegetation", "insects", "forager", "grazer", "hunter", "scavenger", "skimmer", "stalker", "newworld", "oldworld",
    "arctic", "coastal", "desert", "bush", "plains", "forest", "fields", "jungle", "mountains", "ocean", "ground",
    "water", "tree", "cave", "fierce", "timid", "smart", "group", "solitary", "nestspot", "domestic",
]  # fmt: skip

BOTH = pytest.mark.parametrize("name", ["animals", "flowers"])


@cache
def graph(name: str) -> ClassGraph:
    return ClassGraph.read(datasets.ontology_path(name))


@cache
def triples(name: str) -> tuple[ox.Triple, ...]:
    with datasets.ontology_path(name).open("rb") as stream:
        return tuple(quad.triple for quad in ox.parse(stream, format=ox.RdfFormat.TURTLE))


@cache
def named(name: str, predicate: str) -> dict[str, list[str]]:
    """Subject to objects of a predicate, named subjects and objects (or literals) only."""
    found = defaultdict(list)
    for triple in triples(name):
        ends_named = isinstance(triple.subject, ox.NamedNode) and not isinstance(triple.object, ox.BlankNode)
        if triple.predicate.value == predicate and ends_named:
            found[triple.subject.value].append(triple.object.value)
    return found


def above(name: str, iri: str) -> set[str]:
    found, open_ = set(), [iri]
    while open_:
        for parent in named(name, RDFS + "subClassOf").get(open_.pop(), []):
            if parent not in found:
                found.add(parent)
                open_.append(parent)
    return found


@cache
def restrictions(name: str) -> dict[str, set[tuple[str, str]]]:
    """Class to the (property, value) pairs that it asserts, as they stand in the file."""
    part: dict[str, dict[str, str]] = defaultdict(dict)
    for triple in triples(name):
        if isinstance(triple.subject, ox.BlankNode) and triple.predicate.value.startswith(OWL):
            part[triple.subject.value][triple.predicate.value.removeprefix(OWL)] = getattr(triple.object, "value", "")
    found = defaultdict(set)
    for triple in triples(name):
        if triple.predicate.value == RDFS + "subClassOf" and isinstance(triple.object, ox.BlankNode):
            values = part[triple.object.value]
            found[triple.subject.value].add((values["onProperty"], values["someValuesFrom"]))
    return found


def class_names(name: str) -> list[str]:
    """Labels of the classes with restrictions of their own: those that a data set has pictures of."""
    return [named(name, RDFS + "label")[iri][0] for iri in sorted(restrictions(name))]


class TestAnimals:
    def test_fifty_classes_and_eighty_five_attributes(self) -> None:
        assert sorted(class_names("animals")) == sorted(animal.replace("+", " ") for animal in ANIMALS)
        used = {value for pairs in restrictions("animals").values() for _, value in pairs}
        labels = [label for iri in used for label in named("animals", RDFS + "label")[iri]]
        assert sorted(labels) == sorted(ANIMAL_ATTRIBUTES)
        assert len(ANIMAL_ATTRIBUTES) == 85

    def test_every_animal_belongs_to_one_order(self) -> None:
        orders = {
            iri for iri, values in named("animals", RDFS + "comment").items() if values == ["An order of animals."]
        }
        assert len(orders) >= 9
        for iri in restrictions("animals"):
            assert len(above("animals", iri) & orders) == 1, iri
            assert "urn:kgzsl:animals#Mammalia" in above("animals", iri)

    def test_kinship(self) -> None:
        def family(animal: str) -> set[str]:
            return {iri.rsplit("#", 1)[1] for iri in above("animals", f"urn:kgzsl:animals#{animal}")}

        assert {"Cetacea", "Artiodactyla"} <= family("KillerWhale") & family("BlueWhale") & family("Dolphin")
        assert "CanisFamiliaris" in family("Collie") & family("Chihuahua")
        assert "Canis" in family("Wolf") & family("Collie")
        assert "Caniformia" in family("Walrus") & family("Skunk") & family("GiantPanda")
        assert "Felidae" in family("Bobcat") & family("PersianCat") & family("Lion")

    def test_wordnet_ids_are_well_formed_and_different(self) -> None:
        notations = [value for values in named("animals", SKOS + "notation").values() for value in values]
        assert len(notations) >= 45
        assert len(set(notations)) == len(notations)
        assert all(len(value) == 9 and value[0] == "n" and value[1:].isdigit() for value in notations)


class TestFlowers:
    def test_hundred_and_two_classes(self) -> None:
        assert len(class_names("flowers")) == 102

    def test_names_are_those_of_the_data_set(self) -> None:
        file = Path(os.environ.get("KGZSL_DATA", "")) / "images" / "flo.npz"
        if not os.environ.get("KGZSL_DATA") or not file.is_file():
            pytest.skip("needs images/flo.npz under $KGZSL_DATA")
        with np.load(file, allow_pickle=False) as data:
            assert sorted(map(str, data["class_names"])) == sorted(class_names("flowers"))

    def test_every_flower_has_a_genus_a_family_and_an_order(self) -> None:
        for iri in restrictions("flowers"):
            kin = {parent.rsplit("#", 1)[1] for parent in above("flowers", iri)}
            assert len(kin) == 4, kin
            assert sum(taxon.endswith("Genus") for taxon in kin) == 1
            assert sum(taxon.endswith("aceae") for taxon in kin) == 1
            assert sum(taxon.endswith("ales") for taxon in kin) == 1

    def test_every_flower_is_described_under_every_property(self) -> None:
        properties = set(named("flowers", RDFS + "range"))
        assert len(properties) == 13
        for iri, pairs in restrictions("flowers").items():
            assert {relation for relation, _ in pairs} == properties, iri


@BOTH
class TestBoth:
    def test_read_alike_by_pyoxigraph_and_rdflib(self, name: str) -> None:
        parsed = rdflib.Graph().parse(datasets.ontology_path(name))
        assert len(parsed) == len(triples(name))

    def test_labels_are_unique_and_every_term_has_one(self, name: str) -> None:
        labels = Counter(label for values in named(name, RDFS + "label").values() for label in values)
        assert not [label for label, count in labels.items() if count > 1]
        declared = {
            iri for iri, kinds in named(name, RDF_TYPE).items() if {OWL + "Class", OWL + "ObjectProperty"} & set(kinds)
        }
        used = {term for pairs in restrictions(name).values() for pair in pairs for term in pair}
        used |= {parent for iri in restrictions(name) for parent in above(name, iri)}
        assert used <= declared
        assert declared <= set(named(name, RDFS + "label"))

    def test_every_class_has_a_sentence_of_its_own(self, name: str) -> None:
        definitions = [named(name, SKOS + "definition")[iri] for iri in restrictions(name)]
        assert all(len(found) == 1 and found[0].endswith(".") and len(found[0]) > 40 for found in definitions)
        assert len({found[0] for found in definitions}) == len(definitions)

    def test_values_fit_the_range_of_their_property(self, name: str) -> None:
        ranges = named(name, RDFS + "range")
        for iri, pairs in restrictions(name).items():
            for relation, value in pairs:
                assert ranges[relation][0] in above(name, value), (iri, relation, value)

    def test_no_class_is_below_two_disjoint_ones(self, name: str) -> None:
        parsed = rdflib.Graph().parse(datasets.ontology_path(name))
        owl = rdflib.OWL
        groups = [
            [str(item) for item in parsed.items(parsed.value(axiom, owl.members))]
            for axiom in parsed.subjects(rdflib.RDF.type, owl.AllDisjointClasses)
        ]
        groups += [[str(one), str(other)] for one, other in parsed.subject_objects(owl.disjointWith)]
        assert len(groups) > 20
        classes = [iri for iri, kinds in named(name, RDF_TYPE).items() if OWL + "Class" in kinds]
        for iri in classes:
            lineage = above(name, iri) | {iri}
            for group in groups:
                assert len(lineage & set(group)) <= 1, (iri, group)

    def test_attribute_prior_works_off_the_graph(self, name: str) -> None:
        """Each (property, value) of a class is a column with a 1 for it; no two classes look the same."""
        names = class_names(name)
        assert graph(name).account.balanced
        priors = Attributes(inherit=False, ancestors=False).fit(graph(name)).priors(names)
        assert len(np.unique(priors.matrix, axis=0)) == len(names)
        expected = [len(restrictions(name)[iri]) for iri in sorted(restrictions(name))]
        np.testing.assert_array_equal(priors.matrix.sum(axis=1), expected)
        with_kin = Attributes().fit(graph(name)).priors(names)
        assert with_kin.matrix.shape[1] > priors.matrix.shape[1]

    def test_file_is_of_a_size_to_read(self, name: str) -> None:
        assert datasets.ontology_path(name).stat().st_size < 300_000
