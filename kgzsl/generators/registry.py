"""Feature generators by name."""

from __future__ import annotations

import inspect
from typing import Any

from kgzsl._resolver import Resolver
from kgzsl.generators.base import FeatureGenerator
from kgzsl.generators.cada_vae import CADAVAE
from kgzsl.generators.contrastive import CEGZSL
from kgzsl.generators.cycle_wgan import CycleWGAN
from kgzsl.generators.diffusion import Diffusion
from kgzsl.generators.extrapolation import Extrapolation
from kgzsl.generators.linear import LinearGenerator
from kgzsl.generators.lisgan import LisGAN
from kgzsl.generators.tf_vaegan import TFVAEGAN
from kgzsl.generators.vaegan import VAEGAN
from kgzsl.generators.wgan import WGAN

__all__ = ["generators", "make", "takes_graph", "takes_unlabeled"]

generators: Resolver[FeatureGenerator] = Resolver(
    "generator",
    FeatureGenerator,
    {
        "cada-vae": CADAVAE,
        "ce-gzsl": CEGZSL,
        "cycle-wgan": CycleWGAN,
        "diffusion": Diffusion,
        "extrapolation": Extrapolation,
        "f-vaegan": VAEGAN,
        "linear": LinearGenerator,
        "lisgan": LisGAN,
        "tf-vaegan": TFVAEGAN,
        "wgan": WGAN,
    },
)
"""The generators that recipes and the command line know by name."""


def make(name: str, /, **options: Any) -> FeatureGenerator:
    """The generator called ``name`` (or ``package.module:Class``) with ``options``.

    Raises:
        InputError: Unknown name or option; the nearest known one is given.
    """
    return generators.make(name, **options)


def takes_graph(name: str, /, **options: Any) -> bool:
    """Whether the generator called ``name``, with these options, looks at the class graph."""
    return make(name, **options).graph_metric is not None


def takes_unlabeled(name: str) -> bool:
    """Whether the generator called ``name`` can look at unlabelled rows, and is transductive where it is given some."""
    return "unlabeled" in inspect.signature(generators.find(name).fit).parameters
