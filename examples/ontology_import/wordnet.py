"""WordNet's nouns as a class graph under ImageNet's wnids.

    python examples/ontology_import/wordnet.py --source /usr/share/wordnet --out wordnet.graph
    python examples/ontology_import/wordnet.py --source dict31 --reference dict30      # another version, by sense keys
    python examples/ontology_import/wordnet.py --data $KGZSL_DATA    # ImageNet's own is-a list

``--classes FILE`` keeps what a list of classes needs: they and all that stands above them.
"""

from __future__ import annotations

from collections.abc import Sequence

from _shared import finish, options, read_names, run, shared

from kgzsl import ClassGraph
from kgzsl.knowledge.sources import read_wordnet


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "wordnet.graph")
    parser.add_argument("--source", help="folder of WordNet's files (data.noun, index.noun)")
    parser.add_argument("--reference", help="folder of WordNet 3.0, where the source is another version")
    parser.add_argument("--classes", help="file of wnids or names, one a line")
    given = parser.parse_args(arguments)
    if given.source:
        graph = read_wordnet(given.source, reference=given.reference)
    else:
        columns = ("object", "subject")
        links = shared(given.data, "kg/wordnet/is_a.txt.gz")
        words = shared(given.data, "kg/wordnet/words.txt.gz")
        graph = ClassGraph.read(links, columns=columns, relation="rdfs:subClassOf")
        graph = graph.merge(ClassGraph.read(words, columns=columns[::-1], relation="rdfs:label"))
    if given.classes:
        graph = graph.taxonomy(read_names(given.classes))
    finish(graph, given.out)


if __name__ == "__main__":
    run(main)
