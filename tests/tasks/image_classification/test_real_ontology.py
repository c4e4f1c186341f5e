"""OntoZSL's claim on images: what the real ontology says beats a shuffled one, over five worlds and seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgzsl import priors as encoders
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.image_classification import ZeroShotClassifier
from tests.tasks.image_classification.conftest import World, make_world

pytestmark = pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")
WGAN: dict[str, Any] = {
    "hidden": 64, "epochs": 30, "batch_size": 48, "lr": 3e-3, "critic_steps": 2, "noise_dim": 4,
    "classification": 0.0, "features": "standard", "priors": "standard", "prior_size": 3.0,
}  # fmt: skip


def top1(world: World, graph: ClassGraph, generator: str, options: dict[str, Any], seed: int) -> float:
    """Percent of the unseen rows that are told among the unseen classes, by priors that ``graph`` makes."""
    data = world.data
    rows = encoders.Attributes(generalise=True).fit(graph).priors(data.class_names)
    model = ZeroShotClassifier(
        generator,
        "gda",
        samples_per_class=30,
        generator_options=options,
        seed=seed,
        device="cpu",
        precision="32-true",
    )
    features, names = data.train
    model.fit(features, np.asarray(names), rows)
    found = np.asarray(model.predict(data.features[data.test_unseen_loc], candidates="unseen"))
    return 100 * float(np.mean(found == np.asarray(data.name_of(data.labels[data.test_unseen_loc]))))


@pytest.mark.parametrize(("generator", "options"), [("linear", {}), ("wgan", WGAN)], ids=["closed form", "wgan"])
def test_the_real_ontology_beats_the_shuffled_one_over_five_seeds(generator: str, options: dict[str, Any]) -> None:
    real, shuffled = [], []
    for seed in range(5):
        world = make_world(seed, classes=48, unseen=8, rows=12)
        real.append(top1(world, world.graph, generator, options, seed))
        shuffled.append(top1(world, world.graph.shuffled(seed), generator, options, seed))
    spread = max(np.std(real), np.std(shuffled))
    assert np.mean(real) > 50  # chance is 12.5
    assert np.mean(real) - np.mean(shuffled) > max(25.0, spread)
