"""What all trained generators share: options, scaling, one run of the engine, sampling by chunks, saving."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from kgzsl._options import check_choices, check_flags, check_number, check_numbers, check_whole, check_widths
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.generators._inputs import (
    asked_rows,
    check_draw,
    table_of,
    training_data,
    training_engine,
    unequal_weights,
)
from kgzsl.generators.base import Callback, FeatureGenerator
from kgzsl.generators.health import Health, check_health
from kgzsl.generators.loop import Episode, GeneratorLoop, LoopOptions, TrainingData
from kgzsl.generators.prior_scaling import KINDS as PRIOR_KINDS
from kgzsl.generators.prior_scaling import PriorScaler
from kgzsl.generators.scaling import KINDS as FEATURE_KINDS
from kgzsl.generators.scaling import FeatureScaler
from kgzsl.generators.souls import SoulSamples, find_souls
from kgzsl.generators.terms import Classification, Term

__all__ = ["NeuralGenerator", "Sizes", "widths"]

_CHUNK = 8192


@dataclass(frozen=True)
class Sizes:
    """Widths that the data decide: of a feature, a prior and the noise, and the number of seen classes."""

    feature: int
    prior: int
    noise: int
    classes: int


@dataclass(eq=False, repr=False)
class NeuralGenerator(FeatureGenerator):
    """A generator made of networks, trained by the engine.

    Subclasses say which networks sample (:meth:`_networks`), how they are trained (:meth:`_loop`) and how a sample is
    drawn (:meth:`_generate`), all in scaled features and priors.

    Args:
        hidden: Width of the hidden layer, or widths of several.
        epochs: Passes over the training rows, counted in generator steps.
        batch_size: Rows of one step.
        noise_dim: Width of the noise; None is the width of the prior.
        classification: Weight of the cross-entropy of a frozen classifier on generated features; 0 is without.
        lr: Learning rate of every Adam.
        betas: Their momenta.
        lr_decay: Share of the run, at its end, over which the learning rate falls to zero in a line; steadies the last
            epochs.
        ema: Decay of a running mean of the generator's weights, which then does the sampling; 0 is without.
            0.99 to 0.999 averages over the last 100 to 1000 steps and takes out the oscillation of a GAN.
        souls: Soul samples of each seen class (LisGAN's 3): generated features are drawn towards the nearest of
            their class; 0 is without. See :class:`SoulSamples`.
        soul_weight: Weight of that loss.
        hold_out: Share of the seen classes that every step holds out (episodic training): critics, decoders,
            embeddings and neighbours are those of the others in that step, and what the generator makes of the priors
            of the held-out ones is judged, as it will be of unseen classes. 0 is without.
        features: Scaling and output layer, see :class:`FeatureScaler`; ``"auto"`` looks at the data.
        priors: Scaling of the priors, see :class:`PriorScaler`: ``"l2"``, ``"standard"`` or ``"none"``.
        prior_size: Length of a scaled prior; larger lets the prior weigh more against the noise.
        clip: Keep samples within the range that each feature had in training.

    Attributes:
        health: After a fit, whether its samples vary as the seen classes do; None where it was not measured.
    """

    hidden: int | tuple[int, ...] = 4096
    epochs: int = 30
    batch_size: int = 64
    noise_dim: int | None = None
    classification: float = 0.01
    lr: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    lr_decay: float = 0.0
    ema: float = 0.0
    souls: int = 0
    soul_weight: float = 1.0
    hold_out: float = 0.0
    features: str = "auto"
    priors: str = "l2"
    prior_size: float = 1.0
    clip: bool = False

    def __post_init__(self) -> None:
        self._check_options()
        self.health: Health | None = None
        self._scaler, self._prior_scaler = FeatureScaler(self.features), PriorScaler(self.priors, self.prior_size)
        self._modules: dict[str, nn.Module] = {}
        self._sizes: Sizes | None = None
        self._range: Tensor | None = None
        self._seed = 0

    def _check_options(self) -> None:
        """Refuse options out of range; a subclass adds its own."""
        check_widths(self, "hidden")
        check_whole(self, "epochs", "souls", least=0)
        check_whole(self, "batch_size")
        check_whole(self, "noise_dim", instead=(None,))
        check_numbers(self, "classification", "soul_weight")
        check_numbers(self, "lr", "prior_size", zero=False)
        check_numbers(self, "lr_decay", most=1)
        check_numbers(self, "ema", "hold_out", below=1)
        if not isinstance(self.betas, list | tuple) or len(self.betas) != 2:
            raise InputError(f"betas is {self.betas!r}", remedy="give two numbers from 0 on and below 1")
        for beta in self.betas:
            check_number(beta, "one of betas", below=1)
        check_choices(self, features=FEATURE_KINDS, priors=PRIOR_KINDS)
        check_flags(self, "clip")

    @abstractmethod
    def _networks(self, sizes: Sizes, random: torch.Generator, dtype: torch.dtype) -> dict[str, nn.Module]:
        """The networks that :meth:`sample` and :meth:`embed` need, new, on the device of ``random``."""

    @abstractmethod
    def _loop(self, modules: dict[str, nn.Module], data: TrainingData, options: LoopOptions) -> GeneratorLoop:
        """The loop that trains ``modules``, and whatever else it needs for that."""

    @abstractmethod
    def _generate(self, priors: Tensor, random: torch.Generator) -> Tensor:
        """Scaled features [B, D], one for each scaled prior [B, P]; ``random`` may be on the CPU."""

    def fit(
        self,
        features: Tensor,
        labels: Tensor,
        priors: Tensor,
        *,
        classifier: Callable[[Tensor], Tensor] | None = None,
        engine: Engine | None = None,
        callback: Callback | None = None,
        callback_every_epochs: int | None = None,
        sample_weight: Tensor | None = None,
    ) -> Self:
        """See :meth:`FeatureGenerator.fit`. Samples that hardly vary are told by a :class:`CollapseWarning`.

        Rows are drawn as often as ``sample_weight`` says.
        """
        engine = training_engine(engine)
        features, labels, priors = training_data(features, labels, priors)
        weights = unequal_weights(sample_weight, features)
        if weights is not None:
            there = weights > 0
            features, labels, weights = features[there], labels[there.to(labels.device)], weights[there]
        device, dtype = engine.torch_device, engine.dtype
        features, priors, labels = features.to(device, dtype), priors.to(device, dtype), labels.to(device)
        self._seed = engine.seed
        self._range = torch.stack([features.amin(dim=0), features.amax(dim=0)]) if self.clip else None
        scaled = self._scaler.fit(features).transform(features)
        scaled_priors = self._prior_scaler.fit(priors).transform(priors)
        self._sizes = Sizes(scaled.shape[1], priors.shape[1], int(self.noise_dim or priors.shape[1]), len(priors))
        with engine.seeded():
            terms = self._terms(scaled, labels, scaled_priors, classifier)
        several = self.hold_out > 0 and bool((labels != labels[0]).any())
        episode = Episode(labels, self.hold_out) if several else None
        weights = None if weights is None else weights.to(device)
        told = self._told(len(scaled), weights)
        data = TrainingData(scaled, labels, scaled_priors, tuple(terms), engine, told, episode, weights)
        epochs, batch_size = int(self.epochs), int(self.batch_size)
        per_epoch = max(1, len(scaled) // (batch_size * engine.ranks))
        modules = self._networks(self._sizes, engine.generator(), dtype)
        loop = self._loop(
            {name: engine.prepare(module) for name, module in modules.items()},
            data,
            self._loop_options(epochs * per_epoch),
        )

        def at(steps: int) -> Mapping[str, float] | None:
            self._modules = loop.sampling_modules()
            return None if callback is None else callback(self, steps // per_epoch)

        self._modules = loop.sampling_modules()
        self.history = engine.run(
            loop,
            steps=epochs * per_epoch,
            name=type(self).__name__.lower(),
            callback=None if callback is None else at,
            callback_every=None if callback_every_epochs is None else callback_every_epochs * per_epoch,
        )
        self._modules = loop.sampling_modules()
        for module in self._modules.values():
            module.zero_grad()  # a generator that is kept needs no gradients
        self.health = check_health(self, features, labels, priors) if self.epochs else None
        return self

    def _loop_options(self, steps: int) -> LoopOptions:
        return LoopOptions(
            batch_size=int(self.batch_size),
            critic_steps=1,
            penalty=0.0,
            lr=self.lr,
            betas=(self.betas[0], self.betas[1]),
            steps=steps,
            lr_decay=self.lr_decay,
            ema=self.ema,
        )

    def _told(self, rows: int, weights: Tensor | None) -> dict[str, Any]:
        """What a checkpoint must agree with."""
        assert self._sizes is not None
        config = {key: list(v) if isinstance(v, tuple) else v for key, v in self.config().items()}
        if weights is not None:
            config["weights"] = hashlib.sha256(weights.float().cpu().numpy().tobytes()).hexdigest()[:16]
        return {**config, "rows": rows, **{f"{key}_size": value for key, value in asdict(self._sizes).items()}}

    def _terms(
        self, scaled: Tensor, labels: Tensor, priors: Tensor, classifier: Callable[[Tensor], Tensor] | None
    ) -> list[Term]:
        """The generator's further losses; ``priors`` are scaled."""
        terms: list[Term] = []
        if self.classification:
            if classifier is not None:
                given = classifier
                terms.append(Classification(lambda fake: given(self._scaler.inverse(fake)), self.classification))
            else:
                weight, bias = _softmax_on(scaled, labels, len(priors))
                terms.append(Classification(lambda fake: torch.addmm(bias, fake, weight), self.classification))
        if self.souls and self.soul_weight:
            random = torch.Generator(device=scaled.device).manual_seed(self._seed)
            terms.append(
                SoulSamples(find_souls(scaled, labels, len(priors), self.souls, random=random), self.soul_weight)
            )
        return terms

    def sample(self, prior_rows: Tensor, n: int, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`FeatureGenerator.sample`."""
        return self._drawn(*self._asked(prior_rows, n, generator))

    def embed(self, features: Tensor, *, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        """See :meth:`FeatureGenerator.embed`; the features themselves, for a generator without a space of its own."""
        return table_of(features, self._fitted().feature)

    def _drawn(self, priors: Tensor, labels: Tensor, random: Any) -> tuple[Tensor, Tensor]:
        """Features for what :meth:`_asked` gave, and ``labels`` again."""
        assert self._sizes is not None
        out = torch.empty(len(labels), self._sizes.feature, device=priors.device, dtype=priors.dtype)
        with torch.no_grad():
            for rows, part in zip(torch.split(out, _CHUNK), torch.split(labels, _CHUNK), strict=True):
                rows.copy_(self._scaler.inverse(self._generate(priors[part], random)))
        if self._range is not None:
            out = out.clamp_(self._range[0], self._range[1])
        return out, labels

    def _asked(self, prior_rows: Tensor, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor, Any]:
        """Scaled priors, the row of each of n samples of each, and the random state."""
        rows = asked_rows(prior_rows, self._fitted().prior)
        check_draw(n, generator)
        like = self._like()
        if generator is None:
            generator = torch.Generator(device=like.device).manual_seed(self._seed)
        priors = self._prior_scaler.transform(rows.to(device=like.device, dtype=like.dtype))
        return priors, torch.arange(len(priors), device=like.device).repeat_interleave(n), generator

    def _fitted(self) -> Sizes:
        if not self._modules or self._sizes is None:
            raise InputError("this generator is not fitted", remedy="call fit first")
        return self._sizes

    def _like(self) -> Tensor:
        return next(p for module in self._modules.values() for p in [*module.parameters(), *module.buffers()])

    def _noise(self, rows: int, random: torch.Generator, width: int | None = None) -> Tensor:
        """Normal noise [rows, Z] (or ``width`` wide) on this generator's device."""
        like, sizes = self._like(), self._fitted()
        shape = (rows, sizes.noise if width is None else width)
        return torch.randn(shape, generator=random, device=random.device, dtype=like.dtype).to(like.device)

    def _scaled(self, features: Tensor) -> Tensor:
        like = self._like()
        return self._scaler.transform(features.to(like))

    def state_dict(self) -> dict[str, Any]:
        """See :meth:`FeatureGenerator.state_dict`."""
        sizes = self._fitted()
        return {
            "modules": {
                name: {key: value.detach().clone() for key, value in module.state_dict().items()}
                for name, module in self._modules.items()
            },
            "sizes": asdict(sizes),
            "features": self._scaler.state_dict(),
            "priors": self._prior_scaler.state_dict(),
            "range": self._range,
            "seed": self._seed,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """See :meth:`FeatureGenerator.load_state_dict`."""
        self._scaler = FeatureScaler().load_state_dict(state["features"])
        self._prior_scaler = PriorScaler().load_state_dict(state["priors"])
        self._sizes = Sizes(**{name: int(value) for name, value in state["sizes"].items()})
        like = next(value for weights in state["modules"].values() for value in weights.values())
        self._modules = self._networks(self._sizes, torch.Generator(device=like.device), like.dtype)
        for name, module in self._modules.items():
            module.load_state_dict(state["modules"][name])
        self._range, self._seed = state["range"], int(state["seed"])
        return self


def widths(hidden: int | tuple[int, ...]) -> list[int]:
    """Widths of hidden layers as a list."""
    return [int(width) for width in hidden] if isinstance(hidden, list | tuple) else [int(hidden)]


def _softmax_on(scaled: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Weight [D, C] and bias [C] of a softmax on seen features; a class without rows is never likely."""
    from kgzsl.classifiers.softmax import SoftmaxClassifier

    head = SoftmaxClassifier(epochs=25).fit(scaled, labels)
    present = torch.as_tensor(head.classes_, device=scaled.device)
    weight = torch.zeros(scaled.shape[1], classes, dtype=scaled.dtype, device=scaled.device)
    bias = torch.full((classes,), -1e4, dtype=scaled.dtype, device=scaled.device)
    weight[:, present] = head.coef_.T.to(scaled.dtype)
    bias[present] = head.intercept_.to(scaled.dtype)
    return weight, bias
