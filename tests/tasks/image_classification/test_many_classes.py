"""Many classes: predictions are made in chunks, so that the table of all scores never exists."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from kgzsl.tasks.image_classification import ZeroShotClassifier, _heads

# Generator, classifier and its options.
METHODS = {
    "eszsl": (None, "eszsl", {"gamma": 1e-6, "lam": 1e-6}),
    "nearest prior": (None, "nearest-prior", {"lam": 1e-3}),
    "prototypes": (None, "prototypes", {"ridge": 1e-3}),
    "deep prototypes": (None, "deep-prototypes", {"ridge": 1e-3, "hidden": 64, "networks": 2, "depth": 0.1}),
    "linear head": ("linear", "gda", {}),
    "softmax": ("linear", "softmax", {"epochs": 1, "batch_size": 4096}),
}


@pytest.mark.parametrize("method", METHODS)
def test_chunks_give_the_same_answers(world, monkeypatch, method: str):
    generator, classifier, options = METHODS[method]
    model = ZeroShotClassifier(
        generator, classifier, samples_per_class=5, classifier_options=options, device="cpu", precision="32-true"
    ).fit(*world.data.train, priors=world.priors)
    whole = model.predict(world.data.features)
    scores = model.scores(world.data.features)
    sizes: list[int] = []
    original = _heads.Head._chunk

    def counted(self, features, candidates):
        sizes.append(len(features))
        return original(self, features, candidates)

    monkeypatch.setattr(_heads.Head, "_chunk", counted)
    monkeypatch.setattr(_heads, "_BYTES", 4 * 16 * 7)
    assert (model.predict(world.data.features) == whole).all()
    assert max(sizes) == 7
    np.testing.assert_allclose(model.scores(world.data.features), scores, rtol=1e-4, atol=1e-4)
    assert max(sizes) == 7
    truth = world.data.name_of(world.data.labels)
    sizes.clear()
    model.score(world.data.features, truth)
    assert max(sizes) == 7
    assert sizes.count(7) > 1
    assert model.predict(world.data.features[:0]).shape == (0,)


SCRIPT = """
import json, resource, sys, numpy as np, torch
generator, classifier, options = json.loads(sys.argv[1])
torch.set_num_threads(1)
from kgzsl.tasks.image_classification import ZeroShotClassifier
random = np.random.default_rng(0)
priors = random.normal(size=(100_000, 16)).astype(np.float32)
mixing = random.normal(size=(16, 32))
labels = np.arange(50).repeat(10)
def features(rows):
    return (priors[rows] @ mixing + 0.01 * random.normal(size=(len(rows), 32))).astype(np.float32)
model = ZeroShotClassifier(
    generator, classifier, samples_per_class=1, device="cpu", precision="32-true", classifier_options=options
)
model.fit(features(labels), labels, priors)
asked = np.arange(10_000) * 10
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = features(asked)
answers = model.predict(rows)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(grown, (answers[::100] == model.scores(rows[::100]).argmax(1)).mean())
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name, (generator, *_) in METHODS.items() if generator is None])
def test_ten_thousand_samples_by_a_hundred_thousand_classes_within_a_gigabyte(method: str):
    """The table alone would be 4 GB. Heads over generated features are scored by the same chunks, see above."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(METHODS[method])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    grown, same = (float(part) for part in done.stdout.split())
    assert grown < 1024
    assert same == 1.0  # as with all scores of a hundred samples in one table
