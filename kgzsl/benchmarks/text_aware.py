"""A step of the text-aware ontology embedding beside the same step with negatives drawn row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl.benchmarks.priors_cell import load_graph
from kgzsl.benchmarks.timing import interleaved
from kgzsl.engine import Engine
from kgzsl.priors import TextAware
from kgzsl.priors.text_aware import TextAwareModel
from kgzsl.priors.triples.graph_triples import GraphTriples
from kgzsl.priors.triples.losses import self_adversarial_loss
from kgzsl.priors.triples.training import TripleLoop, TripleOptions

__all__ = ["check", "run"]

PUBLISHED_S = 0.45
"""Seconds per step of the published encoder on AwA's triples, measured on a busy machine (0.37 on a quiet one)."""

_STEPS = 20
"""Steps of ours per lap; one alone is too short to be timed, and pays for the caches that the baseline emptied."""


def run(
    device: str = "auto",
    *,
    graph: str = "awa",
    dim: int = 100,
    batch_size: int = 256,
    negatives: int = 64,
    laps: int = 5,
    threads: int = 1,
) -> dict[str, Any]:
    """Time one training step (negatives, loss, gradients, Adam) with the same model, batch size and negatives.

    The baseline corrupts every triple of a batch with negatives of its own, drawn one by one in Python and thrown away
    where the triple is true, and scores each by itself; here one pool of negatives serves the whole batch. Both score
    as many corrupted triples. Before anything is timed, the loss and the gradients of both are compared on one batch
    and one pool.

    Args:
        device: As for :class:`Engine`.
        graph: One of the graphs of the table of priors, or a file.
        dim: Numbers of each half of a vector.
        batch_size: Triples per step.
        negatives: Per triple and side.
        laps: Laps of each side.
        threads: Threads of the CPU.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`, with ``published_s`` and ``against_published``.

    Raises:
        InputError: The graph is not there.
        AssertionError: The two sides do not compute the same.
    """
    engine = Engine(device=device, precision="32-true", progress=False)
    where = engine.torch_device
    read = load_graph(graph)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        encoder = TextAware(dim, batch_size=batch_size, negatives=negatives, text_options={"dim": dim})
        triples = GraphTriples.of(read)
        rows = torch.from_numpy(triples.triples).to(where)
        generator = torch.Generator(device=where).manual_seed(0)
        ours, plain = (encoder.make_model(read, triples, engine, generator) for _ in range(2))
        loop = TripleLoop(ours, rows, encoder.training, steps=1000, generator=generator)
        checked = check(ours, rows[:batch_size], triples, negatives, encoder.training)
        step = _row_by_row(plain, triples, negatives, encoder.training)

        def some() -> None:
            for _ in range(_STEPS):
                loop.step(0)

        taken = interleaved({"ours": some, "baseline": step}, laps, where)
    finally:
        torch.set_num_threads(before)
    ours_s, baseline_s = taken["ours"].median / _STEPS, taken["baseline"].median
    return {
        "name": "text-aware",
        "ours_s": ours_s,
        "baseline_s": baseline_s,
        "ratio": baseline_s / ours_s,
        "spread": max(taken["ours"].spread, taken["baseline"].spread),
        "unit": ("processor" if where.type == "cpu" else "wall") + " seconds for one step",
        "checked": checked,
        "sizes": {
            "nodes": read.num_nodes,
            "triples": len(rows),
            "dim": dim,
            "batch_size": batch_size,
            "negatives": negatives,
            "laps": laps,
        },
        "published_s": PUBLISHED_S,
        "against_published": PUBLISHED_S / ours_s,
        "device": where.type,
        "threads": threads,
        "baseline": "negatives of its own for every triple, drawn one by one in Python and filtered",
    }


def check(model: TextAwareModel, batch: Tensor, triples: GraphTriples, negatives: int, options: TripleOptions) -> str:
    """Compare the loss and the gradients of both sides on ``batch`` (int64 [B, 3]) and one pool; says what agreed.

    Raises:
        AssertionError: They do not agree, or nothing of it was written out.
    """
    draw = torch.Generator(device=batch.device).manual_seed(1)
    pool = torch.randperm(model.num_nodes, generator=draw, device=batch.device)[:negatives]
    corrupted = batch.repeat(2, 1, 1)[:, :, None].repeat(1, 1, len(pool), 1)
    corrupted[0, :, :, 2] = corrupted[1, :, :, 0] = pool
    true = {tuple(row) for row in triples.triples.tolist()}
    told = [tuple(row) in true for row in corrupted.view(-1, 3).tolist()]
    known = torch.tensor(told, device=batch.device).view(corrupted.shape[:3])
    loss = _loss(model, batch, corrupted, options, known)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    found = model.put_gradients(batch, pool, known, options)
    assert found is not None, "this loss is not written out"
    # Single precision: a distance is a difference of squares here and a length there.
    pairs = [(found["loss"], loss), *((one.grad, two) for one, two in zip(model.parameters(), gradients, strict=True))]
    worst = max(float((one - two).detach().norm() / two.detach().norm()) for one, two in pairs if one is not None)
    assert worst < 1e-3, f"the two sides differ by {worst:.1e}"
    for one in model.parameters():
        one.grad = None
    return f"loss and gradients on one batch and pool agree to 1e-3 in {str(loss.dtype).removeprefix('torch.')}"


def _loss(
    model: TextAwareModel, batch: Tensor, corrupted: Tensor, options: TripleOptions, known: Tensor | None = None
) -> Tensor:
    """The loss of ``batch`` where each of the triples ``corrupted`` (int64 [2, B, M, 3]) is scored by itself."""
    true = model.score(*batch.T)
    false = model.score(*corrupted.view(-1, 3).T).view(corrupted.shape[:3])
    how = {"margin": options.margin, "temperature": options.temperature}
    sides = [
        self_adversarial_loss(true, one, known=None if known is None else known[at], **how)
        for at, one in enumerate(false)
    ]
    return torch.stack(sides).mean()


def _row_by_row(model: TextAwareModel, triples: GraphTriples, negatives: int, options: TripleOptions) -> Any:
    """One step with negatives for each triple by itself."""
    random = np.random.default_rng(0)
    known = {tuple(row) for row in triples.triples.tolist()}
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    where = model.nodes.device

    def step() -> None:
        batch = triples.triples[random.integers(len(triples.triples), size=options.batch_size)]
        drawn = []
        for at_head in (False, True):
            for head, relation, tail in batch.tolist():
                for _ in range(negatives):
                    while True:
                        other = int(random.integers(model.num_nodes))
                        false = (other, relation, tail) if at_head else (head, relation, other)
                        if false not in known:
                            break
                    drawn.append(false)
        corrupted = torch.tensor(drawn, device=where).view(2, len(batch), negatives, 3)
        loss = _loss(model, torch.from_numpy(batch).to(where), corrupted, options)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step
