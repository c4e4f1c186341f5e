"""The WGAN with soul samples: LisGAN."""

from __future__ import annotations

from dataclasses import dataclass

from kgzsl.generators.wgan import WGAN

__all__ = ["LisGAN"]


@dataclass(eq=False, repr=False)
class LisGAN(WGAN):
    """LisGAN (Li et al., "Leveraging the Invariant Side of Generative Zero-Shot Learning", CVPR 2019).

    A :class:`WGAN` whose generated features are drawn to three soul samples of each class; every other generator takes
    the same option. To the generator's loss comes ``soul_weight * (E[min_k ||G(z, c) - s_ck||^2] + E[min_k ||m_c -
    s_ck||^2]) / D``, s_ck the souls of class c, m_c the mean of what is generated for c, D the number of features. The
    paper's second stage, which learns from confident test rows, is the classifier ``cascade``: it is transductive, and
    asked for on its own.
    """

    souls: int = 3
