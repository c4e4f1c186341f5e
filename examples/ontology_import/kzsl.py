"""The knowledge graphs of the KZSL benchmark: AwA, ImNet-A, ImNet-O, with what their classes need.

python examples/ontology_import/kzsl.py --set awa --data $KGZSL_DATA --out awa.graph
python examples/ontology_import/kzsl.py --set awa --hops 1                        # the classes and their neighbours
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from _shared import finish, options, run, shared

from kgzsl import ClassGraph

FILES = {"awa": "KG-AwA.ttl", "imnet_a": "KG-ImNet-A.ttl", "imnet_o": "KG-ImNet-O.ttl"}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "kzsl.graph")
    parser.add_argument("--set", choices=sorted(FILES), default="awa")
    parser.add_argument("--hops", type=int, help="keep what lies so near to the classes (default: all)")
    given = parser.parse_args(arguments)
    folder = shared(given.data, f"kg/{given.set}")
    graph = ClassGraph.read(shared(str(folder), FILES[given.set]))
    if given.hops is not None:
        split = json.loads(shared(str(folder), "class.json").read_text(encoding="utf-8"))
        graph = graph.for_classes([*split["seen"], *split["unseen"]], hops=given.hops, missing="skip")
    finish(graph, given.out)


if __name__ == "__main__":
    run(main)
