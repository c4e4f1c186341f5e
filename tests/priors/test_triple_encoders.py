import numpy as np
import pytest
import torch

from kgzsl import InputError
from kgzsl.engine import Engine
from kgzsl.knowledge import ClassGraph
from kgzsl.priors import BoxE, ComplEx, DistMult, PriorWarning, RotatE, TransE
from kgzsl.priors.triples import DistMultScorer, TransEScorer, TripleLoop, TripleModel, TripleOptions

from .conftest import ZOO, renumbered

NAMES = ["zebra", "horse", "tiger"]
SMALL = {"dim": 8, "epochs": 20, "batch_size": 4, "negatives": 5}


@pytest.mark.parametrize("encoder", [TransE, DistMult])
def test_the_same_seed_gives_the_same_vectors_and_another_gives_others(zoo, encoder):
    first, again, other = (encoder(**SMALL, seed=seed).fit(zoo).priors(NAMES) for seed in (0, 0, 1))
    assert np.array_equal(first.matrix, again.matrix)
    assert not np.allclose(first.matrix, other.matrix)
    assert first.names == tuple(NAMES)
    assert first.dim == 8


@pytest.mark.parametrize("encoder", [TransE, DistMult])
def test_the_numbering_of_nodes_leaves_no_trace(zoo, encoder):
    first, second = (encoder(**SMALL).fit(graph).priors(NAMES) for graph in (zoo, renumbered(ZOO)))
    assert np.array_equal(first.matrix, second.matrix)


def test_what_the_engine_did_before_leaves_no_trace(zoo):
    engine = Engine(precision="32-true", progress=False)
    TransE(**SMALL).fit(zoo, engine=engine)
    torch.rand(3, generator=engine.generator())
    second = TransE(**SMALL).fit(zoo, engine=engine).priors(NAMES)
    assert np.array_equal(second.matrix, TransE(**SMALL).fit(zoo).priors(NAMES).matrix)


def block_world():
    """Two groups; members of a group share their objects, so a held-out object can be told from the others."""
    triples = []
    for group, members in (("a", range(12)), ("b", range(12, 24))):
        triples += [(f"n{member}", f"r{slot}", f"{group}{slot}") for member in members for slot in range(5)]
    return ClassGraph.from_triples(triples)


@pytest.mark.parametrize("encoder", [TransE, DistMult, ComplEx, RotatE, BoxE])
def test_held_out_triples_are_found_again_and_training_is_what_finds_them(encoder):
    trained = encoder(16, epochs=60, batch_size=64, negatives=32, holdout=0.1, lr=0.03).fit(block_world())
    untrained = encoder(16, epochs=1, batch_size=1000, negatives=16, holdout=0.1, lr=1e-9).fit(block_world())
    # 34 nodes; the 12 members of a group cannot be told apart as heads, so the tails are what must be right.
    tail_mrr = float((1 / trained.ranking_.tails).mean())
    assert tail_mrr > 0.8
    assert tail_mrr > float((1 / untrained.ranking_.tails).mean()) + 0.4
    assert trained.priors(["n0"]).made["held_out"]["queries"] == 24


def test_every_node_and_relation_stays_in_training(zoo):
    encoder = TransE(**SMALL, holdout=0.9).fit(zoo)
    held = len(encoder.ranking_.heads)
    # 15 triples over 13 nodes: at least 7 triples are needed to touch every node.
    assert 0 < held <= 8


def test_disjointness_is_a_relation_of_its_own_or_left_out(zoo):
    assert "http://www.w3.org/2002/07/owl#disjointWith" in TransE(**SMALL).fit(zoo).triples_.relations
    dropped = TransE(**SMALL, disjointness="drop").fit(zoo)
    assert "http://www.w3.org/2002/07/owl#disjointWith" not in dropped.triples_.relations


def test_a_class_without_an_edge_is_warned_of_by_name():
    graph = ClassGraph.from_triples(
        [("a", "r", "b"), ("c", "http://www.w3.org/2002/07/owl#disjointWith", "a")], labels={"c": "lone class"}
    )
    encoder = DistMult(**SMALL, disjointness="drop").fit(graph)
    with pytest.warns(PriorWarning, match="no edge.*'c'"):
        encoder.priors(["a", "c"])


@pytest.mark.parametrize("loss", ["self-adversarial", "softmax"])
def test_known_triples_are_no_negatives(loss):
    """With all nodes in the pool and every triple true there is nothing to push away from."""
    full = torch.cartesian_prod(torch.arange(4), torch.arange(1), torch.arange(4))
    model = TripleModel(DistMultScorer(4), 4, 1, generator=torch.Generator().manual_seed(0))
    options = TripleOptions(batch_size=16, negatives=4, loss=loss, margin=0.0)
    loop = TripleLoop(model, full, options, steps=1, generator=torch.Generator().manual_seed(0))
    found = loop.losses(full)["loss"]
    positive = model.score(*full.unbind(dim=1)).detach()
    expected = -torch.nn.functional.logsigmoid(positive).mean() / 2 if loss == "self-adversarial" else 0.0
    assert found.item() == pytest.approx(float(expected), abs=1e-6)


def test_a_pool_of_all_nodes_is_one_against_all():
    triples = torch.tensor([[0, 0, 1], [2, 1, 3], [1, 0, 3], [0, 0, 2]])
    model = TripleModel(TransEScorer(4), 4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = []
    for negatives in (0, 4):
        options = TripleOptions(batch_size=4, negatives=negatives, loss="softmax")
        loop = TripleLoop(model, triples, options, steps=1, generator=torch.Generator().manual_seed(0))
        found.append(loop.losses(triples)["loss"].item())
    assert found[0] == pytest.approx(found[1], abs=1e-12)


def test_an_interrupted_run_goes_on_bit_equal(zoo, tmp_path):
    whole = TransE(**SMALL, n3=0.01).fit(zoo, engine=Engine(precision="32-true", progress=False))

    class Stop(Exception):
        pass

    def stop(row):
        if row["step"] >= 50:
            raise Stop

    options = {"precision": "32-true", "progress": False, "checkpoint": tmp_path, "checkpoint_every": 7}
    with pytest.raises(Stop):
        TransE(**SMALL, n3=0.01).fit(zoo, engine=Engine(**options, on_log=stop))
    resumed = TransE(**SMALL, n3=0.01).fit(zoo, engine=Engine(**options, resume=True))
    assert torch.equal(whole.model_.nodes, resumed.model_.nodes)


def test_bad_input(zoo):
    with pytest.raises(InputError, match="no edge to learn from"):
        TransE(**SMALL).fit(ClassGraph.from_triples([]))
    with pytest.raises(InputError, match="not fitted"):
        TransE(**SMALL).priors(NAMES)
    with pytest.raises(InputError, match="zebre"):
        TransE(**SMALL).fit(zoo).priors(["zebre"])
    for options in (
        {"dim": 0},
        {"epochs": 0},
        {"loss": "no"},
        {"negatives": -1},
        {"lr": 0},
        {"holdout": 1},
        {"disjointness": "no"},
        {"norm": 3},
    ):
        with pytest.raises(InputError):
            TransE(**options)
