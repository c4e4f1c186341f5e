"""A literal little world: people live in cities, cities lie in countries; two relations are never shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassPriors

PEOPLE = [f"p{i}" for i in range(24)]
CITIES = [f"c{i}" for i in range(8)]
LANDS = [f"l{i}" for i in range(4)]


def facts() -> dict[str, list[tuple[str, str]]]:
    """Relation to pairs. Person i lives in city i mod 8; city j lies in land j mod 4."""
    home = {person: CITIES[i % 8] for i, person in enumerate(PEOPLE)}
    land = {city: LANDS[j % 4] for j, city in enumerate(CITIES)}
    return {
        "livesIn": [(p, home[p]) for p in PEOPLE],
        "bornIn": [(p, home[p]) for p in PEOPLE if int(p[1:]) % 3],
        "liesIn": [(c, land[c]) for c in CITIES],
        "partOf": [(c, land[c]) for c in CITIES if int(c[1:]) % 3],
        "hasCity": [(land[c], c) for c in CITIES],
        "friendOf": [(PEOPLE[i], PEOPLE[(i + 1) % 24]) for i in range(24)],
        "knows": [(PEOPLE[i], PEOPLE[(i + 1) % 24]) for i in range(0, 24, 2)],
        # never in training:
        "residesIn": [(p, home[p]) for p in PEOPLE[:10]],
        "nationOf": [(p, land[home[p]]) for p in PEOPLE[:10]],
    }


UNSEEN = ("residesIn", "nationOf")
# Columns: person at the head, city at the tail, land at the tail, person at the tail, city at the head, backwards.
DESCRIBED = {
    "livesIn": [1, 1, 0, 0, 0, 0],
    "bornIn": [1, 0.9, 0, 0, 0, 0],
    "liesIn": [0, 0, 1, 0, 1, 0],
    "partOf": [0, 0, 0.9, 0, 1, 0],
    "hasCity": [0, 1, 0, 0, 0, 1],
    "friendOf": [1, 0, 0, 1, 0, 0],
    "knows": [1, 0, 0, 0.9, 0, 0],
    "residesIn": [1, 0.95, 0, 0, 0, 0],
    "nationOf": [1, 0, 0.95, 0, 0, 0],
}

ENDS = {
    "livesIn": ("person", "city"),
    "bornIn": ("person", "city"),
    "liesIn": ("city", "land"),
    "partOf": ("city", "land"),
    "hasCity": ("land", "city"),
    "friendOf": ("person", "person"),
    "knows": ("person", "person"),
    "residesIn": ("person", "city"),
    "nationOf": ("person", "land"),
}
"""Relation to the classes of its heads and of its tails."""


@pytest.fixture
def kg() -> KGSplit:
    table = facts()
    train = [(h, r, t) for r, pairs in table.items() if r not in UNSEEN for h, t in pairs]
    test = [(h, r, t) for r in UNSEEN for h, t in table[r]]
    return KGSplit.from_names(train, [], test, unseen_relations=UNSEEN, name="little world")


@pytest.fixture
def priors() -> ClassPriors:
    return ClassPriors(tuple(DESCRIBED), np.array(list(DESCRIBED.values())))


@pytest.fixture
def seen_rows(kg, priors) -> torch.Tensor:
    return priors.align(kg.names_of(kg.seen_relations)).to_tensor()
