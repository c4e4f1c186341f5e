"""An epoch of a graph network over the needed rows beside the same over all rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl.benchmarks.timing import interleaved
from kgzsl.engine import Engine
from kgzsl.priors.propagation import GraphOperator, PropagationNetwork, RegressionLoop, RegressionOptions

__all__ = ["check", "run", "tree_like"]


def run(
    device: str = "auto",
    *,
    nodes: int = 32_324,
    rows: int = 1000,
    inputs: int = 300,
    hidden: int = 2048,
    outputs: int = 2049,
    laps: int = 3,
    threads: int = 1,
) -> dict[str, Any]:
    """Time one epoch (loss, gradients, Adam) of a two-layer GCN on a tree-like graph, as GCNZ and DGP train it.

    Both sides use this project's sparse product and its choice of the cheaper order, so the ratio is that of the
    needed rows alone. The default sizes are those of the ImageNet graph of DGP.

    Args:
        device: As for :class:`Engine`.
        nodes: Nodes of the graph.
        rows: Classes in the loss, leaves of the tree.
        inputs: Width of the node vectors.
        hidden: Width between the layers.
        outputs: Width of the targets.
        laps: Laps of each side.
        threads: Threads of the CPU.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`, with ``needed``: rows computed per layer.
    """
    engine = Engine(device=device, precision="32-true", progress=False)
    checked = check()
    where = engine.torch_device
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        matrix, chosen = tree_like(nodes, rows)
        random = torch.Generator().manual_seed(0)
        x = torch.randn(nodes, inputs, generator=random).to(where)
        targets = torch.randn(rows, outputs, generator=random).to(where)
        loops = {
            name: _loop(matrix, chosen, x, targets, hidden, all_rows=name == "baseline")
            for name in ("ours", "baseline")
        }
        needed = [len(level) for level in loops["ours"].needed.rows]
        taken = interleaved({name: lambda loop=loop: loop.step(0) for name, loop in loops.items()}, laps, where)  # type: ignore[misc]
    finally:
        torch.set_num_threads(before)
    ours, baseline = taken["ours"], taken["baseline"]
    return {
        "name": "propagation",
        "ours_s": ours.median,
        "baseline_s": baseline.median,
        "ratio": baseline.median / ours.median,
        "spread": max(ours.spread, baseline.spread),
        "unit": ("processor" if where.type == "cpu" else "wall") + " seconds for one epoch",
        "checked": checked,
        "sizes": {
            "nodes": nodes,
            "entries": int(matrix.nnz),
            "rows": rows,
            "inputs": inputs,
            "hidden": hidden,
            "outputs": outputs,
            "laps": laps,
        },
        "needed": needed,
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else where.type,
        "threads": threads,
        "precision": engine.chosen_precision,
        "baseline": "the same network and loss, every row of every layer computed",
    }


def tree_like(nodes: int, rows: int, *, seed: int = 0) -> tuple[Any, npt.NDArray[np.int64]]:
    """A normalised adjacency like that of a taxonomy, and ``rows`` of its leaves.

    Each node hangs below one of the first quarter of those before it, so that most are leaves; one in twenty has a
    second parent.

    Returns:
        SciPy CSR [N, N], int64 [rows] ascending.
    """
    random = np.random.default_rng(seed)
    below = np.arange(1, nodes)
    above = (random.random(nodes - 1) * np.ceil(below / 4)).astype(np.int64)
    twice = below[random.random(nodes - 1) < 0.05]
    second = (random.random(len(twice)) * np.ceil(twice / 4)).astype(np.int64)
    edges = np.stack([np.concatenate([below, twice]), np.concatenate([above, second])])
    leaves = np.setdiff1d(np.arange(nodes), edges[1])
    chosen = np.sort(random.choice(leaves, min(rows, len(leaves)), replace=False))
    return GraphOperator.from_edges(edges, nodes).matrix, chosen


def _loop(
    matrix: Any, rows: npt.NDArray[np.int64], x: Tensor, targets: Tensor, hidden: int, *, all_rows: bool
) -> RegressionLoop:
    random = torch.Generator(device=x.device).manual_seed(0)
    widths = [x.shape[1], hidden, targets.shape[1]]
    network = PropagationNetwork(widths, dropout=0.0, generator=random, device=x.device, dtype=x.dtype)
    layers = [[matrix], [matrix]]
    return RegressionLoop(network, layers, rows, x, targets, RegressionOptions(), generator=random, all_rows=all_rows)


def check() -> str:
    """Compare loss and gradients of needed rows, of all rows, and of dense matrices by autograd, in float64.

    Returns:
        What was compared, and the largest difference found.

    Raises:
        AssertionError: A difference above 1e-9.
    """
    matrix, rows = tree_like(300, 40)
    random = torch.Generator().manual_seed(1)
    x = torch.randn(300, 7, generator=random, dtype=torch.float64)
    targets = torch.randn(len(rows), 5, generator=random, dtype=torch.float64)
    results = []
    for all_rows in (False, True):
        loop = _loop(matrix, rows, x, targets, 11, all_rows=all_rows)
        parameters = list(loop.network.parameters())
        loss = loop.loss()
        results.append([loss, *torch.autograd.grad(loss, parameters)])
    dense = torch.from_numpy(matrix.toarray())
    w1, b1, w2, b2 = parameters
    found = dense @ functional.leaky_relu(dense @ x @ w1 + b1, 0.2) @ w2 + b2
    gaps = functional.normalize(found[torch.from_numpy(rows)], dim=1) - functional.normalize(targets, dim=1)
    loss = gaps.square().sum(dim=1).mean() / 2
    results.append([loss, *torch.autograd.grad(loss, parameters)])
    largest = max(
        float((a - b).detach().abs().max()) for other in results[1:] for a, b in zip(results[0], other, strict=True)
    )
    if not largest <= 1e-9:
        raise AssertionError(f"needed rows differ from all rows by {largest:.1e}")
    return f"float64: loss and gradients equal those over all rows and over dense matrices; largest gap {largest:.1e}"
