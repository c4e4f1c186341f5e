"""Closed-form maps: exact where a linear map is the truth, the mean where the penalty is huge."""

from __future__ import annotations

import torch

from kgzsl.tasks.kg_completion.mappings import mean_prototypes, nearest_prototypes, ridge_prototypes

RANDOM = torch.Generator().manual_seed(0)
SEEN = torch.randn(12, 5, generator=RANDOM, dtype=torch.float64)
MAP = torch.randn(5, 3, generator=RANDOM, dtype=torch.float64)
ASKED = torch.randn(4, 5, generator=RANDOM, dtype=torch.float64)


def test_finds_a_linear_map_with_an_offset():
    found = ridge_prototypes(SEEN, SEEN @ MAP + 2.0, ASKED, penalty=1e-10)
    torch.testing.assert_close(found, (ASKED @ MAP + 2.0).float(), atol=1e-5, rtol=1e-5)


def test_equals_the_primal_solution():
    target, penalty = torch.randn(12, 3, generator=RANDOM, dtype=torch.float64), 0.3
    centred = SEEN - SEEN.mean(0)
    scale = centred.square().sum(1).mean()
    gram = centred.T @ centred + penalty * scale * torch.eye(5, dtype=torch.float64)
    weights = torch.linalg.solve(gram, centred.T @ (target - target.mean(0)))
    expected = target.mean(0) + (ASKED - SEEN.mean(0)) @ weights
    torch.testing.assert_close(ridge_prototypes(SEEN, target, ASKED, penalty=penalty), expected.float())


def test_a_huge_penalty_leaves_the_mean():
    target = torch.randn(12, 3, generator=RANDOM, dtype=torch.float64)
    found = ridge_prototypes(SEEN, target, ASKED, penalty=1e12)
    torch.testing.assert_close(found, target.mean(0).float().expand(4, 3))
    torch.testing.assert_close(found, mean_prototypes(target, ASKED))


def test_nearest_takes_the_seen_relation_with_the_highest_cosine():
    seen = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    means = torch.tensor([[1.0], [2.0]])
    assert nearest_prototypes(seen, means, torch.tensor([[0.2, 0.1], [5.0, 6.0]])).tolist() == [[1.0], [2.0]]
