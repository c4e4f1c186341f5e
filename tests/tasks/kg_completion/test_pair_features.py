"""Pair features: what they know, what is hidden from them, and that scoring all pairs equals scoring each."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion.nearness import nearness
from kgzsl.tasks.kg_completion.pair_encoder import AMOUNTS, PairEncoder, amounts, end_amounts, squash, walk_strength
from kgzsl.tasks.kg_completion.pair_features import PairFeatures, unit_mean
from kgzsl.tasks.kg_completion.pair_graph import PairGraph
from kgzsl.tasks.kg_completion.pair_sampling import sample_pairs


def quiet():
    """A fresh engine: one that has run before has moved its random state on."""
    return Engine(progress=False, device="cpu", precision="32-true")


SMALL = {"dim": 8, "link_dim": 8, "steps": 3, "batch_size": 8, "queries": 6, "corrupted": 5, "support": 3}


@pytest.fixture
def fitted(kg, seen_rows):
    return PairFeatures(**SMALL).fit(kg, seen_rows, engine=quiet())


ASKED = torch.tensor([1.0, 0.5, 0.5, 0.0, 0.0, 0.0])


def sampled(kg, priors, **options):
    seen = torch.unique(kg.train[:, 1])
    graph = PairGraph(kg.train, kg.num_entities, len(seen))
    given = {"queries": 10, "corrupted": 7, "sides": "both", "hard": 0.5, "candidates": None, "budget": 2**20}
    return graph, sample_pairs(
        graph, kg, seen, priors, generator=torch.Generator().manual_seed(0), **{**given, **options}
    )


def test_squash_keeps_direction_and_stays_below_one():
    vectors = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    # |v| = 5, so the length becomes 5 / sqrt(26).
    torch.testing.assert_close(squash(vectors)[0], torch.tensor([3.0, 4.0]) / 26**0.5)
    assert squash(vectors)[1].tolist() == [0.0, 0.0]


def test_walk_strength_runs_from_zero_to_one():
    values = walk_strength(torch.tensor([0.0, 1e-4, 1.0]))
    assert values[0] == 0
    assert values[2] == pytest.approx(1)
    # log 2 / log 10001
    assert values[1] == pytest.approx(0.07526, abs=1e-4)


def test_features_lie_in_the_unit_ball(fitted, kg):
    features = fitted.pairs(kg.train[:, 0], kg.train[:, 2], ASKED)
    assert features.shape == (len(kg.train), fitted.encoder.dim)
    assert features.norm(dim=1).max() < 1


@pytest.mark.parametrize("side", ["tail", "head"])
def test_scores_of_all_pairs_equal_those_of_each_pair(fitted, kg, side):
    prototype = torch.randn(fitted.encoder.dim, generator=torch.Generator().manual_seed(1))
    anchors = torch.tensor([0, 5, 11, 30])
    scores = fitted.scores(prototype, anchors, ASKED, side=side)
    everyone = torch.arange(kg.num_entities)
    for row, anchor in enumerate(anchors):
        fixed = torch.full_like(everyone, int(anchor))
        heads, tails = (fixed, everyone) if side == "tail" else (everyone, fixed)
        torch.testing.assert_close(scores[row], fitted.pairs(heads, tails, ASKED) @ prototype, atol=1e-5, rtol=1e-4)


def test_scores_do_not_depend_on_the_memory_budget(fitted, kg):
    before = fitted.pairs(kg.train[:, 0], kg.train[:, 2], ASKED)
    fitted.memory_budget = 1
    torch.testing.assert_close(fitted.pairs(kg.train[:, 0], kg.train[:, 2], ASKED), before)


def test_what_is_drawn_does_not_depend_on_the_memory_budget(kg, seen_rows):
    (_, wide), (_, narrow) = (sampled(kg, seen_rows, budget=budget) for budget in (2**30, 1))
    assert torch.equal(wide.heads, narrow.heads)
    assert torch.equal(wide.tails, narrow.tails)
    torch.testing.assert_close(wide.amounts, narrow.amounts)


def test_a_hidden_relation_leaves_no_trace_in_the_features(kg, seen_rows):
    """Features with a relation hidden equal those of a graph, and of priors, that never had it."""
    graph, sample = sampled(kg, seen_rows)
    encoder = PairEncoder(graph.num_relations, dim=8, link_dim=8, generator=torch.Generator().manual_seed(0))
    for position in range(graph.num_relations):
        mine = torch.nonzero(sample.relation == position).flatten()
        heads, tails = sample.heads[mine].flatten(), sample.tails[mine].flatten()
        hidden = torch.full_like(heads, position)
        seen_by_training = encoder(graph, heads, tails, sample.amounts[mine].flatten(0, 1), hidden)
        never = graph.without(position)
        others = [place for place in range(graph.num_relations) if place != position]
        near = torch.zeros(graph.num_relations)
        near[others] = nearness(seen_rows[others], seen_rows[position])
        between = [table[heads, tails] for table in amounts(never, torch.arange(graph.num_entities), near)]
        as_head, as_tail = end_amounts(never, near)
        amount = torch.stack([*between, as_head[heads], as_tail[tails]], dim=-1)
        torch.testing.assert_close(seen_by_training, encoder(never, heads, tails, amount))


def test_own_relation_would_give_the_answer_away(kg, seen_rows):
    """The test above could pass for a reason of its own if the relation left no trace to begin with."""
    graph, sample = sampled(kg, seen_rows)
    encoder = PairEncoder(graph.num_relations, dim=8, link_dim=8, generator=torch.Generator().manual_seed(0))
    heads, tails, amount = sample.heads[:, 0], sample.tails[:, 0], sample.amounts[:, 0]
    told = encoder(graph, heads, tails, amount)
    assert (told - encoder(graph, heads, tails, amount, sample.relation)).abs().max() > 0.1


def test_nearness_is_one_for_the_nearest_and_zero_for_the_hidden():
    seen = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]])
    # cosines to (1, 0): 1, 0, 0.6
    found = nearness(seen, torch.tensor([2.0, 0.0]), sharpness=2.0)
    torch.testing.assert_close(found, torch.exp(2 * (torch.tensor([1.0, 0.0, 0.6]) - 1)))
    hidden = nearness(seen, seen[0], sharpness=2.0, own=0)
    torch.testing.assert_close(hidden, torch.tensor([0.0, torch.exp(torch.tensor(-1.2)).item(), 1.0]))


def test_amounts_by_hand():
    # 0 -r0-> 1 -r1-> 2; r0 is what is asked for, r1 counts half.
    graph, near = PairGraph(torch.tensor([[0, 0, 1], [1, 1, 2]]), 3, 2), torch.tensor([1.0, 0.5])
    links = graph.near_links(torch.tensor([0, 1]), near)
    assert links.tolist() == [[0, 1, 0], [pytest.approx(0.9), 0, 0.5]]
    assert graph.near_links(torch.tensor([1]), near, side="head").tolist() == [[1.0, 0.0, pytest.approx(0.45)]]
    # One way of two steps from 0 to 2: weight 1 / sqrt(2) each, so 1/2; its steps count 1 and 0.5, in the mean 0.75.
    torch.testing.assert_close(graph.near_walks(torch.tensor([0]), near), torch.tensor([[0.0, 0.0, 0.375]]))
    as_head, as_tail = graph.near_ends(near)
    assert as_head.tolist() == [1.0, 0.5, 0.0]
    assert as_tail.tolist() == [0.0, 1.0, 0.5]
    assert len(amounts(graph, torch.tensor([0]), near)) + len(end_amounts(graph, near)) == len(AMOUNTS)
    # Of some ends alone.
    ends = torch.tensor([[2, 0], [1, 1]])
    for all_, some in zip(*(amounts(graph, torch.tensor([0, 1]), near, ends=one) for one in (None, ends)), strict=True):
        assert torch.equal(some, all_.gather(1, ends))


def test_corrupted_pairs_keep_one_end_and_true_ones_are_marked(kg, seen_rows):
    graph, sample = sampled(kg, seen_rows)
    known = set(map(tuple, kg.train.tolist()))
    seen = torch.unique(kg.train[:, 1])
    for query in range(len(sample)):
        relation = int(seen[sample.relation[query]])
        pairs = list(zip(sample.heads[query].tolist(), sample.tails[query].tolist(), strict=True))
        assert (pairs[0][0], relation, pairs[0][1]) in known
        assert not sample.wrong[query, 0]
        assert len({h for h, _ in pairs}) == 1 or len({t for _, t in pairs}) == 1
        for place, (h, t) in enumerate(pairs[1:], start=1):
            assert bool(sample.wrong[query, place]) == ((h, relation, t) in known)
    assert len(graph.source) == 2 * len(kg.train)


def test_tail_side_corrupts_tails_only_and_hard_ends_come_from_the_candidates(kg, seen_rows):
    seen = torch.unique(kg.train[:, 1]).tolist()
    only = {relation: torch.tensor([3, 4]) for relation in seen}
    _, sample = sampled(kg, seen_rows, sides="tail", hard=1.0, candidates=only)
    assert (sample.heads == sample.heads[:, :1]).all()
    assert torch.isin(sample.tails[:, 1:], torch.tensor([3, 4])).all()


def test_training_looks_at_no_other_triples(kg, seen_rows):
    other = replace(kg, test=kg.test.flip(0)[:3], candidates=None)
    one = PairFeatures(**SMALL).fit(kg, seen_rows, engine=quiet())
    two = PairFeatures(**SMALL).fit(other, seen_rows, engine=quiet())
    for name, value in one.encoder.state_dict().items():
        assert torch.equal(value, two.encoder.state_dict()[name]), name


@pytest.mark.parametrize("options", [{}, {"loss": "margin"}, {"prototype": "support"}])
def test_training_lowers_the_loss(kg, seen_rows, options):
    def loss(steps):
        features = PairFeatures(**{**SMALL, "batch_size": 64, "table_lr": 0.01, **options, "steps": steps})
        return features.fit(kg, seen_rows, engine=quiet()).history.column("loss")[-1]

    assert loss(100) < loss(1)


def test_unit_mean_gives_the_mean_cosine():
    samples = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    feature = torch.tensor([0.6, 0.8])
    # cosines 0.6 and 0.8
    assert float(unit_mean(samples) @ feature) == pytest.approx(0.7)


def test_bad_options_are_named():
    with pytest.raises(InputError, match=r"pairs\.loss is 'hinge'"):
        PairFeatures(loss="hinge")
    with pytest.raises(InputError, match="even number"):
        PairFeatures(link_dim=7)
    odd = [("lr", 0), ("lr", -1), ("table_lr", -1), ("lr", float("inf")), ("steps", -1), ("dim", 1.5)]
    for option, value in [*odd, ("memory_budget", -1)]:
        with pytest.raises(InputError, match=rf"pairs\.{option} is {value}"):
            PairFeatures(**{option: value})


def test_priors_that_do_not_fit_are_refused(kg, seen_rows):
    with pytest.raises(InputError, match="5 prior rows for 7 relations"):
        PairFeatures(**SMALL).fit(kg, seen_rows[:5], engine=quiet())


def test_kept_amounts_are_never_those_of_another_question(fitted):
    prototype = torch.randn(fitted.encoder.dim, generator=torch.Generator().manual_seed(1))
    questions = [
        (torch.tensor([0, 5]), ASKED, "tail"),
        (torch.tensor([0, 6]), ASKED, "tail"),
        (torch.tensor([0, 6]), ASKED, "head"),
        (torch.tensor([0, 6]), ASKED.flip(0), "head"),
    ]
    for anchors, prior, side in questions:
        kept = fitted.scores(prototype, anchors, prior, side=side)
        fitted._last_amounts = None
        assert torch.equal(kept, fitted.scores(prototype, anchors, prior, side=side))
