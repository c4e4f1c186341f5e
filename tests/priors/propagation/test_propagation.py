"""Propagation: identities with dense matrix products, needed rows against all rows, both uses."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from kgzsl import InputError
from kgzsl.benchmarks import propagation as benchmark
from kgzsl.engine import Engine
from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors import DGP, GCN, SGC, PriorWarning, encoders
from kgzsl.priors.propagation import (
    GraphOperator,
    NeededRows,
    PropagationLayer,
    PropagationNetwork,
    RegressionLoop,
    RegressionOptions,
    SparseProduct,
    smooth,
)

from ..conftest import ZOO

F64 = torch.float64
NAMES = ["zebra", "horse", "tiger"]
SMALL = {"hidden": (8,), "base_options": {"dim": 6}, "epochs": 10}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def products(layers, rows=None):
    return [[SparseProduct(m, dtype=F64) for m in layer] for layer in NeededRows.of(layers, rows).matrices]


@pytest.mark.parametrize("widths", [(3, 7), (7, 3)])
def test_a_layer_is_a_dense_matrix_product_in_either_order(zoo, widths):
    matrix = GraphOperator.of(zoo).matrix
    layer = PropagationLayer(*widths, generator=seeded(), dtype=F64)
    layer.bias.data.normal_(generator=seeded(1))
    x = torch.randn(zoo.num_nodes, widths[0], generator=seeded(2), dtype=F64)
    (own,) = products([[matrix]])
    assert layer.propagates_first(own) == (widths[0] < widths[1])  # on the narrow side
    expected = torch.from_numpy(matrix.toarray()) @ x @ layer.weight + layer.bias
    assert torch.allclose(layer(x, own), expected, atol=1e-12)


def test_sgc_is_a_gcn_of_k_steps_without_non_linearity(zoo):
    operator = GraphOperator.of(zoo)
    x = np.random.default_rng(0).normal(size=(zoo.num_nodes, 4))
    network = PropagationNetwork([4, 4, 4, 4], slope=1.0, dtype=F64)
    for layer in network.layers:
        layer.weight.data = torch.eye(4, dtype=F64)
    found = network(torch.from_numpy(x), products([[operator.matrix]] * 3)).detach().numpy()
    assert np.allclose(found, smooth(operator, x, 3), atol=1e-12)
    rows = np.array([zoo.node(name) for name in NAMES])
    assert np.allclose(smooth(operator, x, 3, rows), found[rows], atol=1e-12)
    bent = PropagationNetwork([4, 4, 4, 4], slope=0.2, dtype=F64)
    bent.load_state_dict(network.state_dict())
    assert not np.allclose(bent(torch.from_numpy(x), products([[operator.matrix]] * 3)).detach().numpy(), found)


def test_dgp_with_equal_distance_weights_is_a_dense_gcn(zoo):
    dense = zoo.dense(groups=2)
    x = torch.randn(zoo.num_nodes, 4, generator=seeded(), dtype=F64)
    network = PropagationNetwork([4, 6, 3], [3, 3], learnt=True, generator=seeded(1), dtype=F64)
    found = network(x, products([dense.down, dense.up]))
    down, up = (torch.from_numpy(sum(m.toarray() for m in g).astype(float) / 3) for g in (dense.down, dense.up))
    one, two = network.layers
    expected = up @ functional.leaky_relu(down @ x @ one.weight + one.bias, 0.2) @ two.weight + two.bias
    assert torch.allclose(found, expected, atol=1e-6)  # the dense graph holds float32
    one.mix.data[0] = 2.0
    assert not torch.allclose(network(x, products([dense.down, dense.up])), expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["gcn", "dgp"])
@pytest.mark.parametrize("mask", [0.0, 0.5])
def test_needed_rows_give_the_loss_and_gradients_of_all_rows(zoo, kind, mask):
    encoder = GCN((6,), direction="out") if kind == "gcn" else DGP((6,), groups=2)
    layers = encoder.operators(zoo)
    rows = np.array([zoo.node(name) for name in ("tiger", "zebra")])
    x = torch.randn(zoo.num_nodes, 4, generator=seeded(), dtype=F64)
    targets = torch.randn(2, 3, generator=seeded(1), dtype=F64)
    found = []
    for all_rows in (False, True):
        groups = [len(layer) for layer in layers]
        network = PropagationNetwork([4, 6, 3], groups, learnt=True, generator=seeded(2), dtype=F64)
        options = RegressionOptions(mask=mask)
        loop = RegressionLoop(network, layers, rows, x, targets, options, generator=seeded(3), all_rows=all_rows)
        loss = loop.loss()
        found.append([loss, *torch.autograd.grad(loss, list(network.parameters()))])
        assert (len(loop.needed.rows[1]) < zoo.num_nodes) != all_rows
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)
    assert any(gradient.abs().max() > 1e-6 for gradient in found[0][1:])


@pytest.mark.parametrize("encoder", [SGC(base_options={"dim": 6}), GCN(**SMALL), DGP(**SMALL)])
def test_the_numbering_of_nodes_leaves_no_trace(encoder):
    first, second = (encoder.fit(ClassGraph.from_triples(z)).priors(NAMES) for z in (ZOO, ZOO[::-1]))
    assert np.allclose(first.matrix, second.matrix, atol=1e-4)
    assert first.names == tuple(NAMES)


def test_sgc_mixes_in_the_neighbours_and_zero_steps_do_not(zoo):
    base = ClassPriors(("zebra", "stripes"), np.eye(2))
    walk = {"base": base, "normalisation": "row", "direction": "out"}
    # zebra reads itself, equine, stripes, savanna: a quarter each.
    found = SGC(1, **walk).fit(zoo).priors(["zebra", "tiger"]).matrix
    assert np.allclose(found, [[0.25, 0.25], [0, 0.25]])
    joined = SGC(1, join=True, **walk).fit(zoo).priors(["zebra"]).matrix
    assert np.allclose(joined, [[1, 0, 0.25, 0.25]])


@pytest.mark.parametrize("kind", ["gcn", "dgp"])
def test_regression_reads_off_the_unseen_classes(kind):
    """Six families of ten; the classes seen in each share a target, which their siblings then get."""
    tree = [(f"f{f}", "subClassOf", "root") for f in range(6)]
    tree += [(f"c{f}_{c}", "subClassOf", f"f{f}") for f in range(6) for c in range(10)]
    graph = ClassGraph.from_triples(tree)
    seen = [f"c{f}_{c}" for f in range(6) for c in range(7)]
    unseen = [f"c{f}_{c}" for f in range(6) for c in range(7, 10)]
    targets = np.repeat(np.eye(6), 7, axis=0)
    made = encoders.make(kind, hidden=(32,), base=ClassPriors(graph.iris, np.eye(graph.num_nodes)), dropout=0.2)
    made.epochs, made.lr = 150, 0.01
    found = made.regress(graph, seen, targets).priors(unseen).matrix
    right = found.argmax(axis=1) == np.repeat(np.arange(6), 3)
    assert right.mean() >= 0.9  # chance: one in six
    assert made.history_.rows[-1]["loss"] < 0.1
    shuffled = made.regress(graph.shuffled(0), seen, targets).priors(unseen).matrix
    assert (shuffled.argmax(axis=1) == np.repeat(np.arange(6), 3)).mean() < 0.6


def test_a_mask_hides_a_node_from_itself_and_dropout_is_for_training_only(zoo):
    alone = GraphOperator.from_edges(np.empty((2, 0), dtype=np.int64), 5).matrix  # every node reads itself only
    x, targets = torch.ones(5, 3, dtype=F64), torch.ones(5, 2, dtype=F64)
    for mask, learns in ((1.0, False), (0.0, True)):
        network = PropagationNetwork([3, 2], generator=seeded(), dtype=F64)
        options = RegressionOptions(mask=mask, normalise=False)
        loop = RegressionLoop(network, [[alone]], np.arange(5), x, targets, options, generator=seeded())
        (gradient,) = torch.autograd.grad(loop.loss(), [network.layers[0].weight])
        assert bool(gradient.abs().max() > 0) == learns
    network = PropagationNetwork([3, 50, 2], dropout=0.5, generator=seeded(), dtype=F64)
    layers = products([[alone]] * 2)
    first, second = (network(x, layers, generator=seeded(seed)) for seed in (0, 1))
    assert not torch.allclose(first, second)
    network.eval()
    assert torch.equal(network(x, layers, generator=seeded(0)), network(x, layers, generator=seeded(1)))


def test_an_interrupted_run_goes_on_bit_equal(zoo, tmp_path):
    whole = GCN(**SMALL).fit(zoo, engine=Engine(precision="32-true", progress=False))

    class Stop(Exception):
        pass

    def stop(row):
        raise Stop

    options = {"precision": "32-true", "progress": False, "checkpoint": tmp_path, "checkpoint_every": 4}
    with pytest.raises(Stop):
        GCN(**SMALL).fit(zoo, engine=Engine(**options, on_log=stop))
    resumed = GCN(**SMALL).fit(zoo, engine=Engine(**options, resume=True))
    for a, b in zip(whole.network_.parameters(), resumed.network_.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_class_out_of_reach_is_warned_of_by_name(zoo):
    base = ClassPriors(("savanna",), np.ones((1, 2)))
    encoder = SGC(1, base=base).fit(zoo)
    with pytest.warns(PriorWarning, match="no neighbour with one.*'horse'"):
        encoder.priors(["zebra", "horse"])
    learnt = GCN((4,), base=base, epochs=2).fit(zoo)
    with pytest.warns(PriorWarning, match="within reach.*'jungle'"):
        learnt.priors(["zebra", "jungle"])


def test_benchmark_runs_small_and_its_check_notices_a_lost_row(monkeypatch):
    report = benchmark.run("cpu", nodes=200, rows=10, inputs=4, hidden=6, outputs=3, laps=1)
    assert report["ratio"] == pytest.approx(report["baseline_s"] / report["ours_s"])
    assert report["needed"][2] == 10
    assert report["needed"][1] < 50
    assert "equal those over all rows" in report["checked"]
    right = NeededRows.of.__func__

    def wrong(cls, layers, rows=None):
        made = right(cls, layers, rows)
        if rows is not None:
            made.matrices[0][0].data[0] = 0
        return made

    monkeypatch.setattr(NeededRows, "of", classmethod(wrong))
    with pytest.raises(AssertionError, match="differ"):
        benchmark.check()


def test_bad_input(zoo):
    for cls, options in (
        (SGC, {"steps": -1}),
        (SGC, {"normalisation": "no"}),
        (GCN, {"hidden": (0,)}),
        (GCN, {"epochs": 0}),
        (GCN, {"dropout": 1.0}),
        (GCN, {"mask": 0.0}),
        (GCN, {"lr": 0.0}),
        (GCN, {"direction": "up"}),
        (DGP, {"groups": 0}),
        (DGP, {"weights": "no"}),
    ):
        with pytest.raises(InputError):
            cls(**options)
    with pytest.raises(InputError, match="not fitted"):
        GCN().priors(["zebra"])
    with pytest.raises(InputError, match="none of the 1 base vectors"):
        SGC(base=ClassPriors(("nowhere at all",), np.ones((1, 2)))).fit(zoo)
    with pytest.raises(InputError, match="shape"):
        GCN(**SMALL).regress(zoo, ["zebra"], np.ones((2, 3)))
    with pytest.raises(InputError, match="NaN"):
        GCN(**SMALL).regress(zoo, ["zebra"], np.full((1, 3), np.nan))
    with pytest.raises(InputError, match="no hierarchy"):
        DGP(**SMALL).fit(ClassGraph.from_triples([("a", "r", "b")]))
