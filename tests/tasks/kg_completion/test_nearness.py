"""How much the nearest relation counts beside others."""

from __future__ import annotations

import math

import pytest
import torch

from kgzsl.tasks.kg_completion.nearness import nearness


def test_nearness_falls_by_its_formula_with_the_cosine():
    seen = torch.tensor([[2.0, 0.0], [0.6, 0.8], [0.0, 3.0], [-1.0, 0.0]])
    prior = torch.tensor([5.0, 0.0])
    cosines = [1.0, 0.6, 0.0, -1.0]
    expected = [math.exp(15 * (cosine - 1)) for cosine in cosines]
    assert nearness(seen, prior).tolist() == pytest.approx(expected, rel=1e-4)
    expected = [math.exp(5 * (cosine - 1)) for cosine in cosines]
    assert nearness(seen, prior, sharpness=5).tolist() == pytest.approx(expected, rel=1e-4)
    # Hidden, the nearest gets nothing, and the next one is what the others are held against.
    hidden = [0.0, *(math.exp(15 * (cosine - 0.6)) for cosine in cosines[1:])]
    assert nearness(seen, prior, own=0).tolist() == pytest.approx(hidden, rel=1e-4)
