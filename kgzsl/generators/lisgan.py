"""The WGAN with soul samples: LisGAN."""

from __future__ import annotations

from dataclasses import dataclass

from kgzsl.generators.wgan import WGAN

__all__ = ["LisGAN"]


@dataclass(eq=False, repr=False)
class LisGAN(WGAN):
    """LisGAN (Li et al., "Leveraging the Invariant Side of Generative Zero-Shot Learning", CVPR 2019).

    A :class:`WGAN` whose generated features are drawn to three soul samples of each class; every other generator takes
    the same option. The paper's second stage, which learns from confident test rows, is the classifier ``cascade``: it
    is transductive, and asked for on its own.
    """

    souls: int = 3
