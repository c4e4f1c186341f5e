"""The DBpedia ontology, and, if asked for, what DBpedia says of some classes of its own.

python examples/ontology_import/dbpedia.py --data $KGZSL_DATA --language de
python examples/ontology_import/dbpedia.py --endpoint https://dbpedia.org/sparql --classes classes.txt --hops 1
"""

from __future__ import annotations

from collections.abc import Sequence

from _shared import finish, options, read_names, run, shared

from kgzsl import ClassGraph
from kgzsl.errors import InputError


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "dbpedia.graph")
    parser.add_argument("--source", help="the ontology (Turtle, RDF/XML), compressed or not")
    parser.add_argument("--language", default="en", help="preferred language of labels")
    parser.add_argument("--endpoint", help="address of a SPARQL endpoint")
    parser.add_argument("--classes", help="file of IRIs or names such as dbr:Dog, one a line")
    parser.add_argument("--hops", type=int, default=1)
    given = parser.parse_args(arguments)
    if given.endpoint:
        if not given.classes:
            raise InputError("DBpedia is too large to be taken whole", remedy="give --classes")
        names = read_names(given.classes)
        languages = (given.language, "en")
        graph = ClassGraph.from_sparql(given.endpoint, names, given.hops, languages=languages, language=given.language)
    else:
        source = given.source or shared(given.data, "ontologies/dbpedia-ontology.ttl.gz")
        graph = ClassGraph.read(source, language=given.language)
    finish(graph, given.out)


if __name__ == "__main__":
    run(main)
