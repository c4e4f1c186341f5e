"""Operators, needed rows and the sparse product, against dense matrices."""

import numpy as np
import pytest
import torch
from scipy import sparse

from kgzsl import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.priors.propagation import GraphOperator, NeededRows, SparseProduct

EDGES = np.array([[1, 2, 3, 4], [0, 0, 1, 1]])  # a tree: 0 over 1, 2; 1 over 3, 4


def dense_adjacency(size=5):
    table = np.zeros((size, size))
    table[EDGES[0], EDGES[1]] = 1
    return table


def test_symmetric_is_the_matrix_of_kipf_and_welling():
    table = dense_adjacency() + dense_adjacency().T + np.eye(5)
    root = np.diag(1 / np.sqrt(table.sum(axis=1)))
    found = GraphOperator.from_edges(EDGES, 5).matrix.toarray()
    assert np.allclose(found, root @ table @ root, atol=1e-15)


def test_a_random_walk_has_rows_that_sum_to_one():
    walk = GraphOperator.from_edges(EDGES, 5, normalisation="row").matrix
    assert np.allclose(walk.sum(axis=1), 1)
    table = dense_adjacency() + dense_adjacency().T + np.eye(5)
    assert np.allclose(walk.toarray(), table / table.sum(axis=1, keepdims=True))


def test_directions():
    bare = {"normalisation": "none", "self_loops": 0.0}
    assert np.array_equal(
        GraphOperator.from_edges(EDGES, 5, direction="out", **bare).matrix.toarray(), dense_adjacency()
    )
    assert np.array_equal(
        GraphOperator.from_edges(EDGES, 5, direction="in", **bare).matrix.toarray(), dense_adjacency().T
    )


def test_disjointness_carries_nothing_and_repeated_edges_count_once():
    triples = [("a", "r", "b"), ("a", "s", "b"), ("a", "http://www.w3.org/2002/07/owl#disjointWith", "c")]
    graph = ClassGraph.from_triples(triples)
    table = GraphOperator.of(graph, normalisation="none", self_loops=0.0).matrix.toarray()
    a, b, c = (graph.node(name) for name in "abc")
    assert table[a, b] == table[b, a] == 1
    assert table[c].sum() == table[:, c].sum() == 0


def test_weights_count_and_the_strongest_of_two_edges_is_taken():
    edges = np.array([[0, 0, 1], [1, 1, 2]])
    table = GraphOperator.from_edges(
        edges, 3, weight=np.array([0.5, 2.0, 0.0]), normalisation="none", self_loops=0.0
    ).matrix.toarray()
    assert table[0, 1] == table[1, 0] == 2.0
    assert table.sum() == 4.0  # the edge of weight 0 is none


def test_needed_rows_are_the_closure_and_give_the_same_product():
    operator = GraphOperator.from_edges(EDGES, 5, direction="out", normalisation="row")
    needed = NeededRows.of([[operator.matrix]] * 2, np.array([3, 3, 2]))
    # 3 reads 1 (and itself), 1 reads 0; 2 reads 0.
    assert [rows.tolist() for rows in needed.rows] == [[0, 1, 2, 3], [0, 1, 2, 3], [3, 3, 2]]
    assert np.array_equal(operator.columns_of(np.array([3])), [1, 3])
    x = np.random.default_rng(0).normal(size=(5, 3))
    found = x[needed.rows[0]]
    for (matrix,) in needed.matrices:
        found = matrix @ found
    table = operator.matrix.toarray()
    assert np.allclose(found, (table @ table @ x)[[3, 3, 2]])


def test_nothing_but_the_needed_rows_is_kept():
    """A chain of 50: two layers from the end read three nodes."""
    edges = np.stack([np.arange(1, 50), np.arange(49)])
    operator = GraphOperator.from_edges(edges, 50, direction="out")
    needed = NeededRows.of([[operator.matrix]] * 2, np.array([49]))
    assert [rows.tolist() for rows in needed.rows] == [[47, 48, 49], [48, 49], [49]]
    assert [layer[0].shape for layer in needed.matrices] == [(2, 3), (1, 2)]


def test_sparse_product_and_its_gradient_are_the_dense_ones():
    matrix = sparse.random_array((6, 4), density=0.5, rng=np.random.default_rng(0), format="csr")
    product = SparseProduct(matrix, dtype=torch.float64)
    x = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    pull = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (product(x) * pull).sum().backward()
    table = torch.from_numpy(matrix.toarray())
    assert torch.allclose(product(x), table @ x, atol=1e-14)
    assert torch.allclose(x.grad, table.T @ pull, atol=1e-14)
    assert "6 x 4" in repr(product)


def test_sparse_product_keeps_its_type_under_autocast():
    product = SparseProduct(sparse.eye_array(3, format="csr"))
    x = torch.randn(3, 2, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = product(x @ torch.eye(2))
        assert found.dtype == torch.float32
        found.sum().backward()
    assert torch.allclose(x.grad, torch.ones(3, 2))


@pytest.mark.parametrize("options", [{"normalisation": "no"}, {"direction": "up"}, {"self_loops": -1.0}])
def test_bad_options(options):
    with pytest.raises(InputError):
        GraphOperator.from_edges(EDGES, 5, **options)
