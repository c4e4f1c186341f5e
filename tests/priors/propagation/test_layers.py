"""GAT, R-GCN, CompGCN and TrGCN against dense formulas, PyTorch Geometric and each other."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.nn import functional

from kgzsl import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors import GAT, RGCN, CompGCN, TrGCN, encoders
from kgzsl.priors.propagation import (
    AttentionLayer,
    CompositionLayer,
    EdgePattern,
    GraphOperator,
    NeededRows,
    PropagationLayer,
    RegressionLoop,
    RegressionOptions,
    RelationalLayer,
    SparseProduct,
    TransformerLayer,
    relation_operators,
)
from kgzsl.priors.propagation.composition import compose

from ..conftest import ZOO

F64 = torch.float64
NAMES = ["zebra", "horse", "tiger"]
SMALL = {"hidden": (8,), "base_options": {"dim": 6}, "epochs": 5}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=F64)


def product(matrix):
    return SparseProduct(matrix, dtype=F64)


def dense(matrix):
    return torch.from_numpy(matrix.toarray()).to(F64)


def eye(count):
    return sparse.eye_array(count, format="csr")


def test_sums_over_edges_and_their_gradients_are_those_of_dense_matrices():
    matrix = sparse.random_array((5, 7), density=0.4, format="csr", rng=np.random.default_rng(0))
    pattern = EdgePattern(matrix)
    weights, x = normal(len(pattern)).requires_grad_(), normal(7, 3, seed=1).requires_grad_()

    def by_hand(weights, x):
        full = torch.zeros(5, 7, dtype=F64).index_put((pattern.rows, pattern.columns), weights)
        return full @ x

    assert torch.allclose(pattern.sum(weights, x), by_hand(weights, x))
    assert torch.autograd.gradcheck(pattern.sum, (weights, x))
    shares = pattern.softmax(normal(len(pattern), 2, seed=2) * 50)
    sums = torch.zeros(5, 2, dtype=F64).index_add(0, pattern.rows, shares)
    assert torch.allclose(sums[pattern.rows], torch.ones_like(shares))


@pytest.mark.parametrize("join", [True, False])
def test_attention_is_that_of_pytorch_geometric(zoo, join):
    from torch_geometric.nn import GATConv

    matrix = GraphOperator.of(zoo, normalisation="none").matrix
    layer = AttentionLayer(5, 6, 2, join=join, generator=seeded(), dtype=F64)
    layer.bias.data = normal(6, seed=1)
    theirs = GATConv(5, layer.size, heads=2, concat=join, add_self_loops=False).double()
    with torch.no_grad():
        theirs.lin.weight.copy_(layer.weight.T)
        theirs.att_dst.copy_(layer.reader[None])
        theirs.att_src.copy_(layer.read[None])
        theirs.bias.copy_(layer.bias)
    reader, read = (torch.from_numpy(part.astype(np.int64)) for part in matrix.tocoo().coords)
    x = normal(zoo.num_nodes, 5, seed=2)
    found = layer(x, [product(matrix), product(eye(zoo.num_nodes))])
    assert torch.allclose(found, theirs(x, torch.stack([read, reader])), atol=1e-10)


def test_relational_layers_are_dense_products_with_and_without_bases(zoo):
    names, matrices = relation_operators(zoo)
    assert len(matrices) == 2 * len(names)
    x = normal(zoo.num_nodes, 4)
    for bases in (None, 2):
        layer = RelationalLayer(4, 3, len(matrices), bases=bases, generator=seeded(1), dtype=F64)
        layer.bias.data = normal(3, seed=2)
        expected = x @ layer.own + layer.bias
        for matrix, weight in zip(matrices, layer.weights(), strict=True):
            expected = expected + dense(matrix) @ x @ weight
        products = [product(matrix) for matrix in (*matrices, eye(zoo.num_nodes))]
        assert torch.allclose(layer(x, products), expected, atol=1e-12)


def test_rgcn_with_one_relation_is_a_gcn():
    graph = ClassGraph.from_triples([(a, "near", b) for a, _, b in ZOO])
    _, (matrix,) = relation_operators(graph, inverse=False)
    layer = RelationalLayer(4, 3, 1, generator=seeded(), dtype=F64)
    layer.own.data = layer.bases.data[0].clone()
    gcn = PropagationLayer(4, 3, dtype=F64)
    gcn.weight.data = layer.own.data
    x = normal(graph.num_nodes, 4, seed=1)
    # The same neighbours, averaged, and the node itself with weight 1.
    operator = sparse.csr_array(matrix + eye(graph.num_nodes))
    walk = GraphOperator.of(graph, normalisation="row", direction="out", self_loops=0.0).matrix
    assert np.allclose(walk.toarray(), matrix.toarray())
    found = layer(x, [product(matrix), product(eye(graph.num_nodes))])
    assert torch.allclose(found, gcn(x, [product(operator)]), atol=1e-12)


def test_normalisations_of_relations(zoo):
    _, each = relation_operators(zoo, normalisation="relation")
    _, together = relation_operators(zoo, normalisation="all")
    for matrix in each:
        sums = matrix.sum(axis=1)
        assert np.allclose(sums[sums > 0], 1)
    sums = sum(matrix.sum(axis=1) for matrix in together)
    assert np.allclose(sums[sums > 0], 1)


@pytest.mark.parametrize("how", ["subtract", "multiply", "correlate"])
def test_composition_layers_are_sums_over_single_edges(zoo, how):
    names, matrices = relation_operators(zoo, normalisation="all")
    layer = CompositionLayer(4, 3, how, generator=seeded(), dtype=F64)
    x, z = normal(zoo.num_nodes, 4, seed=1), normal(2 * len(names) + 1, 4, seed=2)
    expected = torch.zeros(zoo.num_nodes, 3, dtype=F64)
    groups = [*matrices, eye(zoo.num_nodes)]
    for number, matrix in enumerate(groups):
        weight = (layer.out, layer.into, layer.own)[number // len(names)]
        for v, u, value in zip(*matrix.tocoo().coords, matrix.tocoo().data, strict=True):
            if how == "subtract":
                phi = x[u] - z[number]
            elif how == "multiply":
                phi = x[u] * z[number]
            else:
                phi = torch.stack([sum(x[u, i] * z[number, (i + k) % 4] for i in range(4)) for k in range(4)])
            expected[v] += value * (phi @ weight)
    found, relations = layer(x, z, [product(matrix) for matrix in groups])
    assert torch.allclose(found, expected, atol=1e-10)
    assert torch.allclose(relations, z @ layer.relation)


def test_compgcn_with_neutral_relations_and_equal_weights_is_a_gcn(zoo):
    _, matrices = relation_operators(zoo, normalisation="all")
    layer = CompositionLayer(4, 3, "subtract", generator=seeded(), dtype=F64)
    layer.into.data = layer.own.data = layer.out.data
    gcn = PropagationLayer(4, 3, dtype=F64)
    gcn.weight.data = layer.out.data
    groups = [*matrices, eye(zoo.num_nodes)]
    x = normal(zoo.num_nodes, 4, seed=1)
    found, _ = layer(x, torch.zeros(len(groups), 4, dtype=F64), [product(matrix) for matrix in groups])
    assert torch.allclose(found, gcn(x, [product(sparse.csr_array(sum(groups)))]), atol=1e-12)


def test_correlation_with_an_odd_width_keeps_it():
    assert compose(normal(2, 5), normal(5, seed=1), "correlate", torch.ones(2, 1)).shape == (2, 5)


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_the_transformer_layer_reads_each_neighbourhood_by_itself(zoo, pool):
    """Padding and grouping leave no trace: the same as a loop over nodes with the published block."""
    matrix = GraphOperator.of(zoo, normalisation="none").matrix
    layer = TransformerLayer(6, 3, heads=2, pool=pool, generator=seeded(), dtype=F64)
    x = normal(zoo.num_nodes, 6, seed=1)
    rows = []
    for node in range(zoo.num_nodes):
        h = x[matrix.indices[matrix.indptr[node] : matrix.indptr[node + 1]].astype(np.int64)]
        heads = [(h @ part).chunk(2, dim=1) for part in (layer.queries, layer.keys, layer.values)]
        read = [torch.softmax(q @ k.T / q.shape[1] ** 0.5, dim=1) @ v for q, k, v in zip(*heads, strict=True)]
        told = functional.layer_norm(h + torch.cat(read, dim=1) @ layer.join, (6,))
        told = functional.layer_norm(
            told + functional.relu(told @ layer.up + layer.up_bias) @ layer.down + layer.down_bias, (6,)
        )
        rows.append(told.mean(dim=0) if pool == "mean" else told.amax(dim=0))
    expected = torch.stack(rows) @ layer.weight + layer.bias
    assert torch.allclose(layer(x, [product(matrix)]), expected, atol=1e-10)


def test_crowded_neighbourhoods_are_cut_to_the_most_visited():
    """A hub of ten; the two that share another neighbour with it are visited twice as much."""
    triples = [(f"n{one}", "near", "hub") for one in range(10)] + [("n3", "near", "n7")]
    graph = ClassGraph.from_triples(triples)
    ((pattern,), _) = TrGCN((4,), max_neighbours=3).operators(graph)
    hub = graph.node("hub")
    kept = {graph.iris[node] for node in pattern.indices[pattern.indptr[hub] : pattern.indptr[hub + 1]]}
    assert kept == {"hub", "n3", "n7"}
    assert np.diff(pattern.indptr).max() == 3


@pytest.mark.parametrize("encoder", [GAT, RGCN, CompGCN, TrGCN])
@pytest.mark.parametrize("mask", [0.0, 0.5])
def test_needed_rows_give_the_loss_and_gradients_of_all_rows(zoo, encoder, mask):
    made = encoder((8,))
    layers = made.operators(zoo)
    rows = np.array([zoo.node(name) for name in ("tiger", "zebra")])
    x, targets = normal(zoo.num_nodes, 4), normal(2, 3, seed=1)
    found = []
    for all_rows in (False, True):
        where = {"generator": seeded(2), "device": torch.device("cpu"), "dtype": F64}
        network = made.make_network([4, 8, 3], layers, **where)
        network.dropout = 0.0
        options = RegressionOptions(mask=mask)
        loop = RegressionLoop(network, layers, rows, x, targets, options, generator=seeded(3), all_rows=all_rows)
        loss = loop.loss()
        found.append([loss, *torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)])
    for ours, theirs in zip(*found, strict=True):
        assert ours is theirs is None or torch.allclose(ours, theirs, atol=1e-10)
    assert len(NeededRows.of(layers, rows).rows[1]) < zoo.num_nodes


@pytest.mark.parametrize(
    "encoder", [GAT(**SMALL), RGCN(**SMALL, bases=2), CompGCN(**SMALL), TrGCN(**SMALL, max_neighbours=3)]
)
def test_the_numbering_of_nodes_leaves_no_trace(encoder):
    first, second = (encoder.fit(ClassGraph.from_triples(z)).priors(NAMES) for z in (ZOO, ZOO[::-1]))
    assert np.allclose(first.matrix, second.matrix, atol=1e-4)


@pytest.mark.parametrize("kind", ["gat", "rgcn", "compgcn", "trgcn"])
def test_regression_reads_off_the_unseen_classes(kind):
    """Six families of six; the classes seen in each share a target, which their siblings then get."""
    tree = [(f"f{f}", "subClassOf", "root") for f in range(6)]
    tree += [(f"c{f}_{c}", "subClassOf", f"f{f}") for f in range(6) for c in range(6)]
    graph = ClassGraph.from_triples(tree)
    seen = [f"c{f}_{c}" for f in range(6) for c in range(4)]
    unseen = [f"c{f}_{c}" for f in range(6) for c in range(4, 6)]
    targets = np.repeat(np.eye(6), 4, axis=0)
    base = ClassPriors(graph.iris, np.eye(graph.num_nodes))
    made = encoders.make(kind, hidden=(24,), base=base, dropout=0.2, epochs=80, lr=0.01)
    found = made.regress(graph, seen, targets).priors(unseen).matrix
    right = found.argmax(axis=1) == np.repeat(np.arange(6), 2)
    assert right.mean() >= 0.75  # chance: one in six


def test_bad_input():
    for cls, options in (
        (GAT, {"heads": 0}),
        (GAT, {"hidden": (7,), "heads": 2}),
        (GAT, {"direction": "up"}),
        (RGCN, {"bases": 0}),
        (RGCN, {"normalisation": "no"}),
        (CompGCN, {"composition": "no"}),
        (CompGCN, {"normalisation": "no"}),
        (TrGCN, {"heads": 0}),
        (TrGCN, {"pool": "no"}),
        (TrGCN, {"max_neighbours": 0}),
    ):
        with pytest.raises(InputError):
            cls(**options)
