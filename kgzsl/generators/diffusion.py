"""A small conditional diffusion model of features."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kgzsl._options import check_flags, check_numbers, check_whole
from kgzsl.errors import InputError
from kgzsl.generators.loop import GeneratorLoop, LoopOptions, TrainingData
from kgzsl.generators.mlp import MLP
from kgzsl.generators.neural import NeuralGenerator, Sizes, widths

__all__ = ["Denoiser", "Diffusion", "ddim_step", "schedule"]

_FREQUENCIES = 16


def schedule(time: Tensor) -> tuple[Tensor, Tensor]:
    """Signal and noise level at ``time`` in [0, 1]: cos and sin of a quarter turn, so that their squares sum to 1.

    Nichol and Dhariwal's cosine schedule (ICML 2021) in continuous time, kept from the very ends.
    """
    angle = 0.5 * math.pi * (0.001 + 0.998 * time)
    return torch.cos(angle), torch.sin(angle)


def ddim_step(x: Tensor, clean: Tensor, now: Tensor, then: Tensor, noise: Tensor | None = None) -> Tensor:
    """From time ``now`` to the earlier time ``then``, given what the model takes for the clean feature.

    Song et al., "Denoising Diffusion Implicit Models" (ICLR 2021): without ``noise`` the deterministic step, with it
    the ancestral one (eta = 1).

    Args:
        x: Noisy features [B, D] at ``now``.
        clean: Predicted clean features [B, D].
        now, then: Scalars in [0, 1].
        noise: Normal [B, D].
    """
    signal, level = schedule(now)
    next_signal, next_level = schedule(then)
    found = (x - signal * clean) / level
    if noise is None:
        return next_signal * clean + next_level * found
    kept = (next_level / level) * (1 - (signal / next_signal).square()).clamp_min(0).sqrt()
    return next_signal * clean + (next_level.square() - kept.square()).clamp_min(0).sqrt() * found + kept * noise


class Denoiser(nn.Module):
    """The clean feature from a noisy one, the time and the prior; two hidden layers that the condition shifts.

    Args:
        sizes: See :class:`Sizes`.
        hidden: Width of the hidden layers.
        generator: Random state of the weights.
        dtype: Type of the parameters.
    """

    def __init__(self, sizes: Sizes, hidden: int, *, generator: torch.Generator, dtype: torch.dtype) -> None:
        super().__init__()
        self.condition = MLP([sizes.prior + 2 * _FREQUENCIES, hidden], generator=generator, dtype=dtype)
        self.first = MLP([sizes.feature, hidden], generator=generator, dtype=dtype)
        self.second = MLP([hidden, hidden], generator=generator, dtype=dtype)
        self.last = MLP([hidden, sizes.feature], generator=generator, dtype=dtype, zero=True)

    def forward(self, x: Tensor, time: Tensor, prior: Tensor) -> Tensor:
        """Clean features [B, D] from noisy [B, D], times [B] and priors [B, P]."""
        powers = 2.0 ** torch.arange(_FREQUENCIES, dtype=x.dtype, device=x.device).mul(0.5)
        angles = time[:, None] * powers * math.pi
        told = self.condition(torch.cat([prior, angles.sin(), angles.cos()], dim=1))
        inner = F.silu(self.first(x) + told)
        inner = inner + F.silu(self.second(inner) + told)
        made: Tensor = self.last(inner)
        return made


class DiffusionLoop(GeneratorLoop):
    """Mean squared error of the predicted clean feature, at random times.

    Args:
        modules: ``"network"``.
        data: What to train on.
        options: See :class:`LoopOptions`.
        forget: Share of rows whose prior is hidden.
    """

    def __init__(
        self, modules: Mapping[str, nn.Module], data: TrainingData, options: LoopOptions, *, forget: float
    ) -> None:
        super().__init__(modules, {"network": ("network",)}, ("network",), data, options)
        self._forget = forget

    def iterate(self) -> dict[str, Tensor]:
        """One step."""
        labels, real, priors = self._data.draw(self._options.batch_size, held_out=True)
        time = self._data.uniform(len(real))
        signal, level = (part[:, None] for part in schedule(time))
        noise = self._data.normal(*real.shape)
        hidden = (self._data.uniform(len(real)) < self._forget)[:, None]
        if self._data.episode is not None:
            # What features look like is learnt from the classes shown, what a prior says of them from the others.
            shown = self._data.draw(self._options.batch_size)
            labels = torch.where(hidden[:, 0], shown[0], labels)
            real, priors = torch.where(hidden, shown[1], real), torch.where(hidden, shown[2], priors)
        noisy = signal * real + level * noise
        with self._engine.autocast():
            clean = self._modules["network"](noisy, time, priors.masked_fill(hidden, 0.0))
            missed = (clean - real).square().mean()
            extra, told = self.add_terms(clean, labels, priors)
        self.update("network", missed + extra)
        self.average()
        return {"missed": missed.detach()} | told


@dataclass(eq=False, repr=False)
class Diffusion(NeuralGenerator):
    """Denoising diffusion of features, conditioned on the class prior (Ho et al., NeurIPS 2020; ZeroDiff's direction,
    ICLR 2025).

    A network predicts the clean feature x from a noisy one, its time t and the prior c: it minimises
    ``E[||x - f(a_t x + b_t e, t, c)||^2]`` over times and noise e, with a_t = cos, b_t = sin of t quarter turns.
    Sampling starts from noise and takes ``steps`` steps of DDIM. Some rows are trained without their prior, so that
    sampling can be guided (Ho and Salimans 2022): clean = without + guidance * (with - without).

    Args:
        steps: Steps of sampling.
        guidance: 1 is without; larger makes samples more like their class, and less varied.
        forget: Share of training rows whose prior is hidden; guidance other than 1 needs some.
        ancestral: Whether sampling adds noise at every step.

    The other options are those of :class:`NeuralGenerator`. Features are standardised: noise has one size for
    all.
    """

    hidden: int | tuple[int, ...] = 1024
    epochs: int = 60
    batch_size: int = 128
    classification: float = 0.0
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    lr_decay: float = 0.5
    ema: float = 0.99
    features: str = "standard"
    clip: bool = True
    steps: int = 10
    guidance: float = 1.0
    forget: float = 0.1
    ancestral: bool = True

    def _check_options(self) -> None:
        super()._check_options()
        if len(widths(self.hidden)) != 1:
            raise InputError(f"hidden is {self.hidden!r}", remedy="give one width: this network has one hidden size")
        check_whole(self, "steps")
        check_numbers(self, "guidance")
        check_numbers(self, "forget", most=1)
        check_flags(self, "ancestral")
        if self.guidance != 1 and self.forget == 0:
            raise InputError(f"guidance is {self.guidance!r}, and forget 0", remedy="give forget a number above 0")

    def _networks(self, sizes: Sizes, random: torch.Generator, dtype: torch.dtype) -> dict[str, nn.Module]:
        return {"network": Denoiser(sizes, widths(self.hidden)[0], generator=random, dtype=dtype)}

    def _loop(self, modules: dict[str, nn.Module], data: TrainingData, options: LoopOptions) -> DiffusionLoop:
        return DiffusionLoop(modules, data, options, forget=self.forget)

    def _generate(self, priors: Tensor, random: torch.Generator) -> Tensor:
        width = self._fitted().feature
        x = self._noise(len(priors), random, width)
        times = torch.linspace(1.0, 0.0, self.steps + 1, dtype=x.dtype, device=x.device)
        for now, then in itertools.pairwise(times):
            clean = self._clean(x, now.expand(len(x)), priors)
            if then == 0:
                return clean
            noise = self._noise(len(x), random, width) if self.ancestral else None
            x = ddim_step(x, clean, now, then, noise)
        return x

    def _clean(self, x: Tensor, time: Tensor, priors: Tensor) -> Tensor:
        network = self._modules["network"]
        told: Tensor = network(x, time, priors)
        if self.guidance == 1:
            return told
        blind = network(x, time, torch.zeros_like(priors))
        return torch.lerp(blind, told, self.guidance)
