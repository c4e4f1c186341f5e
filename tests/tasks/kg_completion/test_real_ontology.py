"""OntoZSL's claim on completion: what the schema says of unseen relations beats a shuffled one, over five seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kgzsl import datasets
from kgzsl import priors as encoders
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion import RelationCompleter
from kgzsl.tasks.kg_completion.candidate_rules import make_rule
from kgzsl.tasks.kg_completion.evaluation import evaluate

pytestmark = pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")
PAIRS = {"dim": 16, "link_dim": 16, "steps": 5, "batch_size": 16, "queries": 24, "corrupted": 8, "support": 4}
WGAN: dict[str, Any] = {
    "hidden": 64, "epochs": 8, "batch_size": 32, "lr": 3e-3, "critic_steps": 2, "noise_dim": 4,
    "classification": 0.0, "features": "standard", "priors": "standard", "prior_size": 3.0,
}  # fmt: skip


@pytest.mark.parametrize(("generator", "options"), [(None, None), ("wgan", WGAN)], ids=["closed form", "wgan"])
def test_the_real_schema_beats_the_shuffled_one_over_five_seeds(
    generator: str | None, options: dict[str, Any] | None
) -> None:
    kg, schema = datasets.load("geography"), ClassGraph.read(datasets.ontology_path("geography.ttl"))
    rule = make_rule("all", kg)
    some = kg.test[torch.randperm(len(kg.test), generator=torch.Generator().manual_seed(0))[:150]]

    def mrr(graph: ClassGraph, seed: int) -> float:
        rows = encoders.Attributes(generalise=True).fit(graph).priors(kg.relations)
        model = RelationCompleter(
            generator, generator_options=options, pairs=PAIRS, seed=seed, device="cpu", precision="32-true"
        )
        model.fit(kg, rows)
        ranks = evaluate(kg, some, model.scorer, [rule], sides="tail").ranks["all"]
        assert len(ranks) == len(some)  # every query counts
        return float((1 / ranks).mean())

    real, shuffled = (
        np.array([mrr(schema if kind == "real" else schema.shuffled(seed), seed) for seed in range(5)])
        for kind in ("real", "shuffled")
    )
    assert real.mean() - shuffled.mean() > max(real.std(), shuffled.std())
    assert real.mean() > 1.5 * shuffled.mean()
