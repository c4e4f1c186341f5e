"""A tiny world: classes with attributes in an ontology, and features that follow from the attributes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from kgzsl.datasets import ImageFeatures
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.recipe import ImageRecipe, Recipe

HAS = "http://example.org/hasAttribute"


def class_iri(name: str) -> str:
    return f"http://example.org/{name}"


@dataclass(frozen=True)
class World:
    """A world of 16 classes, 12 of them seen, with 8 attributes and 24 features."""

    data: ImageFeatures
    graph: ClassGraph
    priors: ClassPriors
    attributes: np.ndarray


def make_world(seed: int = 0, *, classes: int = 16, unseen: int = 4, rows: int = 30) -> World:
    random = np.random.default_rng(seed)
    names = [f"class{i}" for i in range(classes)]
    while True:  # distinct attribute vectors, none empty, each attribute in several classes
        attributes = (random.random((classes, 8)) < 0.5).astype(np.float32)
        distinct = len(np.unique(attributes, axis=0)) == classes and attributes.any(axis=1).all()
        if distinct and attributes[:-unseen].sum(axis=0).min() >= 3:
            break
    mixing = random.normal(size=(8, 24))
    labels = np.repeat(np.arange(classes), rows)
    features = np.maximum(attributes[labels] @ mixing + 0.3 * random.normal(size=(len(labels), 24)), 0.0)
    triples = [
        (class_iri(names[c]), HAS, f"http://example.org/attribute{a}")
        for c, a in zip(*np.nonzero(attributes), strict=True)
    ]
    data = ImageFeatures.from_arrays(
        features.astype(np.float32),
        labels,
        class_names=names,
        unseen=names[-unseen:],
        name="tiny world",
        priors={"att": ClassPriors(tuple(names), attributes)},
    )
    return World(data, ClassGraph.from_triples(triples), ClassPriors(tuple(names), attributes), attributes)


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def wide_world() -> World:
    """Enough seen classes for a WGAN to learn from: 52, and 8 unseen ones."""
    return make_world(classes=60, unseen=8, rows=12)


SMALL = """\
task: image_classification
dataset: tiny
priors: [{name: att}]
generator: {name: wgan, hidden: 64, epochs: 40, batch_size: 32, lr: 0.001}
classifier: {name: softmax, samples_per_class: 40, lr: 0.03, epochs: 15, batch_size: 64}
protocol: {evaluate_every: 20, hits: [2]}
train: {device: cpu, precision: 32-true}
"""


@pytest.fixture(scope="session")
def small_recipe():
    """Builds the small recipe with some settings changed."""

    def build(*overrides: str) -> ImageRecipe:
        recipe = Recipe.parse(SMALL, overrides=overrides)
        assert isinstance(recipe, ImageRecipe)
        return recipe

    return build


@pytest.fixture(scope="session")
def linear():
    """The import path of a fast generator: a component of somebody's own package."""
    import sys
    from pathlib import Path

    folder = str(Path(__file__).parent)
    sys.path.insert(0, folder)
    yield "linear_generator:LinearGenerator"
    sys.path.remove(folder)
