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
ASKED = torch.tensor([2.0, 0.0])  # like relation 0: cosines 1 and 0


def test_links_count_by_nearness_and_direction():
    rule = LinkOverlap(GRAPH, PRIORS, sharpness=2.0, backward=0.5)
    near, far = 1.0, math.exp(-2)
    torch.testing.assert_close(rule.scores(ASKED, torch.tensor([0]))[0], torch.tensor([0, near + far, 0.5 * far, 0]))
    # Asked for heads of tail 0: 2 links to it forward, 1 only the other way round.
    torch.testing.assert_close(
        rule.scores(ASKED, torch.tensor([0]), side="head")[0], torch.tensor([0, 0.5 * (near + far), far, 0])
    )


def test_sides_agree_on_a_pair():
    rule = LinkOverlap(GRAPH, PRIORS)
    everyone = torch.arange(4)
    torch.testing.assert_close(rule.scores(ASKED, everyone), rule.scores(ASKED, everyone, side="head").T)


def test_the_other_prior_turns_the_order_round():
    rule = LinkOverlap(GRAPH, PRIORS)
    like_one = rule.scores(torch.tensor([0.0, 1.0]), torch.tensor([0]))[0]
    assert like_one[2] == pytest.approx(0.9, abs=1e-5)
    assert rule.scores(ASKED, torch.tensor([0]))[0, 2] < 1e-5


def test_what_nothing_links_ties_at_zero():
    assert (LinkOverlap(GRAPH, PRIORS).scores(ASKED, torch.tensor([3])) == 0).all()
