"""CLIP in recipes: as a prior, alone, and as one expert of two; the backbone of the data set has to be its own."""

from __future__ import annotations

import hashlib
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from kgzsl.datasets import ImageFeatures
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.recipe import Recipe
from kgzsl.tasks.image_classification import ZeroShotClassifier, run

WIDTH = 24


class Tower:
    name = "clip:ViT-B-32/openai"
    logit_scale = 100.0

    def encode_text(self, texts: list[str], /) -> Tensor:
        return torch.stack([vector(text) for text in texts])


def vector(text: str) -> Tensor:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "little")
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed)) / WIDTH**0.5


@pytest.fixture
def world(tmp_path, monkeypatch) -> ImageFeatures:
    """Images near the text vectors of 16 classes, whose attributes say little; features as of the image tower."""
    module = types.ModuleType("clip_towers")
    module.Tower = Tower  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "clip_towers", module)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    names = [f"beast {i}" for i in range(16)]
    labels = np.repeat(np.arange(16), 24)
    centres = torch.stack([vector(f"a photo of a {name}.") for name in names]).numpy()
    # A shift that text and images do not share, as in CLIP: classes lie well, but the cosines are all alike.
    features = centres[labels] + 0.4 * random.normal(size=(len(labels), WIDTH)) / WIDTH**0.5 + 0.3
    lines = [f"{name},subClassOf,group {i % 4}" for i, name in enumerate(names)]
    (tmp_path / "beasts.csv").write_text("\n".join(["s,r,o", *lines]), encoding="utf-8")
    return ImageFeatures.from_arrays(
        features.astype(np.float32),
        labels,
        class_names=names,
        unseen=names[-4:],
        name="beasts",
        backbone="clip:ViT-B-32/openai",
        priors={"att": ClassPriors(tuple(names), random.normal(size=(16, 6)).astype(np.float32))},
        graph_source=str(tmp_path / "beasts.csv"),
    )


def recipe(**changes):
    content = {
        "task": "image_classification",
        "dataset": "beasts",
        "priors": [{"name": "clip_text", "tower": "clip_towers:Tower", "templates": "a photo of a {}."}],
        "generator": None,
        "classifier": {"name": "clip"},
        "controls": ["chance"],
        "protocol": {"hits": [2]},
        "train": {"device": "cpu", "precision": "32-true"},
    }
    return Recipe.build({**content, **changes})


def test_alone_it_answers_with_nothing_but_the_text_vectors(world, tmp_path):
    found = run(recipe(), data=world, out=tmp_path / "run", progress=False)
    assert found.metrics["zsl.top1"] > 80.0  # by chance 25
    assert found.metrics["control.chance.zsl.top1"] == 25.0
    again = ZeroShotClassifier.load(tmp_path / "run" / "checkpoint" / "model")
    np.testing.assert_allclose(
        again.decision_function(world.features), found.model.decision_function(world.features), rtol=1e-4, atol=1e-4
    )
    assert again.backbone_ == "clip:ViT-B-32/openai"


def test_it_reads_names_where_the_priors_are_others(world):
    alone = run(recipe(), data=world, progress=False)
    named = run(
        recipe(priors=[{"name": "att"}], classifier={"name": "clip", "tower": "clip_towers:Tower"}),
        data=world,
        progress=False,
    )
    assert named.metrics["zsl.top1"] == pytest.approx(alone.metrics["zsl.top1"])


def test_a_second_expert_helps_a_generator_that_has_poor_priors(world):
    """Attributes that say nothing, and CLIP's opinion beside them, alone and through a gate."""
    generator = {"name": "linear", "priors": "l2"}
    softmax = {"name": "softmax", "samples_per_class": 30, "epochs": 20}
    both = [{"name": "att"}, {"name": "clip_text", "tower": "clip_towers:Tower"}]
    poor = run(recipe(priors=[{"name": "att"}], generator=generator, classifier=softmax), data=world, progress=False)
    beside = {**softmax, "prior_head": "clip", "prior_weight": [0.0, 4.0, 16.0]}
    helped = run(recipe(priors=both, generator=generator, classifier=beside), data=world, progress=False)
    gated = run(
        recipe(priors=both, generator=generator, classifier={**beside, "gate": "auto"}), data=world, progress=False
    )
    assert helped.metrics["zsl.top1"] > poor.metrics["zsl.top1"] + 20.0
    assert gated.metrics["gzsl.harmonic"] > poor.metrics["gzsl.harmonic"]
    assert gated.model.gate_ is not None


def test_features_of_another_backbone_are_refused(world):
    for classifier in (
        {"name": "clip"},
        {"name": "clip", "unseen_bias": "validation"},
    ):
        with pytest.raises(InputError, match=r"the features are of torchvision:resnet101, .*--backbone clip:ViT-B-32"):
            run(recipe(classifier=classifier), data=replace(world, backbone="torchvision:resnet101"), progress=False)
    head = {"name": "softmax", "samples_per_class": 5, "prior_head": "clip"}
    with pytest.raises(InputError, match="the features are of torchvision:resnet101"):
        run(
            recipe(classifier=head, generator="linear"),
            data=replace(world, backbone="torchvision:resnet101"),
            progress=False,
        )
    narrow = replace(world, features=world.features[:, :10])
    with pytest.raises(InputError, match=r"the features have 10 numbers and the text vectors of .* 24"):
        run(recipe(), data=narrow, progress=False)


def test_a_class_joins_by_its_name(world):
    features, names = world.train
    told = [f"beast {i}" for i in range(15)]
    priors = world.priors["att"]
    model = ZeroShotClassifier(None, "clip", classifier_options={"tower": "clip_towers:Tower"}, device="cpu")
    model.fit(features, np.asarray(names), priors.align(told))
    model.add_class("beast 15", prior_row=priors["beast 15"])
    rows = world.features[world.test_unseen_loc]
    right = world.name_of(world.labels[world.test_unseen_loc])
    assert model.score(rows, right, candidates="unseen") > 0.8
