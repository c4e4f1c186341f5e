"""The schema of NELL-ZS: its classes and relations, and the graph of the relations alone.

python examples/ontology_import/nell_schema.py --data $KGZSL_DATA --out nell.graph
python examples/ontology_import/nell_schema.py --data $KGZSL_DATA --relations     # relations as nodes
"""

from __future__ import annotations

from collections.abc import Sequence

from _shared import finish, options, run, shared

from kgzsl import ClassGraph


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "nell.graph")
    parser.add_argument("--source", help="a schema in OWL or RDF Schema")
    parser.add_argument("--relations", action="store_true", help="write the graph of the relations")
    given = parser.parse_args(arguments)
    graph = ClassGraph.read(given.source or shared(given.data, "kg/nell_schema/Onto-NELL.owl"))
    finish(graph.relation_graph() if given.relations else graph, given.out)


if __name__ == "__main__":
    run(main)
