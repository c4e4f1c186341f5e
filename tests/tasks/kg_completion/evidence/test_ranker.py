"""What the evidence ranker's loss makes of answers that were drawn from many."""

from __future__ import annotations

import math

import pytest
import torch

from kgzsl.engine import Engine
from kgzsl.tasks.kg_completion.evidence.episodes import Episodes
from kgzsl.tasks.kg_completion.evidence.ranker import EvidenceRanker, RankerLoop

DRAWN = 4


@pytest.mark.parametrize(("candidates", "others"), [(400, 400), (4, 4), (2, 3)])
def test_a_drawn_answer_stands_for_those_that_were_not(candidates: int, others: int) -> None:
    """A ranker that knows nothing loses log(1 + n) over n candidates, however few of them were drawn."""
    ranker = EvidenceRanker(hidden=4)
    width = ranker.linear.shape[-1]
    episodes = Episodes(
        evidence=torch.zeros(6, 1 + DRAWN, width, dtype=torch.float16),
        wrong=torch.zeros(6, 1 + DRAWN, dtype=torch.bool),
        relation=torch.arange(6) // 2,
        candidates=torch.full((6,), candidates),
        stands=torch.ones(6, 1 + DRAWN),
        truths=torch.ones(6, dtype=torch.int64),
        silent=torch.zeros(6, dtype=torch.bool),
        fold=torch.zeros(6, dtype=torch.int64),
    )
    episodes.wrong[:, -1] = True  # one of them is true after all: the others stand for the rest
    ranker.standardise(episodes)
    engine = Engine(device="cpu", precision="32-true", progress=False)
    loop = RankerLoop(ranker, episodes, engine, batch_size=8, steps=10, lr=1e-4, weight_decay=0.0)
    lost = float(loop.step(0)["loss"])
    # With fewer candidates than were drawn each counts once.
    assert lost == pytest.approx(math.log(1 + others), abs=0.02)
