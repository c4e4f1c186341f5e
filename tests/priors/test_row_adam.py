"""Adam by rows: the table of dense Adam, at the cost of the rows that are touched."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.priors.disentangled.model import DisentangledModel
from kgzsl.priors.disentangled.scorer import DisentangledScorer
from kgzsl.priors.text_aware.model import TextAwareModel
from kgzsl.priors.text_aware.scorer import TextAwareScorer
from kgzsl.priors.triples import (
    DistMultScorer,
    EarlyStopping,
    TransEScorer,
    TripleLoop,
    TripleModel,
    TripleOptions,
    training,
)
from kgzsl.priors.triples.row_adam import RowAdam
from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def steps_of(count, rows, each, seed=0):
    """Rows and gradients of some steps; gradients of a row differ in size as they do in training."""
    random = seeded(seed)
    for _ in range(count):
        some = torch.randperm(rows, generator=random)[:each].sort().values
        yield some, torch.randn(each, 3, generator=random, dtype=torch.float64) * 1e-3


def trained(made, table, steps, lr=0.1, count=None):
    for index, (rows, gradient) in enumerate(steps):
        made.lr = lr * (1 - index / (count or 1000))
        made.fetch(rows)
        made.step(gradient)
    return table


def dense(table, steps, lr=0.1, kind=torch.optim.Adam, count=None):
    made = kind([table], lr=lr)
    for index, (rows, gradient) in enumerate(steps):
        made.param_groups[0]["lr"] = lr * (1 - index / (count or 1000))
        whole = torch.zeros_like(table).index_copy_(0, rows, gradient)
        table.grad = whole if kind is torch.optim.Adam else whole.to_sparse(1)
        made.step()
    return table


def table_of(rows):
    return nn.Parameter(torch.randn(rows, 3, generator=seeded(1), dtype=torch.float64))


def test_all_rows_in_each_step_are_dense_adam_and_sparse_adam():
    found = table_of(6)
    trained(RowAdam(found, 0.1, steps=40), found, steps_of(40, 6, 6))
    # SparseAdam has another eps.
    for kind, gap in ((torch.optim.Adam, 1e-12), (torch.optim.SparseAdam, 1e-2)):
        assert torch.allclose(found, dense(table_of(6), steps_of(40, 6, 6), kind=kind), rtol=0, atol=gap)


def test_few_rows_in_each_step_are_dense_adam_too():
    found, expected = table_of(60), table_of(60)
    made = RowAdam(found, 0.1, steps=200)
    trained(made, found, steps_of(200, 60, 2))
    dense(expected, steps_of(200, 60, 2))
    # Before all rows are asked for, most are behind.
    assert (found - expected).abs().max() > 1e-2
    last, _ = list(steps_of(200, 60, 2))[-1]
    assert torch.allclose(found[last], expected[last], rtol=0, atol=1e-4)
    made.settle()
    assert torch.allclose(found, expected, rtol=0, atol=1e-4)
    # To skip the steps without a gradient is another optimiser.
    skipped = dense(table_of(60), steps_of(200, 60, 2), kind=torch.optim.SparseAdam)
    assert (skipped - expected).abs().max() > 0.1


def test_a_row_that_was_not_read_for_very_long_is_where_dense_adam_has_it():
    first, *others = list(steps_of(700, 4, 1))
    steps = [first, *[(torch.tensor([3]), gradient) for _, gradient in others]]
    steps[0] = torch.tensor([0]), first[1]
    found, expected = table_of(4), table_of(4)
    made = RowAdam(found, 0.1, steps=10)  # fewer than there will be
    trained(made, found, steps)
    made.settle()
    dense(expected, steps)
    assert torch.allclose(found, expected, rtol=0, atol=1e-4)
    assert torch.equal(found[1:3], table_of(4)[1:3])  # never touched
    assert (found[0] - table_of(4)[0]).abs().min() > 0.5
    before = found.detach().clone()
    made.settle()
    assert torch.equal(found, before)


def test_a_step_writes_no_other_row_and_needs_rows_that_were_fetched():
    found = table_of(50)
    made = RowAdam(found, 0.1, steps=20)
    trained(made, found, steps_of(20, 50, 3))
    before = found.detach().clone()
    made.fetch(torch.tensor([4, 9]))
    made.step(torch.ones(2, 3, dtype=torch.float64))
    changed = torch.nonzero((found != before).any(dim=1)).flatten()
    assert changed.tolist() == [4, 9]
    with pytest.raises(RuntimeError, match="fetch the rows first"):
        made.step(torch.ones(2, 3, dtype=torch.float64))


def test_rows_that_were_fetched_for_nothing_are_not_moved_twice():
    found, expected = table_of(9), table_of(9)
    made = RowAdam(found, 0.1, steps=30)
    for index, (rows, gradient) in enumerate(steps_of(30, 9, 2)):
        made.lr = 0.1 * (1 - index / 1000)
        made.fetch(torch.arange(9))
        made.fetch(rows)
        made.step(gradient)
    made.fetch(torch.arange(9))
    dense(expected, steps_of(30, 9, 2))
    assert torch.allclose(found, expected, rtol=0, atol=1e-4)


def test_a_saved_state_goes_on_as_if_nothing_had_been_and_does_not_grow():
    steps = list(steps_of(60, 30, 2))
    whole = table_of(30)
    made = RowAdam(whole, 0.1, steps=60)
    trained(made, whole, steps[:25])
    state = {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in
             made.state_dict().items()}  # fmt: skip
    again = nn.Parameter(whole.detach().clone())
    other = RowAdam(again, 0.1, steps=60)
    other.load_state_dict(state)
    for each, table in ((made, whole), (other, again)):
        trained(each, table, steps[25:])
        each.settle()
        assert {name: value.shape for name, value in each.state_dict().items() if name != "done"} == {
            name: value.shape for name, value in state.items() if name != "done"
        }
    assert torch.equal(whole, again)


def triples(count=300, entities=200, relations=3):
    random = seeded(2)
    sizes = torch.tensor([entities, relations, entities])
    return (torch.rand(count, 3, generator=random) * sizes).long()


def distmult(**options):
    return TripleModel(DistMultScorer(8), 200, 3, generator=seeded(), dtype=torch.float64, **options)


def text_aware(**options):
    text = torch.randn(200, 5, generator=seeded(3), dtype=torch.float64)
    return TextAwareModel(TextAwareScorer(8), text, 3, generator=seeded(), dtype=torch.float64, **options)


def disentangled():
    which = torch.tensor([0, 1, 0])
    return DisentangledModel(
        DisentangledScorer(2, 4), 200, which, width=6, independence=0.1, generator=seeded(), dtype=torch.float64
    )


MODELS = {
    "softmax, n3, inverse": (lambda: distmult(inverse=True), {"loss": "softmax", "n3": 0.1}),
    "constrained": (distmult, {"constrained": True}),
    "transe": (lambda: TripleModel(TransEScorer(8), 200, 3, generator=seeded(), dtype=torch.float64), {}),
    "written out": (text_aware, {}),
    "text, by autograd": (text_aware, {"n3": 0.1}),
    "disentangled": (disentangled, {}),
}


def loop_of(model, by_rows, steps=60, **options):
    given = TripleOptions(**{"batch_size": 10, "negatives": 6, "lr": 0.05, **options})
    return TripleLoop(model, triples(), given, steps=steps, generator=seeded(1), by_rows=by_rows)


@pytest.mark.parametrize("which", MODELS)
def test_training_by_rows_is_training(which):
    made, options = MODELS[which]
    slow, fast = made(), made()
    pair = [loop_of(model, by_rows, **options) for model, by_rows in ((slow, False), (fast, True))]
    assert [loop._rows is None for loop in pair] == [True, False]
    losses = [[sum(loop.step(index).values()).item() for index in range(60)] for loop in pair]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    for (name, one), other in zip(slow.named_parameters(), fast.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-3), name


def test_tables_are_whole_when_somebody_reads_them():
    tables = []
    for by_rows in (False, True):
        model = distmult()
        held = triples()[:20]
        known = training.FilterIndex(triples(), 200, 3)
        stopping = EarlyStopping(model, held, known, every=7, patience=100)
        options = TripleOptions(batch_size=10, negatives=6, lr=0.05)
        loop = TripleLoop(
            model, triples(), options, steps=100, generator=seeded(1), stopping=stopping, read_every=20, by_rows=by_rows
        )
        for index in range(20):
            loop.step(index)
        tables.append((stopping._kept["nodes"], model.nodes.detach().clone()))
        for index in range(20, 27):
            loop.step(index)
        loop.settle()
        tables[-1] += (model.nodes.detach().clone(),)
    for one, other in zip(*tables, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-3)


def test_a_run_that_goes_on_ends_as_one_that_was_never_stopped(tmp_path):
    whole, again = distmult(), distmult()
    Engine(device="cpu", progress=False).run(loop_of(whole, True, steps=40), steps=40, name="it")
    killed, asked = loop_of(distmult(), True, steps=40), []
    step = killed.step

    def dies(index):
        if index == 20:
            raise RuntimeError("killed")
        return step(index)

    killed.step = dies
    options = {"device": "cpu", "progress": False, "checkpoint": tmp_path, "checkpoint_every": 17}
    with pytest.raises(RuntimeError, match="killed"):
        Engine(**options).run(killed, steps=40, name="it")
    loop = loop_of(again, True, steps=40)
    step_again = loop.step
    loop.step = lambda index: asked.append(index) or step_again(index)
    Engine(**options, resume=True).run(loop, steps=40, name="it")
    assert asked == list(range(17, 40))
    assert torch.equal(whole.nodes, again.nodes)
    assert torch.equal(whole.relations, again.relations)


def test_rows_are_chosen_where_a_step_touches_few_of_them():
    few, many = (TripleOptions(batch_size=10, negatives=count) for count in (0, 6))

    def chosen(nodes, options, model=None):
        made = model or TripleModel(DistMultScorer(4), nodes, 3, dtype=torch.float32)
        return TripleLoop(made, triples(entities=20), options, steps=1, generator=seeded())._rows is not None

    assert chosen(260, many)
    assert not chosen(259, many)  # as ever
    assert not chosen(10_000, few)  # all nodes are negatives
    neighbours = [None, None]
    reading = disentangled()
    reading._products = neighbours
    reading.num_nodes = 10_000
    assert not chosen(0, many, reading)


def test_validations_and_the_end_see_whole_tables(monkeypatch):
    names = tuple(f"e{i}" for i in range(200)), ("r", "s", "t")
    kg = KGSplit(*names, train=triples(), valid=triples()[:0], test=triples()[:0], name="made up")
    found, seen = [], []
    for many in (10**9, 0):
        monkeypatch.setattr(training, "_MANY", {"cpu": many})
        seen.append([])
        made = EmbeddingCompleter(model="distmult", dim=8, epochs=6, batch_size=20, negatives=4, looks=3)

        def validate(scorer, seen=seen):
            seen[-1].append(scorer(0, torch.arange(20), "tail").clone())
            return float(len(seen[-1]))

        made.fit(kg, validate=validate)
        found.append(made.entity_vectors())
    assert len(seen[0]) == len(seen[1]) >= 3
    for one, other in zip(*seen, strict=True):
        assert torch.allclose(one, other, rtol=1e-2, atol=1e-2)
    assert torch.allclose(*found, rtol=0, atol=1e-2)


def test_a_checkpoint_of_the_other_way_is_refused(tmp_path):
    for by_rows in (False, True):
        engine = Engine(device="cpu", progress=False, checkpoint=tmp_path, resume=by_rows, checkpoint_every=5)
        loop = loop_of(distmult(), by_rows, steps=5)
        if by_rows:
            with pytest.raises(InputError, match="by_rows"):
                engine.run(loop, steps=5, name="it")
        else:
            engine.run(loop, steps=5, name="it")
