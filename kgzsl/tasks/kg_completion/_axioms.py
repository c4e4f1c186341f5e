"""What edges of a schema say, node by node: the same walks for kinds, domains, disjointness and silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import OWL, RDF_TYPE, RDFS

__all__ = [
    "Link", "Properties", "chains_of", "closure", "objects_of", "properties_implied", "says_nothing", "silent_node",
    "superclasses_of",
]  # fmt: skip


def objects_of(schema: ClassGraph, iri: str) -> dict[int, set[int]]:
    """Subject to objects of all edges of one relation, as nodes; empty where the schema does not have it."""
    found: dict[int, set[int]] = {}
    if iri in schema.relations:
        rows = schema.edge_type == schema.relation(iri)
        for subject, target in schema.edge_index[:, rows].T.tolist():
            found.setdefault(subject, set()).add(target)
    return found


Link = tuple[int, bool]
"""A property as a node, and whether it is gone through backwards."""


def chains_of(schema: ClassGraph) -> dict[int, list[tuple[Link, ...]]]:
    """Property to the chains of owl:propertyChainAxiom that make it, their links in order.

    The order is told beside the edges (by what reads an ontology, not by triples alone); a chain whose edges were taken
    away is none any more.
    """
    found: dict[int, list[tuple[Link, ...]]] = {}
    edges = objects_of(schema, OWL + "propertyChainAxiom")
    for whole, chains in schema.provenance.get("chains", {}).items():
        node = schema.node_index.get(whole, -1)
        for chain in chains:
            links = tuple((schema.node_index.get(link.removeprefix("^"), -1), link.startswith("^")) for link in chain)
            if links and all(one in edges.get(node, ()) for one, _ in links):
                found.setdefault(node, []).append(links)
    return found


def closure(parents: Mapping[int, set[int]], node: int) -> set[int]:
    """The node and all that it leads to; nothing for a node below 0, which is none."""
    if node < 0:
        return set()
    found, waiting = {node}, [node]
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def superclasses_of(schema: ClassGraph) -> dict[int, set[int]]:
    """Class to those that are above it by one axiom: rdfs:subClassOf, and owl:equivalentClass in both directions."""
    found = objects_of(schema, RDFS + "subClassOf")
    for one, others in objects_of(schema, OWL + "equivalentClass").items():
        for other in others:
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set()).add(one)
    return found


def properties_implied(schema: ClassGraph) -> dict[int, set[tuple[int, bool]]]:
    """Property to all that its facts imply facts of, and whether head and tail are exchanged there.

    By rdfs:subPropertyOf, owl:equivalentProperty, owl:inverseOf and owl:SymmetricProperty, over and over. A property of
    which none of them speaks is not there, and none is said to imply itself as it is.
    """
    steps: dict[int, set[tuple[int, bool]]] = {}
    for iri, both, turned in (
        (RDFS + "subPropertyOf", False, False),
        (OWL + "equivalentProperty", True, False),
        (OWL + "inverseOf", True, True),
    ):
        for one, others in objects_of(schema, iri).items():
            for other in others:
                steps.setdefault(one, set()).add((other, turned))
                if both:
                    steps.setdefault(other, set()).add((one, turned))
    symmetric = int(schema.align([OWL + "SymmetricProperty"]).indices[0])
    for one, kinds in objects_of(schema, RDF_TYPE).items():
        if symmetric in kinds:
            steps.setdefault(one, set()).add((one, True))
    implied = {}
    for one in steps:
        found, waiting = {(one, False)}, [(one, False)]
        while waiting:
            node, turned = waiting.pop()
            for other, turn in steps.get(node, ()):
                if (other, turned != turn) not in found:
                    found.add((other, turned != turn))
                    waiting.append((other, turned != turn))
        implied[one] = found - {(one, False)}
    return implied


def says_nothing(schema: ClassGraph, relation: str) -> bool:
    """Whether a schema names a relation and has neither an axiom nor a text about it."""
    node = int(schema.align([relation]).indices[0])
    return node >= 0 and silent_node(schema, node)


def silent_node(schema: ClassGraph, node: int) -> bool:
    """Whether a node has neither an edge nor a text."""
    return not schema.texts.get(node) and not bool((schema.edge_index == node).any())


@dataclass(frozen=True)
class Properties:
    """What a schema says of some relations, read once.

    Args:
        schema: The schema; None where there is none.
        nodes: Of each relation, its node in the schema; -1 where it has none.
        implied: What :func:`properties_implied` says.
        kinds: What a property may be by itself, ``"Functional"`` and so on, to the nodes that are so.
    """

    schema: ClassGraph | None
    nodes: tuple[int, ...]
    implied: Mapping[int, set[tuple[int, bool]]] = field(default_factory=dict)
    kinds: Mapping[str, frozenset[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, schema: ClassGraph | None, relations: Sequence[str]) -> Properties:
        """What a schema says of relations with these names."""
        if schema is None:
            return cls(None, (-1,) * len(relations))
        kinds: dict[str, set[int]] = {}
        for node, types in objects_of(schema, RDF_TYPE).items():
            for one in types:
                name = schema.iris[one]
                if name.startswith(OWL) and name.endswith("Property"):
                    kinds.setdefault(name.removeprefix(OWL).removesuffix("Property"), set()).add(node)
        nodes = tuple(schema.align(list(relations)).indices.tolist())
        return cls(schema, nodes, properties_implied(schema), {kind: frozenset(found) for kind, found in kinds.items()})
