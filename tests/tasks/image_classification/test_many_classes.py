"""Many classes: predictions are made in chunks, so that the table of all scores never exists."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from kgzsl.tasks.image_classification import ZeroShotClassifier, _heads


def test_chunks_give_the_same_answers(world, monkeypatch):
    model = ZeroShotClassifier(None, "eszsl", device="cpu").fit(*world.data.train, priors=world.priors)
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
    np.testing.assert_allclose(model.scores(world.data.features), scores, rtol=1e-5)
    assert max(sizes) == 7
    assert model.predict(world.data.features[:0]).shape == (0,)


SCRIPT = """
import resource, numpy as np, torch
torch.set_num_threads(1)
from kgzsl.tasks.image_classification import ZeroShotClassifier
random = np.random.default_rng(0)
priors = random.normal(size=(100_000, 16)).astype(np.float32)
mixing = random.normal(size=(16, 32))
labels = np.arange(50).repeat(10)
def features(rows):
    return (priors[rows] @ mixing + 0.01 * random.normal(size=(len(rows), 32))).astype(np.float32)
model = ZeroShotClassifier(None, "eszsl", device="cpu", classifier_options={"gamma": 1e-6, "lam": 1e-6})
model.fit(features(labels), labels, priors)
asked = np.arange(10_000) * 10
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = features(asked)
answers = model.predict(rows)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(grown, (answers[::100] == model.scores(rows[::100]).argmax(1)).mean())
"""


@pytest.mark.slow
def test_ten_thousand_samples_by_a_hundred_thousand_classes_within_a_gigabyte():
    """The table alone would be 4 GB."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    grown, same = (float(part) for part in done.stdout.split())
    assert grown < 1024
    assert same == 1.0  # as with all scores of a hundred samples in one table
