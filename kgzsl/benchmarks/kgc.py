"""Completion: filtered ranking beside PyKEEN, pair features beside a loop, and the cost of a pass over more triples."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kgzsl.benchmarks import kge_peer
from kgzsl.benchmarks.timing import Laps, interleaved
from kgzsl.datasets import KGSplit
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.priors.triples import DistMultScorer, rank_triples
from kgzsl.tasks.kg_completion.pair_encoder import AMOUNTS, PairEncoder
from kgzsl.tasks.kg_completion.pair_graph import PairGraph

__all__ = ["check_features", "features_in_a_loop", "run"]


def run(
    device: str = "auto",
    *,
    data: KGSplit | None = None,
    ranked: int = 1828,
    dim: int = 128,
    pairs: int = 512,
    entities: int = 65_567,
    triples: int = 188_392,
    relations: int = 181,
    growing: Sequence[int] = (10_000, 100_000, 1_000_000),
    laps: int = 3,
    threads: int = 1,
) -> dict[str, Any]:
    """Time the three; the report's ratio is that of ranking.

    * ``ranking``: both sides of test triples of CoDEx-S, filtered, by a DistMult with the same vectors on both sides.
    * ``features``: features of a batch of pairs, from neighbour lists gathered for the batch, beside a loop over the
      pairs and their neighbours that computes the same (sizes are those of NELL-ZS).
    * ``growth``: seconds for the features of as many pairs as there are triples, in batches, graph included; ``slope``
      is that of the logarithms (1 is linear).

    Args:
        device: The CPU is measured, whatever is given.
        data: The graph to rank on; None is CoDEx-S.
        ranked: Test triples, at most.
        dim: Numbers per entity.
        pairs: In a batch.
        entities: Of the made-up graph.
        triples: Of the made-up graph.
        relations: Of the made-up graph.
        growing: Numbers of triples.
        laps: Laps of each side.
        threads: Threads of the CPU.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`, with ``rows``.

    Raises:
        InputError: PyKEEN or the data set is missing.
    """
    del device
    kge_peer.require()
    split = data if data is not None else _codex()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    where = torch.device("cpu")
    try:
        ranking, ranked_alike = _ranking(split, ranked, dim, laps, where)
        features_alike = check_features()
        features = _features(entities, triples, relations, pairs, laps, where)
        growth = [_pass(count, relations) for count in growing]
    finally:
        torch.set_num_threads(before)
    rows: list[dict[str, Any]] = [{"what": "ranking", **_told(ranking)}, {"what": "features", **_told(features)}]
    rows.append({"what": "growth", "triples": list(growing), "seconds": growth, "slope": _slope(growing, growth)})
    return {
        "name": "kgc",
        **_told(ranking),
        "unit": f"processor seconds for {min(ranked, len(split.test))} test triples, both sides",
        "checked": f"{ranked_alike}; {features_alike}",
        "sizes": {
            "data": split.name, "entities": split.num_entities, "dim": dim, "pairs": pairs, "graph_entities": entities,
            "graph_triples": triples, "laps": laps,
        },
        "rows": rows,
        "threads": threads,
        "baseline": f"PyKEEN {kge_peer.version()}'s rank-based evaluator; for features a loop in Python",
    }  # fmt: skip


def _ranking(split: KGSplit, ranked: int, dim: int, laps: int, where: torch.device) -> tuple[dict[str, Laps], str]:
    test = split.test[:ranked]
    known = FilterIndex(torch.cat([split.train, split.valid, split.test]), split.num_entities, split.num_relations)
    peer = kge_peer.Peer("distmult", split, dim, 256, 1, 1.0, 0.01, where)
    model = peer.ours(DistMultScorer(dim))
    ours, theirs = rank_triples(model, test, known).mrr, peer.rank(test, split)
    if not abs(ours - theirs) <= 1e-4:
        raise AssertionError(f"with the same vectors the filtered MRR is {ours:.6f} here and {theirs:.6f} there")
    taken = interleaved(
        {"ours": lambda: rank_triples(model, test, known), "baseline": lambda: peer.rank(test, split)}, laps, where
    )
    return taken, f"with the same vectors both rank alike, MRR {ours:.4f}, gap {abs(ours - theirs):.1e}"


def _features(
    entities: int, triples: int, relations: int, pairs: int, laps: int, where: torch.device
) -> dict[str, Laps]:
    facts = _made_up(triples, entities, relations)
    encoder, heads, tails, amount = _batch(facts, entities, relations, pairs)
    graph = PairGraph(facts, entities, relations)
    neighbours = _neighbours(facts, relations)
    with torch.no_grad():
        # Built once for a graph, on both sides.
        encoder(graph, heads, tails, amount)
        return interleaved(
            {
                "ours": lambda: encoder(graph, heads, tails, amount),
                "baseline": lambda: features_in_a_loop(encoder, neighbours, heads, tails, amount),
            },
            laps,
            where,
        )


def check_features() -> str:
    """The batched features and those of the loop, on a small graph.

    Raises:
        AssertionError: They differ.
    """
    facts = _made_up(400, 60, 5)
    encoder, heads, tails, amount = _batch(facts, 60, 5, 50)
    with torch.no_grad():
        ours = encoder(PairGraph(facts, 60, 5), heads, tails, amount)
        loop = features_in_a_loop(encoder, _neighbours(facts, 5), heads, tails, amount)
    gap = float((ours - loop).abs().max())
    if not gap < 1e-4:
        raise AssertionError(f"features differ from those of the loop by {gap}")
    return f"features equal those of the loop, gap {gap:.1e}"


def features_in_a_loop(
    encoder: PairEncoder, neighbours: dict[int, list[tuple[int, int]]], heads: Tensor, tails: Tensor, amount: Tensor
) -> Tensor:
    """What :meth:`PairEncoder.forward` computes, pair by pair and neighbour by neighbour.

    Args:
        encoder: The weights.
        neighbours: Entity to its (kind, other entity), distinct.
        heads: int64 [P].
        tails: int64 [P].
        amount: float [P, 7].
    """
    count = encoder.num_relations
    vectors = encoder.relation_vectors @ encoder.link_map
    weights = encoder.weights()
    found = []
    for row, (head, tail) in enumerate(zip(heads.tolist(), tails.tolist(), strict=True)):
        blocks = []
        ends = ((head, encoder.head_kinds, encoder.gains[0]), (tail, encoder.tail_kinds, encoder.gains[1]))
        for entity, table, gain in ends:
            times: dict[int, int] = defaultdict(int)
            for kind, _ in neighbours.get(entity, ()):
                times[kind] += 1
            total = torch.zeros(table.shape[1])
            for kind, often in times.items():
                total = total + math.log1p(often) * table[kind]
            blocks.append(_squashed(gain * total))
        half = vectors.shape[1]
        link = torch.zeros(2 * half)
        for kind, other in neighbours.get(head, ()):
            if other == tail:
                part = slice(0, half) if kind < count else slice(half, 2 * half)
                link[part] = link[part] + vectors[kind % count]
        blocks.append(_squashed(encoder.gains[2] * link))
        blocks += [encoder.amount_block(place, amount[row, place])[None] for place in range(len(AMOUNTS))]
        found.append(torch.cat([weight * block for weight, block in zip(weights, blocks, strict=True)]))
    return torch.stack(found)


def _squashed(vector: Tensor) -> Tensor:
    return vector / (1 + vector.square().sum()).sqrt()


def _pass(count: int, relations: int) -> float:
    """Processor seconds for the graph and the features of ``count`` pairs, in batches."""
    facts = _made_up(count, max(100, count // 3), relations)
    entities = max(100, count // 3)
    encoder, *_ = _batch(facts, entities, relations, 1)
    begun = time.process_time()
    graph = PairGraph(facts, entities, relations)
    with torch.no_grad():
        for rows in torch.split(facts, 4096):
            encoder(graph, rows[:, 0], rows[:, 2], torch.zeros(len(rows), len(AMOUNTS)))
    return time.process_time() - begun


def _slope(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    if len(sizes) < 2:
        return float("nan")
    return math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0])


def _made_up(count: int, entities: int, relations: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    ends = torch.randint(entities, (count, 2), generator=random)
    kind = torch.randint(relations, (count,), generator=random)
    return torch.stack([ends[:, 0], kind, ends[:, 1]], dim=1)


def _batch(facts: Tensor, entities: int, relations: int, pairs: int) -> tuple[PairEncoder, Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    encoder = PairEncoder(relations, generator=random)
    # Half of the pairs are linked.
    rows = torch.randint(len(facts), (pairs,), generator=random)
    tails = torch.where(
        torch.arange(pairs) % 2 == 0, facts[rows, 2], torch.randint(entities, (pairs,), generator=random)
    )
    return encoder, facts[rows, 0], tails, torch.rand(pairs, len(AMOUNTS), generator=random)


def _neighbours(facts: Tensor, relations: int) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for head, kind, tail in torch.unique(facts, dim=0).tolist():
        found[head].append((kind, tail))
        found[tail].append((kind + relations, head))
    return found


def _told(taken: dict[str, Laps]) -> dict[str, float]:
    ours, baseline = taken["ours"], taken["baseline"]
    return {
        "ours_s": ours.median,
        "baseline_s": baseline.median,
        "ratio": baseline.median / ours.median,
        "spread": max(ours.spread, baseline.spread),
    }


def _codex() -> KGSplit:
    from kgzsl import datasets

    found = datasets.load("codex_s")
    assert isinstance(found, KGSplit)
    return found
