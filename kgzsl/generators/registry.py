"""Feature generators by name."""

from __future__ import annotations

from typing import Any

from kgzsl._resolver import Resolver
from kgzsl.generators.base import FeatureGenerator
from kgzsl.generators.linear import LinearGenerator
from kgzsl.generators.wgan import WGAN

__all__ = ["generators", "make"]

generators: Resolver[FeatureGenerator] = Resolver(
    "generator", FeatureGenerator, {"linear": LinearGenerator, "wgan": WGAN}
)


def make(name: str, /, **options: Any) -> FeatureGenerator:
    """The generator called ``name`` (or ``package.module:Class``) with ``options``.

    Raises:
        InputError: Unknown name or option; the nearest known one is given.
    """
    return generators.make(name, **options)
