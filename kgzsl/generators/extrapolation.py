"""Features of a new class from those of its nearest seen classes: OGEN-like extrapolation."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kgzsl.generators.loop import GeneratorLoop, LoopOptions, TrainingData
from kgzsl.generators.mlp import MLP
from kgzsl.generators.neural import NeuralGenerator, Sizes, widths
from kgzsl.generators.terms import Term

__all__ = ["Extrapolation", "Extrapolator", "attention"]

_FAR = 1e-6


def attention(priors: Tensor, known: Tensor, allowed: Tensor, k: int, temperature: float) -> tuple[Tensor, Tensor]:
    """Which seen classes each class is made of: a softmax over the cosines of the ``k`` nearest allowed ones.

    Args:
        priors: Float [B, P].
        known: Float [S, P], of seen classes.
        allowed: Bool [B, S]; at least one in each row.
        k: Neighbours at most.
        temperature: Of the softmax; small ones look at the nearest alone.

    Returns:
        Weights float [B, k], which sum to 1 in each row, and classes int64 [B, k].
    """
    cosine = F.normalize(priors, dim=1) @ F.normalize(known, dim=1).T
    top = cosine.masked_fill(~allowed, -torch.inf).topk(min(k, len(known)), dim=1)
    # Where fewer than k are allowed the rest gets -inf, hence no weight.
    return torch.softmax(top.values / temperature, dim=1), top.indices


class Extrapolator(nn.Module):
    """f(u) = sum over the nearest seen classes s of att(u, s) (mu_s + D(u, s)).

    Args:
        sizes: See :class:`Sizes`.
        hidden: Widths of the hidden layers of D.
        k: Neighbours.
        temperature: See :func:`attention`.
        generator: Random state of D's weights; its output starts at zero, so that f starts as the attended mean.
        dtype: Type of the parameters.
    """

    known: Tensor
    means: Tensor
    present: Tensor
    root: Tensor

    def __init__(
        self,
        sizes: Sizes,
        hidden: list[int],
        k: int,
        temperature: float,
        *,
        generator: torch.Generator,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.k, self.temperature = k, temperature
        shape = [2 * sizes.prior, *hidden, sizes.feature]
        self.residual = MLP(shape, generator=generator, dtype=dtype, zero=True)
        like: dict[str, Any] = {"dtype": dtype, "device": generator.device}
        self.register_buffer("known", torch.zeros(sizes.classes, sizes.prior, **like))
        self.register_buffer("means", torch.zeros(sizes.classes, sizes.feature, **like))
        self.register_buffer("present", torch.ones(sizes.classes, **like))
        self.register_buffer("root", torch.zeros(sizes.feature, sizes.feature, **like))

    def forward(self, priors: Tensor, apart_from: Tensor | None = None, hidden: Tensor | None = None) -> Tensor:
        """f of each row of priors [B, P].

        Args:
            priors: Float [B, P].
            apart_from: Int64 [B], for each row a seen class that it must not look at.
            hidden: Bool [S], seen classes that no row may look at.
        """
        allowed = (self.present > 0)[None].expand(len(priors), -1)
        if hidden is not None:
            # Classes without a row have no place at the end of the mask; they are not allowed in any case.
            allowed = allowed & ~F.pad(hidden, (0, len(self.present) - len(hidden)))
        if apart_from is not None:
            own = apart_from[:, None] == torch.arange(len(self.present), device=apart_from.device)
            # With one seen class there is no other to look at.
            allowed = torch.where((allowed & ~own).any(dim=1, keepdim=True), allowed & ~own, allowed)
        weights, classes = attention(priors, self.known, allowed, self.k, self.temperature)
        near = self.known[classes]
        pairs = torch.cat([priors[:, None].expand_as(near), near], dim=2)
        parts = self.means[classes] + self.residual(pairs)
        made: Tensor = (weights[..., None] * parts).sum(dim=1)
        return made


class ExtrapolationLoop(GeneratorLoop):
    """Each seen class in turn plays the new one, made of its neighbours without itself.

    Args:
        modules: ``"network"``, an :class:`Extrapolator` with its buffers filled.
        data: What to train on.
        options: See :class:`LoopOptions`.
        noise: Factor on the deviation within classes.
        distill: Weight of the distance to the teacher.
        window: Decay of the teacher.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        data: TrainingData,
        options: LoopOptions,
        *,
        noise: float,
        distill: float,
        window: float,
    ) -> None:
        teacher = copy.deepcopy(modules["network"])
        super().__init__({**modules, "teacher": teacher}, {"network": ("network",)}, ("network",), data, options)
        self._noise, self._distill, self._window = noise, distill, window

    def iterate(self) -> dict[str, Tensor]:
        """One step."""
        labels, real, priors = self._data.draw(self._options.batch_size, held_out=True)
        hidden = None if self._data.episode is None else self._data.episode.hidden
        network, teacher = self._modules["network"], self._modules["teacher"]
        assert isinstance(network, Extrapolator)
        with self._engine.autocast():
            made = network(priors, labels, hidden)
            missed = (made - real).square().mean()
            with torch.no_grad():
                taught = teacher(priors, labels, hidden)
            apart = (made - taught).square().mean()
            fake = made + self._noise * self._data.normal(*real.shape) @ network.root
            extra, told = self.add_terms(fake, labels, priors)
            loss = missed + self._distill * apart + extra
        self.update("network", loss)
        weights = [p.detach() for p in network.parameters()]
        torch._foreach_lerp_([p.data for p in teacher.parameters()], weights, 1 - self._window)
        self.average()
        return {"missed": missed.detach(), "distilled": apart.detach()} | told


@dataclass(eq=False, repr=False)
class Extrapolation(NeuralGenerator):
    """Class-conditional extrapolation, after OGEN (Zang et al., "Overcoming the Pitfalls of Vision-Language Model
    Finetuning for OOD Generalization", ICLR 2024), on priors instead of prompts.

    The mean of a class u is made of its ``k`` nearest seen classes: f(u) = sum att(u, s) (mu_s + D(u, s)), att a
    softmax over cosines of the priors, mu_s the mean feature of s, D a network of both priors. In training each
    seen class plays the unknown one and is made of others, so that D learns to extrapolate; a teacher, the running
    mean of D over a window of steps, keeps it from drifting to what suits the seen classes alone (self-distillation).
    Samples are f(u) plus noise of the seen classes' shared covariance. With k = 1, no residual and no noise a class
    gets the mean of its nearest seen class.

    Nearness is that of the priors: for nearness in the class graph, take priors made from the graph.

    Args:
        k: Neighbours.
        temperature: Of the attention.
        residual: Whether there is a D; without it nothing is trained.
        noise: Factor on the deviation within classes.
        distill: Weight of the distance to the teacher's answer; 0 is without.
        window: Decay of the teacher's running mean: 0.99 looks back over about 100 steps.

    The other options are those of :class:`NeuralGenerator`.
    """

    hidden: int | tuple[int, ...] = 1024
    epochs: int = 20
    lr: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.999)
    clip: bool = True
    k: int = 5
    temperature: float = 0.1
    residual: bool = True
    noise: float = 1.0
    distill: float = 1.0
    window: float = 0.99

    def _checks(self) -> dict[str, bool]:
        return super()._checks() | {
            "k": self.k >= 1,
            "temperature": self.temperature > 0,
            "noise": self.noise >= 0,
            "distill": self.distill >= 0,
            "window": 0 <= self.window < 1,
        }

    def _networks(self, sizes: Sizes, random: torch.Generator, dtype: torch.dtype) -> dict[str, nn.Module]:
        hidden = widths(self.hidden)
        return {"network": Extrapolator(sizes, hidden, self.k, self.temperature, generator=random, dtype=dtype)}

    def _terms(
        self, scaled: Tensor, labels: Tensor, priors: Tensor, classifier: Callable[[Tensor], Tensor] | None
    ) -> list[Term]:
        return super()._terms(scaled, labels, priors, classifier) if self.residual else []

    def _loop(self, modules: dict[str, nn.Module], data: TrainingData, options: LoopOptions) -> GeneratorLoop:
        network = modules["network"]
        assert isinstance(network, Extrapolator)
        counts = torch.bincount(data.labels, minlength=len(data.priors)).to(data.features.dtype)
        network.known.copy_(data.priors)
        network.present.copy_((counts > 0).to(counts.dtype))
        network.means.zero_().index_add_(0, data.labels, data.features).div_(counts.clamp_min(1)[:, None])
        network.root.copy_(_root(data.features - network.means[data.labels]))
        if not self.residual:
            return _Nothing(modules, {"network": ("network",)}, ("network",), data, options)
        return ExtrapolationLoop(modules, data, options, noise=self.noise, distill=self.distill, window=self.window)

    def _generate(self, priors: Tensor, random: torch.Generator) -> Tensor:
        network = self._modules["network"]
        assert isinstance(network, Extrapolator)
        kinds, place = torch.unique(priors, dim=0, return_inverse=True)
        cosine = F.normalize(kinds, dim=1) @ F.normalize(network.known, dim=1).T
        alone = (cosine.masked_fill(network.present[None] <= 0, -1.0).amax(dim=1) <= _FAR).sum()
        if alone:
            warnings.warn(
                f"{int(alone)} of {len(kinds)} classes are near no seen class (cosine of priors at most 0): they are "
                "made of arbitrary ones; give priors in which they are connected",
                stacklevel=4,
            )
        means = network(kinds)[place]
        if not self.noise:
            return torch.as_tensor(means)
        return torch.as_tensor(means + self.noise * self._noise(len(means), random, means.shape[1]) @ network.root)


class _Nothing(GeneratorLoop):
    """Trains nothing: everything is in the buffers."""

    def step(self, index: int) -> dict[str, Tensor]:  # noqa: ARG002 (a loop's signature)
        return {}


def _root(centred: Tensor) -> Tensor:
    """R [D, D] with R'R the covariance of rows that are centred in their class."""
    spread = centred.double().T @ centred.double() / len(centred)
    values, vectors = torch.linalg.eigh(spread)
    root: Tensor = (values.clamp_min(0).sqrt()[:, None] * vectors.T).to(centred.dtype)
    return root
