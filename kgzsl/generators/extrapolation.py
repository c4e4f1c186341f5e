"""Features of a new class from those of its nearest seen classes: OGEN-like extrapolation."""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kgzsl._options import check_choices, check_flags, check_numbers, check_whole
from kgzsl._tensors import number_tensor
from kgzsl.errors import InputError
from kgzsl.generators.loop import GeneratorLoop, LoopOptions, TrainingData
from kgzsl.generators.mlp import MLP
from kgzsl.generators.neural import NeuralGenerator, Sizes, widths
from kgzsl.generators.terms import Term

__all__ = ["Extrapolation", "Extrapolator", "attention"]

_FAR = 1e-6


def attention(
    priors: Tensor,
    known: Tensor,
    allowed: Tensor,
    k: int,
    temperature: float,
    distances: Tensor | None = None,
    cosine: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Which seen classes each class is made of: a softmax over the nearness of the ``k`` nearest allowed ones.

    Nearness is the cosine of the priors, or, with ``distances``, minus the distance plus ``cosine`` times the cosine. A
    class from which no allowed one can be reached goes by the cosines alone.

    Args:
        priors: Float [B, P].
        known: Float [S, P], of seen classes.
        allowed: Bool [B, S]; at least one in each row.
        k: Neighbours at most.
        temperature: Of the softmax; small ones look at the nearest alone.
        distances: Float [B, S], infinite where there is no way.
        cosine: Weight of the cosine beside the distances.

    Returns:
        Weights float [B, k], which sum to 1 in each row, and classes int64 [B, k].
    """
    nearness = F.normalize(priors, dim=1) @ F.normalize(known, dim=1).T
    if distances is not None:
        reached = (allowed & distances.isfinite()).any(dim=1, keepdim=True)
        nearness = torch.where(reached, cosine * nearness - distances, nearness)
    top = nearness.masked_fill(~allowed, -torch.inf).topk(min(k, len(known)), dim=1)
    # Where fewer than k are allowed the rest gets -inf, hence no weight.
    return torch.softmax(top.values / temperature, dim=1), top.indices


class Extrapolator(nn.Module):
    """f(u) = sum over the nearest seen classes s of att(u, s) (mu_s + D(u, s)).

    Args:
        sizes: See :class:`Sizes`.
        hidden: Widths of the hidden layers of D.
        k: Neighbours.
        temperature: See :func:`attention`.
        cosine: Weight of the cosine beside distances in the class graph; None goes by the cosine alone.
        generator: Random state of D's weights; its output starts at zero, so that f starts as the attended mean.
        dtype: Type of the parameters.
    """

    known: Tensor
    means: Tensor
    present: Tensor
    root: Tensor
    apart: Tensor
    unit: Tensor

    def __init__(
        self,
        sizes: Sizes,
        hidden: list[int],
        k: int,
        temperature: float,
        cosine: float | None = None,
        *,
        generator: torch.Generator,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.k, self.temperature, self.cosine = k, temperature, cosine
        shape = [2 * sizes.prior, *hidden, sizes.feature]
        self.residual = MLP(shape, generator=generator, dtype=dtype, zero=True)
        like: dict[str, Any] = {"dtype": dtype, "device": generator.device}
        self.register_buffer("known", torch.zeros(sizes.classes, sizes.prior, **like))
        self.register_buffer("means", torch.zeros(sizes.classes, sizes.feature, **like))
        self.register_buffer("present", torch.ones(sizes.classes, **like))
        self.register_buffer("root", torch.zeros(sizes.feature, sizes.feature, **like))
        if cosine is not None:
            self.register_buffer("apart", torch.zeros(sizes.classes, sizes.classes, **like))
            self.register_buffer("unit", torch.ones((), **like))

    def forward(
        self,
        priors: Tensor,
        apart_from: Tensor | None = None,
        hidden: Tensor | None = None,
        distances: Tensor | None = None,
    ) -> Tensor:
        """f of each row of priors [B, P].

        Args:
            priors: Float [B, P].
            apart_from: Int64 [B], for each row a seen class that it must not look at.
            hidden: Bool [S], seen classes that no row may look at.
            distances: Float [B, S], in the class graph; None takes those of the classes ``apart_from``, if it goes by
                the graph.
        """
        allowed = (self.present > 0)[None].expand(len(priors), -1)
        if hidden is not None:
            # Classes without a row have no place at the end of the mask; they are not allowed in any case.
            allowed = allowed & ~F.pad(hidden, (0, len(self.present) - len(hidden)))
        if apart_from is not None:
            own = apart_from[:, None] == torch.arange(len(self.present), device=apart_from.device)
            # With one seen class there is no other to look at.
            allowed = torch.where((allowed & ~own).any(dim=1, keepdim=True), allowed & ~own, allowed)
        if self.cosine is None:
            weights, classes = attention(priors, self.known, allowed, self.k, self.temperature)
        else:
            if distances is None:
                assert apart_from is not None
                distances = self.apart[apart_from]
            nearness = (distances / self.unit, self.cosine)
            weights, classes = attention(priors, self.known, allowed, self.k, self.temperature, *nearness)
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

    Nearness is the cosine of the priors. By another ``metric`` it is that of the class graph: minus the distance, in
    units of the median one between seen classes, plus ``cosine`` times the cosine, which tells apart what lies equally
    far; a class with no way to a seen one is made by the priors, and told. :meth:`fit` and :meth:`sample` are then
    given the distances; recipes and the models of both tasks do that.

    Args:
        k: Neighbours.
        metric: ``"priors"``, or of the class graph ``"hops"``, ``"weighted"`` or ``"resistance"``.
        cosine: Weight of the cosine of the priors beside distances in the graph; 0 is the graph alone.
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
    metric: str = "priors"
    cosine: float = 0.1
    temperature: float = 0.1
    residual: bool = True
    noise: float = 1.0
    distill: float = 1.0
    window: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        self.graph_metric = None if self.metric == "priors" else self.metric
        self._distances: Tensor | None = None

    def fit(
        self, features: Tensor, labels: Tensor, priors: Tensor, *, distances: Tensor | None = None, **options: Any
    ) -> Self:
        """See :meth:`FeatureGenerator.fit`.

        Args:
            features, labels, priors: See there.
            distances: Float [C, C], between the seen classes in the class graph, infinite where there is no way; for
                every ``metric`` but ``"priors"``.
            **options: The others.

        Raises:
            InputError: As there, or distances that are missing, do not fit, or are not looked at.
        """
        if self.graph_metric is None and distances is not None:
            raise InputError("distances are given, and metric is 'priors'", remedy="give metric='hops'")
        priors = number_tensor(priors, "priors")
        self._distances = None if self.graph_metric is None else self._checked(distances, len(priors))
        return super().fit(features, labels, priors, **options)

    def sample(
        self, prior_rows: Tensor, n: int, *, generator: torch.Generator | None = None, distances: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See :meth:`FeatureGenerator.sample`.

        Args:
            prior_rows: Float [R, P].
            n: Features for each row.
            generator: Random state.
            distances: Float [R, C], from the asked classes to the seen ones, for every ``metric`` but ``"priors"``.
                Left out, the rows must be seen classes' own, of which they are known.
        """
        priors, labels, random = self._asked(prior_rows, n, generator)
        if self.graph_metric is None:
            return self._drawn(priors, labels, random)
        network = self._modules["network"]
        assert isinstance(network, Extrapolator)
        if distances is None and len(priors):
            same = (priors[:, None] == network.known[None]).all(dim=2)
            if bool(same.any(dim=1).all()):
                distances = network.apart[same.to(torch.int8).argmax(dim=1)]
        rows = self._checked(distances, len(network.known), len(priors)).to(priors)
        return self._drawn(torch.cat([priors, rows], dim=1), labels, random)

    def sample_embedded(
        self, prior_rows: Tensor, n: int, *, generator: torch.Generator | None = None, distances: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`sample`: it has no space of its own."""
        return self.sample(prior_rows, n, generator=generator, distances=distances)

    def _checked(self, distances: Tensor | None, classes: int, rows: int | None = None) -> Tensor:
        if distances is None:
            raise InputError(
                f"extrapolation by {self.metric} needs distances in the class graph",
                remedy="give distances=, or in a recipe graph: {source: ...}; or metric: priors",
            )
        table = number_tensor(distances, "distances", remedy="give those of the class graph")
        shape = (classes if rows is None else rows, classes)
        if table.shape != shape or bool((table.isnan() | (table < 0)).any()):
            raise InputError(f"distances of shape {tuple(table.shape)} for {shape}, or negative or NaN ones")
        return table

    def _told(self, rows: int, weights: Tensor | None) -> dict[str, Any]:
        told = super()._told(rows, weights)
        if self._distances is not None:
            table = self._distances.float().cpu().numpy()
            told["distances"] = hashlib.sha256(table.tobytes()).hexdigest()[:16]
        return told

    def _check_options(self) -> None:
        super()._check_options()
        check_choices(self, metric=("priors", "hops", "weighted", "resistance"))
        check_whole(self, "k")
        check_numbers(self, "temperature", zero=False)
        check_numbers(self, "cosine", "noise", "distill")
        check_numbers(self, "window", below=1)
        check_flags(self, "residual")

    def _networks(self, sizes: Sizes, random: torch.Generator, dtype: torch.dtype) -> dict[str, nn.Module]:
        hidden = widths(self.hidden)
        cosine = None if self.graph_metric is None else self.cosine
        return {"network": Extrapolator(sizes, hidden, self.k, self.temperature, cosine, generator=random, dtype=dtype)}

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
        if self._distances is not None:
            network.apart.copy_(self._distances)
            there = network.apart[counts > 0][:, counts > 0]
            usable = there[there.isfinite() & (there > 0)]
            network.unit.fill_(float(usable.median()) if len(usable) else 1.0)
        network.root.copy_(_root(data.features - network.means[data.labels]))
        if not self.residual:
            return _Nothing(modules, {"network": ("network",)}, ("network",), data, options)
        return ExtrapolationLoop(modules, data, options, noise=self.noise, distill=self.distill, window=self.window)

    def _generate(self, priors: Tensor, random: torch.Generator) -> Tensor:
        network = self._modules["network"]
        assert isinstance(network, Extrapolator)
        kinds, place = torch.unique(priors, dim=0, return_inverse=True)
        kinds, distances = kinds.split([network.known.shape[1], kinds.shape[1] - network.known.shape[1]], dim=1)
        self._tell_alone(kinds, distances if self.graph_metric else None, network)
        means = network(kinds, distances=distances)[place]
        if not self.noise:
            return torch.as_tensor(means)
        return torch.as_tensor(means + self.noise * self._noise(len(means), random, means.shape[1]) @ network.root)

    def _tell_alone(self, kinds: Tensor, distances: Tensor | None, network: Extrapolator) -> None:
        """Warn of classes that have no neighbour to be made of."""
        there = network.present[None] > 0
        if distances is not None:
            alone = int((~(distances.isfinite() & there)).all(dim=1).sum())
            why = "isolated in the class graph (no way to a seen class): they are made of those with the nearest priors"
            remedy = "connect them in the graph"
        else:
            cosine = F.normalize(kinds, dim=1) @ F.normalize(network.known, dim=1).T
            alone = int((cosine.masked_fill(~there, -1.0).amax(dim=1) <= _FAR).sum())
            why = "near no seen class (cosine of priors at most 0): they are made of arbitrary ones"
            remedy = "give priors in which they are connected"
        if alone:
            warnings.warn(f"{alone} of {len(kinds)} classes are {why}; {remedy}", stacklevel=6)


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
