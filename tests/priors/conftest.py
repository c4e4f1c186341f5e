import pytest

from kgzsl.knowledge import ClassGraph

ZOO = [
    ("equine", "subClassOf", "mammal"),
    ("zebra", "subClassOf", "equine"),
    ("horse", "subClassOf", "equine"),
    ("tiger", "subClassOf", "mammal"),
    ("mammal", "subClassOf", "animal"),
    ("equine", "has", "hooves"),
    ("mammal", "has", "fur"),
    ("zebra", "has", "stripes"),
    ("tiger", "has", "stripes"),
    ("zebra", "livesIn", "savanna"),
    ("tiger", "livesIn", "jungle"),
    ("horse", "livesIn", "fields"),
    ("zebra", "http://www.w3.org/2002/07/owl#disjointWith", "horse"),
    ("savanna", "subClassOf", "grassland"),
    ("fields", "subClassOf", "grassland"),
]


@pytest.fixture
def zoo() -> ClassGraph:
    return ClassGraph.from_triples(ZOO, texts={"zebra": ["A striped horse of Africa"], "tiger": ["The largest cat"]})


def renumbered(triples: list[tuple[str, str, str]], **options: object) -> ClassGraph:
    """The same graph, its nodes, edges and relations in another order."""
    return ClassGraph.from_triples(list(reversed(triples)), **options)  # type: ignore[arg-type]
