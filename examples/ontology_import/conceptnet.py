"""What ConceptNet says of things, in one language, without the relations that blur classes.

    python examples/ontology_import/conceptnet.py --source conceptnet-assertions-5.7.0.csv.gz --out conceptnet.graph
    python examples/ontology_import/conceptnet.py --data $KGZSL_DATA       # the part that KZSL took for the AwA classes

``--classes FILE`` keeps what lies within ``--hops`` of a list of classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from _shared import finish, options, read_names, run, shared

from kgzsl import ClassGraph
from kgzsl.knowledge.sources import STOP_RELATIONS, read_conceptnet


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "conceptnet.graph")
    parser.add_argument("--source", help="conceptnet-assertions-5.*.csv(.gz)")
    parser.add_argument("--language", default="en")
    parser.add_argument("--min-weight", type=float, default=1.0)
    parser.add_argument(
        "--stop", nargs="*", default=list(STOP_RELATIONS), help="relations to leave out (default: KZSL's)"
    )
    parser.add_argument("--classes", help="file of class names, one a line")
    parser.add_argument("--hops", type=int, default=1)
    given = parser.parse_args(arguments)
    if given.source:
        graph = read_conceptnet(
            given.source, languages=(given.language,), stop_relations=given.stop, min_weight=given.min_weight
        )
    else:
        graph = ClassGraph.read(shared(given.data, "kg/awa/triples/conceptnet_triples_filter.txt"))
    if given.classes:
        graph = graph.for_classes(read_names(given.classes), hops=given.hops, missing="skip")
    finish(graph, given.out)


if __name__ == "__main__":
    run(main)
