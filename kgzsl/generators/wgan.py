"""The conditional WGAN with gradient penalty and classification loss: f-CLSWGAN, the generator of OntoZSL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.generators.base import Callback, FeatureGenerator, check_training_data
from kgzsl.generators.networks import Critic, PriorToFeature
from kgzsl.generators.prior_scaling import PriorScaler
from kgzsl.generators.scaling import FeatureScaler
from kgzsl.generators.terms import Classification, Term
from kgzsl.generators.wgan_loop import LoopOptions, WGANLoop

__all__ = ["WGAN"]

_CHUNK = 8192


class WGAN(FeatureGenerator):
    """f-CLSWGAN (Xian et al., "Feature generating networks for zero-shot learning", CVPR 2018).

    The critic maximises the paper's L_WGAN, E[f(x, c)] - E[f(G(z, c), c)] - penalty * E[(|grad f| - 1)^2]; the
    generator minimises L_WGAN + beta L_CLS, -E[f(G(z, c), c)] + classification * E[-log P(y | G(z, c))]; c is the class
    prior, z normal noise.
    OntoZSL (Geng et al., WWW 2021) uses the same networks with ontology embeddings as c.

    Args:
        hidden: Width of the generator's hidden layer, or widths of several.
        critic_hidden: The same for the critic; None is as ``hidden``. With one layer its gradients have a closed form.
        epochs: Passes over the training rows, counted in generator steps.
        batch_size: Rows of one step.
        noise_dim: Width of the noise; None is the width of the prior.
        critic_steps: Critic steps for each generator step.
        penalty: Weight of the gradient penalty (lambda; the paper's 10).
        classification: Weight of the classification loss (beta; the paper's 0.01); 0 is without.
        lr: Learning rate of both Adams.
        betas: Their momenta.
        lr_decay: Share of the run, at its end, over which the learning rate falls to zero in a line; steadies the last
            epochs.
        ema: Decay of a running mean of the generator's weights, which then does the sampling; 0 is without.
            0.99 to 0.999 averages over the last 100 to 1000 steps and takes out the oscillation of a GAN.
        features: Scaling and output layer, see :class:`FeatureScaler`; ``"auto"`` looks at the data.
        priors: Scaling of the priors, see :class:`PriorScaler`: ``"l2"``, ``"standard"`` or ``"none"``.
        prior_size: Length of a scaled prior; larger lets the prior weigh more against the noise.
        clip: Keep samples within the range that each feature had in training.
    """

    def __init__(
        self,
        hidden: int | Sequence[int] = 4096,
        critic_hidden: int | Sequence[int] | None = None,
        epochs: int = 30,
        batch_size: int = 64,
        noise_dim: int | None = None,
        critic_steps: int = 5,
        penalty: float = 10.0,
        classification: float = 0.01,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        lr_decay: float = 0.0,
        ema: float = 0.0,
        features: str = "auto",
        priors: str = "l2",
        prior_size: float = 1.0,
        clip: bool = False,
    ) -> None:
        self.hidden, self.critic_hidden = hidden, critic_hidden
        self.epochs, self.batch_size, self.noise_dim, self.critic_steps = epochs, batch_size, noise_dim, critic_steps
        self.penalty, self.classification, self.lr, self.betas = penalty, classification, lr, betas
        self.lr_decay, self.ema, self.features, self.clip = lr_decay, ema, features, clip
        self.priors, self.prior_size = priors, prior_size
        self._check_options()
        self._network: PriorToFeature | None = None
        self._scaler, self._prior_scaler = FeatureScaler(features), PriorScaler(priors, prior_size)
        self._range: Tensor | None = None
        self._seed = 0

    def _check_options(self) -> None:
        checks = {
            "hidden": all(width >= 1 for width in _widths(self.hidden)),
            "critic_hidden": self.critic_hidden is None or all(width >= 1 for width in _widths(self.critic_hidden)),
            "epochs": self.epochs >= 0,
            "batch_size": self.batch_size >= 1,
            "noise_dim": self.noise_dim is None or self.noise_dim >= 1,
            "critic_steps": self.critic_steps >= 1,
            "penalty": self.penalty >= 0,
            "classification": self.classification >= 0,
            "lr": self.lr > 0,
            "betas": len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas),
            "lr_decay": 0 <= self.lr_decay <= 1,
            "ema": 0 <= self.ema < 1,
            "prior_size": self.prior_size > 0,
        }
        for name, fine in checks.items():
            if not fine:
                raise InputError(
                    f"{name}={getattr(self, name)!r} is out of range", remedy="see the option's description"
                )

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
    ) -> Self:
        """See :meth:`FeatureGenerator.fit`."""
        engine = engine or Engine(progress=False)
        check_training_data(features, labels, priors)
        device, dtype = engine.torch_device, engine.dtype
        features, priors, labels = features.to(device, dtype), priors.to(device, dtype), labels.to(device)
        self._seed = engine.seed
        self._range = torch.stack([features.amin(dim=0), features.amax(dim=0)]) if self.clip else None
        scaled = self._scaler.fit(features).transform(features)
        scaled_priors = self._prior_scaler.fit(priors).transform(priors)
        with engine.seeded():
            terms = self._terms(scaled, labels, priors, classifier)
        loop, per_epoch = self._build(scaled, labels, scaled_priors, terms, engine)

        def at(steps: int) -> Mapping[str, float] | None:
            self._take(loop)
            return None if callback is None else callback(self, steps // per_epoch)

        self.history = engine.run(
            loop,
            steps=self.epochs * per_epoch,
            name=type(self).__name__.lower(),
            callback=None if callback is None else at,
            callback_every=None if callback_every_epochs is None else callback_every_epochs * per_epoch,
        )
        self._take(loop)
        assert self._network is not None
        self._network.zero_grad()  # a generator that is kept needs no gradients
        return self

    def _terms(
        self, scaled: Tensor, labels: Tensor, priors: Tensor, classifier: Callable[[Tensor], Tensor] | None
    ) -> list[Term]:
        """The generator's further losses."""
        if not self.classification:
            return []
        if classifier is not None:
            return [Classification(lambda fake: classifier(self._scaler.inverse(fake)), self.classification)]
        weight, bias = _softmax_on(scaled, labels, len(priors))
        return [Classification(lambda fake: torch.addmm(bias, fake, weight), self.classification)]

    def _build(
        self, scaled: Tensor, labels: Tensor, priors: Tensor, terms: Sequence[Term], engine: Engine
    ) -> tuple[WGANLoop, int]:
        random = engine.generator()
        width, prior_dim = scaled.shape[1], priors.shape[1]
        noise_dim = self.noise_dim or prior_dim
        critic_hidden = _widths(self.hidden if self.critic_hidden is None else self.critic_hidden)
        activation = self._scaler.activation
        network = PriorToFeature(
            noise_dim, prior_dim, width, _widths(self.hidden), activation, generator=random, dtype=engine.dtype
        )
        critic = Critic(width, prior_dim, critic_hidden, generator=random, dtype=engine.dtype)
        self._network = engine.prepare(network)
        per_epoch = max(1, len(scaled) // (self.batch_size * engine.ranks))
        options = LoopOptions(
            batch_size=self.batch_size,
            critic_steps=self.critic_steps,
            penalty=self.penalty,
            lr=self.lr,
            betas=(self.betas[0], self.betas[1]),
            steps=self.epochs * per_epoch,
            lr_decay=self.lr_decay,
            ema=self.ema,
        )
        config = {key: list(v) if isinstance(v, tuple) else v for key, v in self.config().items()}
        sizes = {"rows": len(scaled), "feature_dim": width, "prior_dim": prior_dim, "classes": len(priors)}
        loop = WGANLoop(network, engine.prepare(critic), scaled, labels, priors, terms, options, engine, config | sizes)
        return loop, per_epoch

    def _take(self, loop: WGANLoop) -> None:
        """Sample with the loop's weights as they are now; the training goes on with weights of its own."""
        assert self._network is not None
        self._weights = loop.sampling_weights()

    def sample(self, prior_rows: Tensor, n: int, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`FeatureGenerator.sample`."""
        if self._network is None:
            raise InputError("this generator is not fitted", remedy="call fit first")
        if prior_rows.ndim != 2 or prior_rows.shape[1] != self._network.prior_dim:
            raise InputError(
                f"priors of shape {tuple(prior_rows.shape)} do not fit a generator for {self._network.prior_dim}-d"
            )
        like = self._weights[0]
        if generator is None:
            generator = torch.Generator(device=like.device).manual_seed(self._seed)
        priors = self._prior_scaler.transform(prior_rows.to(device=like.device, dtype=like.dtype))
        labels = torch.arange(len(priors), device=like.device).repeat_interleave(n)
        out = torch.empty(len(labels), self._weights[-1].shape[0], device=like.device, dtype=like.dtype)
        names = [name for name, _ in self._network.named_parameters()]
        weights = dict(zip(names, self._weights, strict=True))
        with torch.no_grad():
            for rows, part in zip(torch.split(out, _CHUNK), torch.split(labels, _CHUNK), strict=True):
                shape = (len(part), self._network.noise_dim)
                noise = torch.randn(shape, generator=generator, device=generator.device, dtype=like.dtype)
                fake = torch.func.functional_call(self._network, weights, (noise.to(like.device), priors[part]))
                rows.copy_(self._scaler.inverse(fake))
        if self._range is not None:
            out = out.clamp_(self._range[0], self._range[1])
        return out, labels

    def state_dict(self) -> dict[str, Any]:
        """See :meth:`FeatureGenerator.state_dict`."""
        if self._network is None:
            raise InputError("this generator is not fitted", remedy="call fit first")
        names = [name for name, _ in self._network.named_parameters()]
        return {
            "network": dict(zip(names, self._weights, strict=True)),
            "noise_dim": self._network.noise_dim,
            "features": self._scaler.state_dict(),
            "priors": self._prior_scaler.state_dict(),
            "range": self._range,
            "seed": self._seed,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """See :meth:`FeatureGenerator.load_state_dict`."""
        weights: dict[str, Tensor] = state["network"]
        matrices = [value for name, value in weights.items() if name.startswith("weights.")]
        self._scaler = FeatureScaler().load_state_dict(state["features"])
        self._prior_scaler = PriorScaler().load_state_dict(state["priors"])
        noise_dim = int(state["noise_dim"])
        self._network = PriorToFeature(
            noise_dim,
            matrices[0].shape[1] - noise_dim,
            matrices[-1].shape[0],
            [matrix.shape[0] for matrix in matrices[:-1]],
            self._scaler.activation,
            generator=torch.Generator(device=matrices[0].device),
            dtype=matrices[0].dtype,
        )
        self._network.load_state_dict(weights)
        self._weights = [p.detach() for p in self._network.parameters()]
        self._range, self._seed = state["range"], int(state["seed"])
        return self


def _widths(hidden: int | Sequence[int]) -> list[int]:
    return [hidden] if isinstance(hidden, int) else list(hidden)


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
