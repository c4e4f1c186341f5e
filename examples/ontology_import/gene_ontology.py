"""The Gene Ontology, or any ontology in OBO format, as a class graph.

python examples/ontology_import/gene_ontology.py --source go-basic.obo --out go.graph
python examples/ontology_import/gene_ontology.py --data $KGZSL_DATA               # its generic slim
"""

from __future__ import annotations

from collections.abc import Sequence

from _shared import finish, options, run, shared

from kgzsl import ClassGraph


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "go.graph")
    parser.add_argument("--source", help="an .obo file, compressed or not")
    given = parser.parse_args(arguments)
    finish(ClassGraph.read(given.source or shared(given.data, "ontologies/goslim_generic.obo")), given.out)


if __name__ == "__main__":
    run(main)
