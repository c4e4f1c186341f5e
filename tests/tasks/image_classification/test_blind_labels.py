"""Nothing but the score sees a test label: with shuffled ones every choice and every answer is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from kgzsl.datasets import ImageFeatures
from kgzsl.tasks.image_classification import run
from kgzsl.tasks.result import RunResult

HEAD = "options: {epochs: 5, lr: 0.03, batch_size: 64}"
QUICK = ("generator={name: linear, ridge: 0.1}", "controls=[chance]")
CASES: dict[str, tuple[str, ...]] = {
    "cascade": (
        *QUICK,
        "unlabeled=test",
        f"classifier={{name: cascade, ratio: 0.5, {HEAD}, samples_per_class: [5, 20], unseen_bias: validation}}",
        "protocol.search={classifier.ratio: [0.1, 0.6]}",
    ),
    "self-training": (
        *QUICK,
        "unlabeled=test",
        f"classifier={{name: self-training, rounds: 2, per_class: 3, {HEAD}, samples_per_class: 10, "
        "unseen_bias: validation}",
    ),
    "multi-view": (
        "generator=null",
        "controls=[chance]",
        "unlabeled={source: test, kind: unknown}",
        "classifier={name: multi-view, neighbours: 5, unseen_bias: validation}",
    ),
    "second critic": (
        "generator={name: f-vaegan, hidden: 16, epochs: 4, batch_size: 40, critic_steps: 1}",
        "controls=[chance]",
        "unlabeled=test",
        "classifier={name: gda, samples_per_class: 10, gate: auto}",
        "protocol.evaluate_every=2",
    ),
    "gate": (*QUICK, "classifier={name: gda, samples_per_class: [2, 20], gate: auto}"),
    "search": (
        *QUICK,
        "classifier={name: gda, samples_per_class: 20, unseen_bias: validation, prior_head: eszsl, "
        "prior_weight: [0.0, 1.0]}",
        "protocol.search={generator.noise: [20.0, 1.0], classifier.covariance: [ks, oas]}",
    ),
}


def shuffled(data: ImageFeatures) -> ImageFeatures:
    """The same features with shuffled labels of the test rows, those of unseen and of seen classes by themselves."""
    labels = data.labels.clone()
    random = torch.Generator().manual_seed(5)
    for rows in (data.test_unseen_loc, data.test_seen_loc):
        labels[rows] = labels[rows[torch.randperm(len(rows), generator=random)]]
    return replace(data, labels=labels)


def told(result: RunResult) -> dict[str, Any]:
    kept = ("row", "kind", "predicted", "predicted_among_unseen")
    return {name: result.predictions[name] for name in kept} | {"chosen": result.selection["chosen"]}


@pytest.mark.filterwarnings("ignore::kgzsl.generators.CollapseWarning")
@pytest.mark.parametrize("case", CASES)
def test_shuffled_test_labels_change_no_choice_and_no_answer(world, small_recipe, case: str) -> None:
    recipe = small_recipe(*CASES[case])
    found, blind = (run(recipe, data=data, progress=False) for data in (world.data, shuffled(world.data)))
    assert told(found) == told(blind)
    assert found.metrics["zsl.top1"] != blind.metrics["zsl.top1"]  # the score alone has seen them


def test_a_choice_on_test_labels_would_be_noticed(world, small_recipe) -> None:
    recipe = small_recipe(*CASES["gate"], "protocol.validation=oracle")
    found, blind = (run(recipe, data=data, progress=False) for data in (world.data, shuffled(world.data)))
    assert told(found) != told(blind)


def test_while_choices_are_made_unlabelled_rows_are_training_rows(
    world, small_recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the held-out classes, and held-out ones of the others; test rows come with the final training alone."""
    from kgzsl.tasks.image_classification import ZeroShotClassifier

    seen: list[dict[str, torch.Tensor] | None] = []
    whole = ZeroShotClassifier.fit

    def fit(self: ZeroShotClassifier, *arguments: Any, **options: Any) -> ZeroShotClassifier:
        seen.append(options.get("unlabeled"))
        return whole(self, *arguments, **options)

    monkeypatch.setattr(ZeroShotClassifier, "fit", fit)
    run(small_recipe(*CASES["self-training"]), data=world.data, progress=False)
    selecting, final = seen
    assert selecting is not None
    assert final is not None
    training = {row.tobytes() for row in np.asarray(world.data.train[0])}
    part = world.data.validation_split(0, 0.2)
    assert {row.tobytes() for row in selecting["any"].numpy()} < training
    assert torch.equal(selecting["unseen"], part.features[part.test_unseen_loc])
    assert not {row.tobytes() for row in final["any"].numpy()} & training
    assert torch.equal(final["unseen"], world.data.features[world.data.test_unseen_loc])
    assert len(final["any"]) == len(world.data.test_unseen_loc) + len(world.data.test_seen_loc)
