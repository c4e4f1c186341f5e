"""The training-free rule, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from kgzsl.tasks.kg_completion.link_overlap import LinkOverlap
from kgzsl.tasks.kg_completion.pair_graph import PairGraph

# Relation 0 links 0 to 1, relation 1 links 0 to 1 and 2 to 0.
GRAPH = PairGraph(torch.tensor([[0, 0, 1], [0, 1, 1], [2, 1, 0]]), 4, 2)
PRIORS = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
ASKED = torch.tensor([2.0, 2.0 * math.sqrt(3)])  # cosines 1/2 and sqrt(3)/2: squares 1/4 and 3/4


def test_links_count_by_similarity_and_direction():
    rule = LinkOverlap(GRAPH, PRIORS, power=2.0, backward=0.5)
    zero, one = 0.25, 0.75
    torch.testing.assert_close(rule.scores(ASKED, torch.tensor([0]))[0], torch.tensor([0, zero + one, 0.5 * one, 0]))
    # Asked for heads of tail 0: 2 links to it forward, 1 only the other way round.
    torch.testing.assert_close(
        rule.scores(ASKED, torch.tensor([0]), side="head")[0], torch.tensor([0, 0.5 * (zero + one), one, 0])
    )


def test_power_sharpens():
    blunt, sharp = (LinkOverlap(GRAPH, PRIORS, power=power).weights(ASKED) for power in (1.0, 4.0))
    torch.testing.assert_close(blunt, torch.tensor([0.5, math.sqrt(0.75)]))
    torch.testing.assert_close(sharp, torch.tensor([0.5**4, 0.75**2]))


def test_relations_that_say_the_opposite_count_nothing():
    weights = LinkOverlap(GRAPH, PRIORS).weights(torch.tensor([-1.0, 1.0]))
    assert weights[0] == 0
    assert weights[1] == pytest.approx(0.5)


def test_sides_agree_on_a_pair():
    rule = LinkOverlap(GRAPH, PRIORS)
    everyone = torch.arange(4)
    torch.testing.assert_close(rule.scores(ASKED, everyone), rule.scores(ASKED, everyone, side="head").T)


def test_the_other_prior_turns_the_order_round():
    rule = LinkOverlap(GRAPH, PRIORS)
    like_one = rule.scores(torch.tensor([0.0, 1.0]), torch.tensor([0]))[0]
    assert like_one[2] == pytest.approx(0.9, abs=1e-5)
    assert rule.scores(torch.tensor([1.0, 0.0]), torch.tensor([0]))[0, 2] < 1e-5


def test_what_nothing_links_ties_at_zero():
    assert (LinkOverlap(GRAPH, PRIORS).scores(ASKED, torch.tensor([3])) == 0).all()
