"""What Wikidata says of a list of classes: from a dump, from an endpoint, or the schema of Wiki-ZS.

    python examples/ontology_import/wikidata.py --dump latest-truthy.nt.gz --classes classes.txt --hops 3
    python examples/ontology_import/wikidata.py --endpoint https://query.wikidata.org/sparql --classes classes.txt
    python examples/ontology_import/wikidata.py --data $KGZSL_DATA    # the schema of Wiki-ZS

``classes.txt`` names items, one a line: Q144, wd:Q144.
"""

from __future__ import annotations

from collections.abc import Sequence

from _shared import finish, options, read_names, run, shared

from kgzsl import ClassGraph
from kgzsl.errors import InputError
from kgzsl.knowledge.sources import read_wikidata
from kgzsl.knowledge.sources.wikidata import TAXONOMY


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "wikidata.graph")
    parser.add_argument("--dump", help="truthy N-Triples, compressed or not")
    parser.add_argument("--endpoint", help="address of a SPARQL endpoint")
    parser.add_argument("--classes", help="file of items, one a line")
    parser.add_argument("--hops", type=int, default=2)
    parser.add_argument("--properties", nargs="+", default=list(TAXONOMY), help="statements to follow")
    given = parser.parse_args(arguments)
    if (given.dump or given.endpoint) and not given.classes:
        raise InputError("Wikidata is too large to be taken whole", remedy="give --classes")
    if given.dump:
        graph = read_wikidata(given.dump, read_names(given.classes), hops=given.hops, properties=given.properties)
    elif given.endpoint:
        items = [f"wd:{name.removeprefix('wd:')}" for name in read_names(given.classes)]
        relations = [f"wdt:{name.removeprefix('wdt:')}" for name in given.properties]
        graph = ClassGraph.from_sparql(given.endpoint, items, given.hops, relations=relations)
    else:
        graph = ClassGraph.read(shared(given.data, "kg/wiki_zs/schema/Onto-Wiki.owl.gz"))
    finish(graph, given.out)


if __name__ == "__main__":
    run(main)
