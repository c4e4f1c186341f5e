"""Poincare points of a real hierarchy: what lies above what, against the same hierarchy with its ends permuted."""

import numpy as np
import pytest

from kgzsl import InputError
from kgzsl.benchmarks.priors_cell import load_graph
from kgzsl.knowledge import ClassGraph
from kgzsl.priors import Poincare
from kgzsl.priors.geometric.axioms import Axioms
from kgzsl.priors.geometric.subsumption import check_subsumptions

MAMMAL = "n01861778"


def below(graph: ClassGraph, root: str) -> ClassGraph:
    """The part of ``graph`` that lies below ``root``."""
    child, parent = graph.edge_index
    found = np.zeros(graph.num_nodes, dtype=bool)
    found[graph.node(root)] = True
    while found[parent].sum() > (found[parent] & found[child]).sum():
        found[child[found[parent]]] = True
    inside = found[child] & found[parent]
    pairs = zip(child[inside].tolist(), parent[inside].tolist(), strict=True)
    return ClassGraph.from_triples([(graph.iris[one], "subClassOf", graph.iris[other]) for one, other in pairs])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_held_out_subsumptions_of_mammals_hold_and_those_of_a_shuffled_hierarchy_do_not(seed):
    """As Nickel and Kiela test it: pairs of the transitive closure are held out, 5 percent (split seed 77).

    Both embeddings are judged by the same true and false pairs of the real hierarchy, and ranks are filtered by its
    closure: a shuffled graph's own would leave hardly any general concept among the candidates. An edge of a tree
    itself cannot be foretold, so edges are not what is held out.
    """
    try:
        wordnet = load_graph("wordnet")
    except InputError as problem:
        pytest.skip(str(problem))
    mammals = below(wordnet, MAMMAL)
    assert mammals.num_nodes == 1170
    axioms = Axioms.of(mammals)
    keys, names = axioms.closure(), axioms.concepts
    out = np.zeros(len(keys), dtype=bool)
    out[np.random.default_rng(77).choice(len(keys), len(keys) // 20, replace=False)] = True
    rows = np.stack([keys // len(names), keys % len(names)], axis=1)
    graph = ClassGraph.from_triples([(names[one], "subClassOf", names[other]) for one, other in rows[~out].tolist()])
    assert Axioms.of(graph).concepts == names
    found = {}
    for kind, read in (("real", graph), ("shuffled", graph.shuffled(seed))):
        gaps = Poincare(epochs=50, closure=False, seed=seed).fit(read).model_.gaps
        random = np.random.default_rng(77)
        found[kind] = check_subsumptions(gaps, rows[out], rows[~out], keys, len(names), random, regions=False).metrics()
    # Over the three seeds the accuracies were 0.88 to 0.91 against 0.50 to 0.55, the MRR 0.29 to 0.32 against 0.04 to
    # 0.05: the least gaps were 0.33 and 0.24, of which two thirds are asked for.
    assert found["real"]["subsumption.accuracy"] > found["shuffled"]["subsumption.accuracy"] + 0.22
    assert found["real"]["subsumption.mrr"] > found["shuffled"]["subsumption.mrr"] + 0.16
    assert abs(found["shuffled"]["subsumption.accuracy"] - 0.5) < 0.12
