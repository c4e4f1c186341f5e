"""Completion: filtered ranking beside PyKEEN, pair features beside a loop, and what an epoch costs on larger graphs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kgzsl.benchmarks import kge_peer
from kgzsl.benchmarks.kgc_loop import check_features, features_in_a_loop, made_up, neighbours_of, untrained
from kgzsl.benchmarks.timing import Laps, interleaved
from kgzsl.datasets import KGSplit
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.priors.triples import DistMultScorer, TripleLoop, TripleModel, TripleOptions, rank_triples
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule
from kgzsl.tasks.kg_completion.evaluation import evaluate
from kgzsl.tasks.kg_completion.pair_features import PairFeatures

__all__ = ["run"]


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
    queries: int = 8,
    laps: int = 3,
    threads: int = 1,
) -> dict[str, Any]:
    """Time what completion spends its time on; the report's ratio is that of ``ranking``. Rows, each with its ``what``:

    * ``ranking``: both sides of test triples of CoDEx-S, by a DistMult with the same vectors on both sides, until the
      MRR is there. Each lap makes what filtering needs anew, as PyKEEN's evaluator does.
    * ``evaluation``: the same by the evaluator that ``kgzsl run`` uses, which also groups, counts and takes notes.
    * ``features``: all ten blocks of the features of a batch of pairs, beside a loop over pairs and neighbours that
      gives the same numbers. The graph has the sizes of NELL-ZS, and as large hubs. Both sides find it ready; making it
      ready is ``graph_s`` here and ``neighbours_s`` there.
    * ``features of NELL-ZS``: the same on that graph itself, for six batches of 512 pairs, as many as a pass of the
      published generator's training takes. Only where CoDEx-S is ranked and NELL-ZS is at hand.
    * ``pass``: the graph, and the features of as many pairs as there are triples.
    * ``pass, part by part``: the same, where the larger graphs are so many of the smallest side by side. Each batch
      reads as small a part of the graph then, which stays in the processor's cache: what is left is what the work
      itself costs.
    * ``epoch``: the training of pair features, once through ``queries`` queries of each relation: graph, draws, walks,
      gathering, forward, backward and optimiser.
    * ``embedding epoch``: the training of a DistMult, once through all triples: index, draws, gathering and optimiser.
    * ``embedding epoch, entities held``: the same among as many entities as the smallest graph has: vectors stay in the
      cache.

    The last five are timed on graphs of ``growing`` sizes, with three triples for each entity but where entities are
    held; ``slopes`` are those of the logarithms from size to size (1 is linear), ``slope`` is the one from the first to
    the last.

    Args:
        device: The CPU is measured, whatever is given.
        data: The graph to rank on; None is CoDEx-S.
        ranked: Test triples, at most.
        dim: Numbers per entity.
        pairs: In a batch.
        entities: Of the made-up graph.
        triples: Of the made-up graph.
        relations: Of the made-up graphs.
        growing: Numbers of triples.
        queries: Of each relation, in ``epoch``.
        laps: Laps of each side.
        threads: Threads of the CPU.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`, with ``rows``.

    Raises:
        InputError: PyKEEN or the data set is missing.
    """
    del device
    sizes = entities, relations
    kge_peer.require()
    split = data if data is not None else _codex()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ranking, ranked_alike = _ranking(split, ranked, dim, laps)
        features_alike = check_features()
        rows: list[dict[str, Any]] = [
            {"what": "ranking", **_told(ranking, "ours")},
            {"what": "evaluation", **_told(ranking, "evaluator")},
            {"what": "features", **_features(made_up(triples, entities, relations, skew=3.0), sizes, pairs, laps)},
            *(_features_of_nell(laps) if data is None else ()),
            _growth("pass", growing, lambda count: _pass(count, relations)),
            _growth("pass, part by part", growing, lambda count: _pass(count, relations, growing[0])),
            _growth("epoch", growing, lambda count: _epoch(count, relations, queries)),
            _growth("embedding epoch", growing, lambda count: _embedding_epoch(count, relations, dim)),
            _growth(
                "embedding epoch, entities held",
                growing,
                lambda count: _embedding_epoch(count, relations, dim, _entities(growing[0])),
            ),
        ]
    finally:
        torch.set_num_threads(before)
    return {
        "name": "kgc",
        **_told(ranking, "ours"),
        "unit": f"processor seconds for {min(ranked, len(split.test))} test triples, both sides, filtering included",
        "checked": f"{ranked_alike}; {features_alike}",
        "sizes": {
            "data": split.name, "entities": split.num_entities, "dim": dim, "pairs": pairs, "graph_entities": entities,
            "graph_triples": triples, "laps": laps, "queries": queries,
        },
        "rows": rows,
        "threads": threads,
        "baseline": f"PyKEEN {kge_peer.version()}'s rank-based evaluator; for features a loop in Python",
    }  # fmt: skip


def _ranking(split: KGSplit, ranked: int, dim: int, laps: int) -> tuple[dict[str, Laps], str]:
    where = torch.device("cpu")
    test = split.test[:ranked]
    peer = kge_peer.Peer("distmult", split, dim, 256, 1, 1.0, 0.01, where)
    model = peer.ours(DistMultScorer(dim))

    def ours() -> float:
        known = torch.cat([split.train, split.valid, split.test])
        return rank_triples(model, test, FilterIndex(known, split.num_entities, split.num_relations)).mrr

    def score(relation: int, anchors: Tensor, side: str) -> Tensor:
        same = torch.full_like(anchors, relation)
        return model.score_tails(anchors, same) if side == "tail" else model.score_heads(same, anchors)

    def evaluator() -> float:
        # A copy knows no index yet: it is made here, too.
        found = evaluate(replace(split), test, score, [CandidateRule("all", {}, {})], sides="both")
        return found.metrics({"all": ""})["mrr"]

    def theirs() -> float:
        return peer.rank(test, split)

    figures = [each() for each in (ours, evaluator, theirs)]
    gap = max(figures) - min(figures)
    if not gap <= 1e-4:
        raise AssertionError(f"with the same vectors the filtered MRRs are {figures}: here twice, and there")
    taken = interleaved({"ours": ours, "evaluator": evaluator, "baseline": theirs}, laps, where)
    return taken, f"with the same vectors all rank alike, MRR {figures[0]:.4f}, gap {gap:.1e}"


def _features_of_nell(laps: int) -> list[dict[str, Any]]:
    from kgzsl import datasets

    try:
        kg = datasets.load("nell_zs")
    except InputError:
        return []
    assert isinstance(kg, KGSplit)
    found = _features(kg.train, (kg.num_entities, kg.num_relations), 6 * 512, laps)
    return [{"what": "features of NELL-ZS", "pairs": 6 * 512, **found}]


def _features(facts: Tensor, sizes: tuple[int, int], pairs: int, laps: int) -> dict[str, Any]:
    entities, relations = sizes
    random = torch.Generator().manual_seed(1)
    # Half of the pairs are linked.
    rows = torch.randint(len(facts), (pairs,), generator=random)
    heads, tails = facts[rows, 0], facts[rows, 2].clone()
    tails[::2] = torch.randint(entities, (len(tails[::2]),), generator=random)
    begun = time.process_time()
    neighbours = neighbours_of(facts, relations)
    readied = {"neighbours_s": time.process_time() - begun}
    begun = time.process_time()
    features, prior = untrained(facts, entities, relations)
    near = features.nearness(prior)
    with torch.no_grad():
        features.pairs(heads[:1], tails[:1], prior)
        readied["graph_s"] = time.process_time() - begun
        taken = interleaved(
            {
                "ours": lambda: features.pairs(heads, tails, prior),
                "baseline": lambda: features_in_a_loop(features.encoder, neighbours, heads, tails, near),
            },
            laps,
            torch.device("cpu"),
        )
    return {**_told(taken, "ours"), **readied}


def _growth(what: str, sizes: Sequence[int], work: Callable[[int], float]) -> dict[str, Any]:
    """Processor seconds of ``work`` at each size, after a first go that counts for nothing."""
    work(sizes[0])
    seconds = [work(size) for size in sizes]
    slopes = [math.log(seconds[i + 1] / seconds[i]) / math.log(sizes[i + 1] / sizes[i]) for i in range(len(sizes) - 1)]
    whole = math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0]) if slopes else None
    return {"what": what, "triples": list(sizes), "seconds": seconds, "slopes": slopes, "slope": whole}


def _pass(count: int, relations: int, part: int | None = None) -> float:
    facts, entities = _grown(count, relations) if part is None else _side_by_side(count, part, relations)
    begun = time.process_time()
    features, prior = untrained(facts, entities, relations)
    for rows in torch.split(facts, 4096):
        features.pairs(rows[:, 0], rows[:, 2], prior)
    return time.process_time() - begun


def _epoch(count: int, relations: int, queries: int) -> float:
    facts, entities = _grown(count, relations)
    names = tuple(map(str, range(max(entities, relations))))
    kg = KGSplit(names[:entities], names[:relations], train=facts, valid=facts[:0], test=facts[:0])
    priors = torch.randn(len(kg.seen_relations), 16, generator=torch.Generator().manual_seed(1))
    features = PairFeatures(queries=queries)
    features.steps = -(-queries * len(priors) // features.batch_size)
    engine = Engine(device="cpu", precision="32-true", progress=False)
    begun = time.process_time()
    features.fit(kg, priors, engine=engine)
    return time.process_time() - begun


def _embedding_epoch(count: int, relations: int, dim: int, held: int | None = None) -> float:
    facts, entities = _grown(count, relations, held)
    random = torch.Generator().manual_seed(1)
    model = TripleModel(DistMultScorer(dim), entities, relations, generator=random, dtype=torch.float32)
    begun = time.process_time()
    loop = TripleLoop(model, facts, TripleOptions(), steps=-(-count // TripleOptions().batch_size), generator=random)
    for step in range(loop.steps_per_epoch):
        loop.step(step)
    return time.process_time() - begun


def _grown(count: int, relations: int, held: int | None = None) -> tuple[Tensor, int]:
    """A graph that is larger and otherwise alike: ends drawn evenly, among as many entities as are told or fit."""
    entities = _entities(count) if held is None else held
    return made_up(count, entities, relations), entities


def _side_by_side(count: int, part: int, relations: int) -> tuple[Tensor, int]:
    """Graphs of ``part`` triples one after another, ``count`` triples in all, no two with an entity in common."""
    size, parts = _entities(part), -(-count // part)
    facts = made_up(part, size, relations)
    shift = torch.tensor([size, 0, size])
    return torch.cat([facts + place * shift for place in range(parts)])[:count], size * parts


def _entities(count: int) -> int:
    return max(100, count // 3)


def _told(taken: dict[str, Laps], which: str) -> dict[str, float]:
    ours, baseline = taken[which], taken["baseline"]
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
