"""The embedded knowledge graph: countries of the world, with some of their relations held out whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kgzsl.datasets.kg_names import split_from_names
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.datasets.registry import ontology_path
from kgzsl.errors import InputError

__all__ = ["FACT_FILES", "IRI", "UNSEEN_RELATIONS", "VALIDATION_RELATIONS", "geography"]

IRI = "urn:kgzsl:geography#"
_PLACE = "urn:kgzsl:place#"
FACT_FILES = ("geography_facts", "geography_nature", "geography_society")

# Why these: their kinds of head and tail, their super-relations and their words all occur among the seen relations,
# so that the schema says enough to answer, while no training triple states them. "Linked" below means that a seen
# relation joins most of the pairs already, so that a rule that only looks for links does well; the others need more.
UNSEEN_RELATIONS = (
    "seatOfGovernment",  # like the seen capital, from which it differs for a few countries; linked
    "secondLargestCity",  # beside largestCity; linked through the city's cityIn, which joins many other cities too
    "capitalOnRiver",  # capital, then cityOnRiver; linked through the river's flowsThrough
    "officialReligion",  # beside majorReligion, but names whole religions where that names branches; a third linked
    "formerColonyOf",  # beside independentFrom; two thirds linked
    "oceanCoast",  # coastOn, then seaPartOf; linked where a country faces the open ocean
    "maritimeNeighbour",  # beside borders, of which it is the opposite on land; hardly linked
    "minorityLanguage",  # beside officialLanguage and spokenLanguage; a fifth linked
    "observerOf",  # beside memberOf, which it excludes; not linked
    "formerCurrency",  # beside currency, through replacedBy; not linked
    "nationalScript",  # officialLanguage, then writtenIn; not linked
    "featureOfContinent",  # the continent of the countries that a lake, range or desert lies in; not linked
)

# Why these: as unlike one another as the unseen ones (cities, rivers, islands, languages, money, organisations), some
# of them linked (mainPort, riverSource, largestIsland, foundingMemberOf) and some not (nativeContinent,
# workingLanguage, peggedTo), so that what does well on them may be expected to do well on the unseen ones.
VALIDATION_RELATIONS = (
    "mainPort",
    "riverSource",
    "largestIsland",
    "foundingMemberOf",
    "nativeContinent",
    "workingLanguage",
    "peggedTo",
)

Fact = tuple[str, str, str]


def geography(*, candidates: Literal["all", "range"] = "all") -> KGSplit:
    """World geography: 197 countries and 37 territories, twelve relations of which are only described, never shown.

    Names are the local names of the ontology: ``France``, ``capital``. ``train`` holds every fact of the seen
    relations, ``valid`` those of :data:`VALIDATION_RELATIONS`, ``test`` those of :data:`UNSEEN_RELATIONS`. The schema,
    ``ontologies/geography.ttl``, describes all of them and states no fact.

    Args:
        candidates: ``"all"`` ranks among all entities; ``"range"`` among those whose type fits the relation's
            rdfs:range in the schema (which looks at no fact of the relation).

    Raises:
        InputError: An unknown option, or the ontology files are missing or damaged.
    """
    if candidates not in ("all", "range"):
        raise InputError(f"unknown candidates {candidates!r}", remedy="choose 'all' or 'range'")
    schema = ontology_path("geography")
    facts: list[Fact] = []
    types: dict[str, str] = {}
    for name in FACT_FILES:
        _read(ontology_path(name), facts, types)
    held_out = {*UNSEEN_RELATIONS, *VALIDATION_RELATIONS}
    return split_from_names(
        [fact for fact in facts if fact[1] not in held_out],
        [fact for fact in facts if fact[1] in VALIDATION_RELATIONS],
        [fact for fact in facts if fact[1] in UNSEEN_RELATIONS],
        entities=list(types),
        unseen_relations=UNSEEN_RELATIONS,
        valid_relations=VALIDATION_RELATIONS,
        candidates=None if candidates == "all" else _by_range(schema, facts, types),
        name="geography",
        notes=("facts as of 1 July 2024",),
        graph_source=str(schema),
        source=str(ontology_path(FACT_FILES[0])),
    )


def _triples(file: Path) -> Sequence[tuple[str, str, str]]:
    """The triples of a Turtle file whose objects are IRIs."""
    import pyoxigraph as ox

    try:
        with file.open("rb") as stream:
            parsed = list(ox.parse(stream, format=ox.RdfFormat.TURTLE))
    except SyntaxError as error:
        raise InputError(
            f"does not parse ({error.msg})", file=file, place=f"line {error.lineno}", remedy="install kgzsl again"
        ) from error
    return [
        (quad.subject.value, quad.predicate.value, quad.object.value)
        for quad in parsed
        if isinstance(quad.subject, ox.NamedNode) and isinstance(quad.object, ox.NamedNode)
    ]


def _read(file: Path, facts: list[Fact], types: dict[str, str]) -> None:
    """Add the facts of a file, and the class of each entity, to ``facts`` and ``types``."""
    for subject, predicate, target in _triples(file):
        head = subject.removeprefix(_PLACE)
        if predicate.startswith(IRI):
            facts.append((head, predicate.removeprefix(IRI), target.removeprefix(_PLACE)))
        elif predicate.endswith("#type"):
            types[head] = target.removeprefix(IRI)


def _by_range(schema: Path, facts: Sequence[Fact], types: dict[str, str]) -> dict[str, list[str]]:
    """Relation to the entities whose class is its rdfs:range or below it."""
    parents: dict[str, str] = {}
    ranges: dict[str, str] = {}
    for subject, predicate, target in _triples(schema):
        name, value = subject.removeprefix(IRI), target.removeprefix(IRI)
        if predicate.endswith("#subClassOf"):
            parents[name] = value
        elif predicate.endswith("#range"):
            ranges[name] = value

    def fits(kind: str | None, wanted: str) -> bool:
        while kind is not None and kind != wanted:
            kind = parents.get(kind)
        return kind is not None

    relations = dict.fromkeys(fact[1] for fact in facts)
    return {
        relation: [entity for entity, kind in types.items() if fits(kind, ranges[relation])] for relation in relations
    }
