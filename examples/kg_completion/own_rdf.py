"""Proposes triples of a relation that was just added to a schema, from an RDF file and an OWL schema of one's own.

Run from anywhere, no download needed; without arguments it takes facts and schema that come with the project:

    python examples/kg_completion/own_rdf.py
    python examples/kg_completion/own_rdf.py facts.ttl schema.ttl http://example.org/suppliedBy new.nt
"""

from __future__ import annotations

import sys
from dataclasses import replace

import kgzsl
from kgzsl.datasets import KGSplit, ontology_path
from kgzsl.datasets.kg_rdf import rdf_types
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion import EvidenceCompleter
from kgzsl.tasks.kg_completion.proposals import propose
from kgzsl.tasks.kg_completion.writing import write_proposals

SHIPPED = ("geography_facts.ttl", "geography.ttl", "urn:kgzsl:geography#seatOfGovernment")
MORE_TYPES = ("geography_nature.ttl", "geography_society.ttl")  # say what cities, rivers, languages are


def read(facts: str, relation: str) -> KGSplit:
    """All facts but those of the relation, should there be any: they are only looked at to compare."""
    try:
        return KGSplit.from_rdf(facts, [relation])
    except InputError:
        # Nothing states the relation yet, which is the usual case: all facts are known, and it is one relation more.
        kg = KGSplit.from_rdf(facts, [])
        return replace(kg, relations=(*kg.relations, relation))


def main(
    facts: str, schema_file: str, relation: str, out: str | None = None, *, more_types: tuple[str, ...] = ()
) -> None:
    kg, schema = read(facts, relation), kgzsl.ClassGraph.read(schema_file)
    print(kg)

    # What texts and axioms say about every relation, the new one too.
    text = kgzsl.priors.make("tfidf").fit(schema).priors(kg.relations).normalised()
    place = kgzsl.priors.make("attributes", weights="rarity", generalise=True).fit(schema).priors(kg.relations)
    model = EvidenceCompleter(queries=12, steps=300)
    types = {entity: kind for file in (*more_types, facts) for entity, kind in rdf_types(file).items()}
    model.fit(kg, text | place.normalised(), schema=schema, types=types)
    confidences = "no confidences" if model.calibration_ is None else model.calibration_.line()
    print(f"trained on {len(model.seen_)} relations; {confidences}")

    name = next(one for one in kg.relations if one == relation or relation.endswith(("#" + one, "/" + one)))
    found = propose(model, name, top=10, schema=schema, why=True)
    known = {(kg.entities[h], kg.entities[t]) for h, r, t in kg.test.tolist() if kg.relations[r] == name}
    for one in found.found:
        mark = "+" if (one.head, one.tail) in known else " "
        print(f"{mark} {one.confidence:.2f}  {one.head}  {one.tail}\n        {one.reasons.text()}")
    print(f"refused: {found.refused}; {'; '.join(found.notes)}")
    if out is not None:
        write_proposals(found.found, out)


if __name__ == "__main__":
    given = sys.argv[1:]
    if len(given) not in (0, 3, 4):
        sys.exit(f"give no argument, or FACTS SCHEMA RELATION [OUT.nt|OUT.tsv], not {len(given)} arguments")
    try:
        if given:
            main(*given)
        else:
            shipped = [str(ontology_path(file)) for file in (*SHIPPED[:2], *MORE_TYPES)]
            main(shipped[0], shipped[1], SHIPPED[2], more_types=tuple(shipped[2:]))
    except InputError as error:
        print(f"own_rdf.py: {error}", file=sys.stderr)
        sys.exit(2)
