"""What the training loops of all generators share: batches, optimizers, the running mean, checkpoints."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from kgzsl.engine import CapturedStep, CaptureWarning, Engine
from kgzsl.generators.terms import Term

__all__ = ["Episode", "GeneratorLoop", "LoopOptions", "TrainingData", "adam"]


@dataclass(frozen=True)
class LoopOptions:
    """The figures of the iteration; see :class:`kgzsl.generators.WGAN`."""

    batch_size: int
    critic_steps: int
    penalty: float
    lr: float
    betas: tuple[float, float]
    steps: int
    lr_decay: float = 0.0
    ema: float = 0.0


class Episode:
    """Which rows a step shows, and which are held out of it with their classes; drawn anew for every step.

    Args:
        labels: Int64 [N].
        share: Share of the classes to hold out; at least one is, and at least one is shown.

    Attributes:
        shown: Int64, rows of the classes that the step shows.
        held_out: Int64, the other rows.
        hidden: Bool, which classes are held out.
    """

    def __init__(self, labels: Tensor, share: float) -> None:
        self._labels = labels
        self._classes = torch.unique(labels)
        self._count = min(max(1, round(share * len(self._classes))), len(self._classes) - 1)
        self.shown = self.held_out = torch.arange(len(labels), device=labels.device)
        self.hidden = torch.zeros(int(self._classes.max()) + 1, dtype=torch.bool, device=labels.device)

    def renew(self, random: torch.Generator) -> None:
        """Choose other classes to hold out."""
        order = torch.randperm(len(self._classes), generator=random, device=self._labels.device)
        self.hidden = torch.zeros_like(self.hidden).index_fill_(0, self._classes[order[: self._count]], True)
        hidden = self.hidden[self._labels]
        self.held_out, self.shown = torch.nonzero(hidden).flatten(), torch.nonzero(~hidden).flatten()


@dataclass(frozen=True)
class TrainingData:
    """Seen features and priors, scaled, on the engine's device, and how to draw from them.

    Args:
        features: Float [N, D].
        labels: Int64 [N], rows of ``priors``.
        priors: Float [C, P].
        terms: Further losses on generated features.
        engine: Random state, precision, ranks.
        config: What a checkpoint must agree with.
        episode: Which classes are held out of the step; None holds none out.
        weights: Float64 [N], above 0: how often each row is drawn beside the others; None: all alike.
    """

    features: Tensor
    labels: Tensor
    priors: Tensor
    terms: tuple[Term, ...]
    engine: Engine
    config: dict[str, Any] | None = field(default=None)
    episode: Episode | None = field(default=None)
    weights: Tensor | None = field(default=None)

    def draw(self, count: int, *, features: bool = True, held_out: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Labels [count], features [count, D] (none if not asked for) and priors [count, P] of random rows.

        Args:
            count: Rows.
            features: Whether features are asked for.
            held_out: In an episode: rows of the classes that are held out of it, instead of the others.
        """
        pool = None
        if self.episode is not None:
            pool = self.episode.held_out if held_out else self.episode.shown
        places = self._places(count, pool)
        rows = places if pool is None else pool[places]
        labels = self.labels[rows]
        return labels, self.features[rows] if features else self.features[:0], self.priors[labels]

    def _places(self, count: int, pool: Tensor | None) -> Tensor:
        """Random places [count] in ``pool``, or among all rows."""
        device, random = self.features.device, self.engine.generator()
        if self.weights is None:
            size = len(self.features if pool is None else pool)
            return torch.randint(size, (count,), generator=random, device=device)
        ends = (self.weights if pool is None else self.weights[pool]).cumsum(0)
        at = torch.rand(count, generator=random, device=device, dtype=ends.dtype) * ends[-1]
        return torch.searchsorted(ends, at, right=True).clamp_max(len(ends) - 1)

    def normal(self, *shape: int) -> Tensor:
        """Normal noise of this shape."""
        like = self.features
        return torch.randn(shape, generator=self.engine.generator(), device=like.device, dtype=like.dtype)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform noise in [0, 1) of this shape."""
        like = self.features
        return torch.rand(shape, generator=self.engine.generator(), device=like.device, dtype=like.dtype)


def adam(
    parameters: nn.Module | Iterable[nn.Parameter],
    lr: float | Tensor,
    betas: tuple[float, float],
    *,
    capturable: bool = False,
) -> torch.optim.Adam:
    """Adam, in one kernel over each parameter where the device has it.

    Args:
        parameters: What it changes.
        lr: The learning rate; a tensor may be changed between the steps of a recording.
        betas: The momenta.
        capturable: Whether its steps are to be recorded.
    """
    listed = list(parameters.parameters() if isinstance(parameters, nn.Module) else parameters)
    fused = listed[0].device.type in ("cpu", "cuda")
    both = (float(betas[0]), float(betas[1]))
    made = torch.optim.Adam(listed, lr=lr, betas=both, fused=fused, capturable=capturable)
    # torch warns of a capturable Adam that steps outside of a capture; the steps before a recording are just that.
    made._warned_capturable_if_run_uncaptured = capturable
    return made


class GeneratorLoop:
    """Modules, an Adam for each group of them, a running mean of those that sample.

    Subclasses write :meth:`iterate`: call :meth:`update` for each group, :meth:`average` last. Where the engine
    captures steps, it is recorded and replayed: it must neither wait for the device nor read numbers of the host that
    change from step to step; those go through :meth:`varying`, in :meth:`begin`.

    Args:
        modules: Name to module; what a checkpoint holds.
        groups: Name of an optimizer to the names of its modules.
        sampling: The modules that sampling and embedding need.
        data: What to train on.
        options: See :class:`LoopOptions`.
    """

    hint = "lower lr, or look at the scaling of the features"

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        groups: Mapping[str, Sequence[str]],
        sampling: Sequence[str],
        data: TrainingData,
        options: LoopOptions,
    ) -> None:
        self.config = data.config
        self._modules, self._data, self._options = dict(modules), data, options
        self._engine, self._terms = data.engine, data.terms
        self._sampling = tuple(sampling)
        self._varying: dict[str, Tensor] = {}
        self._captured = CapturedStep(self.iterate, data.engine.recording()) if self._captures() else None
        lr = self._rate(options.lr)
        self._optimizers = {
            name: adam(
                [p for one in names for p in modules[one].parameters()],
                lr,
                options.betas,
                capturable=self._captured is not None,
            )
            for name, names in groups.items()
        }
        # The running mean of the sampling modules; themselves until the first step.
        self._mean = {name: copy.deepcopy(modules[name]) for name in sampling} if options.ema else {}

    def step(self, index: int) -> dict[str, Tensor]:
        """One step of training; see :class:`kgzsl.engine.TrainingLoop`."""
        self.begin(index)
        return self.iterate() if self._captured is None else self._captured()

    def iterate(self) -> dict[str, Tensor]:
        """The step itself, after :meth:`begin`; its losses."""
        raise NotImplementedError

    def _captures(self) -> bool:
        """Whether steps are to be captured and can be; says why not where they cannot."""
        if not self._engine.captures:
            return False
        moving = [term.name for term in self._terms if not getattr(term, "static", True)]
        why = None
        if self._engine.ranks > 1:
            why = "several ranks train together"
        elif self._data.episode is not None:
            why = "hold_out chooses other rows for each step"
        elif moving:
            why = f"the shapes of {moving[0]} depend on what is drawn"
        if why is not None:
            warnings.warn(f"training goes on step by step: it cannot be captured ({why})", CaptureWarning, stacklevel=4)
        return why is None

    def varying(self, name: str, value: float, dtype: torch.dtype | None = None) -> float | Tensor:
        """A number that changes from step to step: itself, or where steps are captured, memory that holds it now."""
        if self._captured is None:
            return value
        if name not in self._varying:
            like = self._data.features
            self._varying[name] = torch.empty((), dtype=dtype or like.dtype, device=like.device)
        return self._varying[name].fill_(value)

    def _rate(self, value: float) -> float | Tensor:
        if not self._options.lr_decay:
            return value
        # The kernel reads a float32 on a GPU; on a CPU it takes the number as it is.
        on_cpu = self._data.features.device.type == "cpu"
        return self.varying("lr", value, torch.float64 if on_cpu else torch.float32)

    def begin(self, index: int) -> None:
        """Set the learning rate of step ``index``, and choose the classes held out of it; never part of a recording."""
        if self._data.episode is not None:
            self._data.episode.renew(self._engine.generator())
        if not self._options.lr_decay:
            return
        start = (1 - self._options.lr_decay) * self._options.steps
        rest = (self._options.steps - index) / max(self._options.steps - start, 1)
        rate = self._rate(self._options.lr * min(1.0, rest))
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate

    def update(self, group: str, loss: Tensor) -> None:
        """Gradients of ``loss`` by the modules of ``group`` (and by no other), and one Adam step."""
        parameters = self.parameters(group)
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self._engine.average_gradients(parameters)
        self._optimizers[group].step()

    def parameters(self, group: str) -> list[nn.Parameter]:
        """The parameters of a group."""
        return [p for one in self._optimizers[group].param_groups for p in one["params"]]

    def add_terms(self, fake: Tensor, labels: Tensor, priors: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the further losses on generated features, and each of them for the log."""
        total = torch.zeros((), dtype=fake.dtype, device=fake.device)
        losses: dict[str, Tensor] = {}
        for term in self._terms:
            extra = term(fake, labels, priors)
            total = total + term.weight * extra
            losses[term.name] = extra.detach()
        return total, losses

    def average(self) -> None:
        """Take one step of the running mean."""
        for name, mean in self._mean.items():
            weights = [p.detach() for p in self._modules[name].parameters()]
            torch._foreach_lerp_([p.data for p in mean.parameters()], weights, 1 - self._options.ema)

    def sampling_modules(self) -> dict[str, nn.Module]:
        """The modules to sample with: their running mean if there is one, else themselves."""
        return self._mean or {name: self._modules[name] for name in self._sampling}

    def state_dict(self) -> dict[str, Any]:
        """Modules, optimizers, the running mean."""
        return {
            "modules": {name: module.state_dict() for name, module in self._modules.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()},
            "mean": {name: module.state_dict() for name, module in self._mean.items()},
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Put back what :meth:`state_dict` gave."""
        for name, module in self._modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
            for (
                group
            ) in optimizer.param_groups:  # a checkpoint may come from a run that captured, or from one that did not
                group["capturable"], group["lr"] = self._captured is not None, self._rate(float(group["lr"]))
        for name, module in self._mean.items():
            module.load_state_dict(state["mean"][name])
        if self._captured is not None:
            self._captured.forget()
