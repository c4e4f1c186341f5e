"""Ranks against a brute-force oracle; what a constant scorer, ties, filters and missing scores must give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kgzsl.tasks.ranking import chance_metrics, ranking_metrics, ranks_by_rule, realistic_ranks, rows_under_budget


def oracle(scores, truth, allowed, known):
    """One query at a time, in float64: the mean of the best and the worst place that ties permit."""
    ranks, counts = [], []
    for query, true in enumerate(truth):
        candidates = {e for e in range(scores.shape[1]) if allowed[query, e]}
        candidates -= {e for q, e in known if q == query}
        candidates |= {true}
        others = [float(scores[query, e]) for e in candidates if e != true]
        own = float(scores[query, true])
        best = 1 + sum(other > own for other in others)
        worst = 1 + sum(other >= own for other in others)
        ranks.append((best + worst) / 2)
        counts.append(len(candidates))
    return ranks, counts


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.integers(1, 6))
def test_equals_a_brute_force_oracle(seed, levels):
    random = np.random.default_rng(seed)
    queries, entities = 5, 9
    # Few distinct values, so that ties are common.
    scores = torch.tensor(random.integers(0, levels, (queries, entities)), dtype=torch.float64)
    truth = torch.tensor(random.integers(0, entities, queries))
    allowed = torch.tensor(random.random((queries, entities)) < 0.6)
    pairs = [(q, e) for q in range(queries) for e in range(entities) if random.random() < 0.2]
    known = (
        torch.tensor([q for q, _ in pairs], dtype=torch.int64),
        torch.tensor([e for _, e in pairs], dtype=torch.int64),
    )
    ranks, counts, scorable = realistic_ranks(scores, truth, allowed=allowed, known=known)
    expected_ranks, expected_counts = oracle(scores, truth.tolist(), allowed, pairs)
    assert ranks.tolist() == expected_ranks
    assert counts.tolist() == expected_counts
    assert scorable.all()


def dense(scores, truth, allowed, known):
    """All at once, by a mask of the size of the scores."""
    queries = torch.arange(len(truth))
    mask = torch.ones_like(scores, dtype=torch.bool) if allowed is None else allowed.expand(scores.shape).clone()
    mask[known] = False
    mask[queries, truth] = True
    own = scores[queries, truth][:, None]
    higher, equal = ((scores > own) & mask).sum(dim=1), ((scores == own) & mask).sum(dim=1) - 1
    counts = mask.sum(dim=1)
    scorable = ~(own.isnan() | own.isneginf()).squeeze(1)
    return torch.where(scorable, 1 + higher.double() + equal.double() / 2, (counts.double() + 1) / 2), counts, scorable


@pytest.mark.parametrize("block", [1, 50, 1 << 19])
def test_several_rules_at_once_in_blocks_are_what_a_whole_mask_gives(monkeypatch, block):
    monkeypatch.setattr("kgzsl._comparisons._BLOCK", block)
    random = torch.Generator().manual_seed(1)
    scores = torch.randint(0, 4, (40, 23), generator=random).float()
    scores[torch.rand(scores.shape, generator=random) < 0.1] = float("nan")
    scores[torch.rand(scores.shape, generator=random) < 0.1] = float("-inf")
    truth = torch.randint(0, 23, (40,), generator=random)
    # Known answers that are told twice, and some that are the true one.
    known = (torch.randint(0, 40, (150,), generator=random), torch.randint(0, 23, (150,), generator=random))
    known = (torch.cat([known[0], torch.arange(9)]), torch.cat([known[1], truth[:9]]))
    rules = [None, torch.rand(23, generator=random) < 0.5, torch.rand(40, 23, generator=random) < 0.5, None]
    for rule, found in zip(rules, ranks_by_rule(scores, truth, rules, known=known), strict=True):
        for one, other in zip(found, dense(scores, truth, rule, known), strict=True):
            assert torch.equal(one, other)


def test_constant_scorer_is_chance_exactly():
    truth = torch.tensor([0, 3, 6])
    ranks, counts, _ = realistic_ranks(torch.full((3, 7), 0.25), truth)
    assert ranks.tolist() == [4.0, 4.0, 4.0]  # the middle of 1 .. 7
    assert ranking_metrics(ranks) == chance_metrics(counts)


def test_permuting_entities_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 4, (20, 30), generator=generator).float()
    truth = torch.randint(0, 30, (20,), generator=generator)
    allowed = torch.rand(20, 30, generator=generator) < 0.5
    known = (torch.arange(20), torch.randint(0, 30, (20,), generator=generator))
    order = torch.randperm(30, generator=generator)
    place = torch.argsort(order)
    ranks, counts, _ = realistic_ranks(scores, truth, allowed=allowed, known=known)
    moved, moved_counts, _ = realistic_ranks(
        scores[:, order], place[truth], allowed=allowed[:, order], known=(known[0], place[known[1]])
    )
    assert torch.equal(ranks, moved)
    assert torch.equal(counts, moved_counts)


def test_other_known_answers_do_not_count_but_the_true_one_does():
    scores = torch.tensor([[5.0, 4.0, 3.0, 2.0]])
    truth = torch.tensor([2])
    assert realistic_ranks(scores, truth)[0].item() == 3
    # Entities 0 and 2 are known answers: 0 goes, 2 is asked for and stays.
    known = (torch.tensor([0, 0]), torch.tensor([0, 2]))
    assert realistic_ranks(scores, truth, known=known)[0].item() == 2


def test_true_answer_is_ranked_even_where_the_rule_does_not_allow_it():
    ranks, counts, _ = realistic_ranks(
        torch.tensor([[5.0, 4.0, 3.0]]), torch.tensor([2]), allowed=torch.tensor([True, False, False])
    )
    assert (ranks.item(), counts.item()) == (2, 2)


def test_a_query_without_a_score_counts_as_chance_and_shows():
    nan = float("nan")
    scores = torch.tensor([[nan, nan, nan], [0.0, 1.0, 2.0], [float("-inf"), 1.0, 2.0]])
    ranks, _, scorable = realistic_ranks(scores, torch.tensor([0, 2, 0]))
    assert ranks.tolist() == [2.0, 1.0, 2.0]  # chance among three is place 2
    assert scorable.tolist() == [False, True, False]
    assert ranking_metrics(ranks, scorable=scorable)["coverage"] == pytest.approx(1 / 3)


def test_candidates_without_a_score_stand_below():
    nan = float("nan")
    ranks, counts, _ = realistic_ranks(torch.tensor([[nan, 0.5, 0.9]]), torch.tensor([1]))
    assert (ranks.item(), counts.item()) == (2, 3)


def test_metrics_by_hand():
    metrics = ranking_metrics(torch.tensor([1.0, 2.0, 4.0, 10.5]), hits=(1, 3, 10))
    assert metrics["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 10.5) / 4)
    assert (metrics["hits@1"], metrics["hits@3"], metrics["hits@10"]) == (0.25, 0.5, 0.75)
    assert metrics["queries"] == 4


def test_rows_under_budget():
    assert rows_under_budget(1000, bytes_each=4, budget=40_000) == 10
    assert rows_under_budget(10**9, bytes_each=4, budget=1) == 1  # one row at least, else nothing would be done
