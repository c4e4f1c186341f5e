"""A step of the text-aware ontology embedding beside the same step with negatives drawn row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kgzsl.benchmarks.priors_cell import load_graph
from kgzsl.benchmarks.timing import interleaved
from kgzsl.engine import Engine
from kgzsl.priors import TextAware
from kgzsl.priors.triples.graph_triples import GraphTriples
from kgzsl.priors.triples.training import TripleLoop

__all__ = ["run"]

PUBLISHED_S = 0.45
"""Seconds per step of the published encoder on AwA's triples, measured on a busy machine (0.37 on a quiet one)."""


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
    where the triple is true, and scores each; here one pool of negatives serves the whole batch.

    Args:
        device: As for :class:`Engine`.
        graph: One of the graphs of the table of priors, or a file.
        dim: Numbers of each half of a vector.
        batch_size: Triples per step.
        negatives: Per triple.
        laps: Laps of each side.
        threads: Threads of the CPU.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`, with ``published_s`` and ``against_published``.

    Raises:
        InputError: The graph is not there.
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
        loop = TripleLoop(ours, rows, encoder._options(), steps=1000, generator=generator)
        step = _row_by_row(plain, triples, batch_size, negatives)
        taken = interleaved({"ours": lambda: loop.step(0), "baseline": step}, laps, where)
    finally:
        torch.set_num_threads(before)
    ours_s, baseline_s = taken["ours"].median, taken["baseline"].median
    return {
        "name": "text-aware",
        "ours_s": ours_s,
        "baseline_s": baseline_s,
        "ratio": baseline_s / ours_s,
        "spread": max(taken["ours"].spread, taken["baseline"].spread),
        "unit": ("processor" if where.type == "cpu" else "wall") + " seconds for one step",
        "checked": "the same model, score, batch size, number of negatives and optimiser on both sides",
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


def _row_by_row(model: Any, triples: GraphTriples, batch_size: int, negatives: int) -> Any:
    """One step with negatives for each triple by itself."""
    random = np.random.default_rng(0)
    known = {tuple(row) for row in triples.triples.tolist()}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    where = model.nodes.device

    def step() -> None:
        batch = triples.triples[random.integers(len(triples.triples), size=batch_size)]
        drawn = []
        for head, relation, tail in batch.tolist():
            for number in range(negatives):
                while True:
                    other = int(random.integers(model.num_nodes))
                    false = (other, relation, tail) if number % 2 else (head, relation, other)
                    if false not in known:
                        break
                drawn.append(false)
        true = model.score(*torch.from_numpy(batch).to(where).T)
        false_scores = model.score(*torch.tensor(drawn, device=where).T).view(batch_size, negatives)
        weights = false_scores.detach().softmax(dim=1)
        sigmoid = torch.nn.functional.logsigmoid
        loss = -(sigmoid(6 + true).mean() + (weights * sigmoid(-6 - false_scores)).sum(dim=1).mean()) / 2
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step
