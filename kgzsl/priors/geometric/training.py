"""The training loop of geometric embeddings: a batch of each normal form in every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.priors._queue import Queue
from kgzsl.priors.geometric.model import GeometricModel

__all__ = ["AxiomLoop", "AxiomOptions"]


@dataclass(frozen=True)
class AxiomOptions:
    """How geometric embeddings are trained.

    Args:
        batch_size: Axioms of each form per step.
        negatives: Corrupted axioms per axiom, for C ⊑ D and C ⊑ ∃r.D.
        apart: How far C must stand out of D in a corrupted C ⊑ D.
        lr: Adam's learning rate at the start; it falls linearly to a tenth.
        likely: Share of the corrupted axioms whose D is drawn from the axioms of the form, as often as it stands there,
            instead of among all concepts: else what is general is hardly ever a negative, and its region swallows all.
    """

    batch_size: int = 512
    negatives: int = 2
    apart: float = 0.5
    lr: float = 0.01
    likely: float = 0.5

    def __post_init__(self) -> None:
        for name, low in (("batch_size", 1), ("negatives", 0), ("apart", 0)):
            if getattr(self, name) < low:
                raise InputError(f"{name}={getattr(self, name)!r} is less than {low}")
        if not 0 <= self.likely <= 1:
            raise InputError(f"likely={self.likely!r} is not a share from 0 to 1")
        if self.lr <= 0:
            raise InputError(f"lr={self.lr!r} is not positive")


class AxiomLoop:
    """Trains a :class:`GeometricModel` (the engine's ``TrainingLoop``).

    The loss is the sum over the forms of their mean loss, as ELEm and Box2EL have it. Negatives of C ⊑ ∃r.D are the
    model's own. C ⊑ D has none in those papers, where a taxonomy alone may collapse to one point; here a corrupted
    one must fail by ``apart``: ``max(0, apart - gap)``. What follows from the training axioms is never corrupted to.

    Args:
        model: What is trained.
        forms: Form -> int64 [n, columns] on the model's device; forms that the model leaves unsaid are not read.
        closure: int64 [K], sorted ``C * num_concepts + D`` of what the training axioms lead to.
        options: How.
        steps: Steps of the whole run, for the learning rate.
        generator: Draws batches and negatives.
    """

    hint = "lower lr"

    def __init__(
        self,
        model: GeometricModel,
        forms: Mapping[str, Tensor],
        closure: Tensor,
        options: AxiomOptions,
        *,
        steps: int,
        generator: torch.Generator,
    ) -> None:
        self.model, self.options = model, options
        self.config = {"model": type(model).__name__, "dim": model.dim, "steps": steps, **asdict(options)}
        self._forms = {form: rows for form, rows in forms.items() if len(rows) and form not in model.unsaid}
        device = closure.device
        self._queues = {
            form: Queue(len(rows), options.batch_size, generator, device) for form, rows in self._forms.items()
        }
        self._closure, self._steps, self._generator = closure, steps, generator
        links = self._forms.get("gci2")
        self._links = torch.unique(_key(links, model)) if links is not None else closure[:0]
        self._optimizer = torch.optim.Adam(model.parameters(), lr=options.lr, fused=True)

    @staticmethod
    def steps_per_epoch(forms: Mapping[str, Any], model: GeometricModel, batch_size: int) -> int:
        """Steps in which every axiom is seen at least once."""
        counts = [len(rows) for form, rows in forms.items() if form not in model.unsaid]
        return -(-max(counts, default=0) // batch_size)

    def step(self, index: int) -> dict[str, Tensor]:
        """One batch of every form."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.options.lr * (1 - 0.9 * index / max(self._steps, 1))
        batch = {form: rows[self._queues[form].next()] for form, rows in self._forms.items()}
        self._optimizer.zero_grad(set_to_none=True)
        losses = self.losses(batch)
        loss = torch.stack(list(losses.values())).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return {"loss": loss.detach(), **{name: value.detach() for name, value in losses.items()}}

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Mean loss per form of ``batch``, ``negative`` and ``regulariser``; their sum is what is minimised."""
        model, options = self.model, self.options
        found = {form: model.loss(form, rows).mean() for form, rows in batch.items()}
        if options.negatives and "gci0" in batch:
            pairs = self._corrupt("gci0", batch["gci0"])
            false = ~_among(pairs[:, 0] * model.num_concepts + pairs[:, 1], self._closure) & (
                pairs[:, 0] != pairs[:, 1]
            )
            gap = (options.apart - model.gaps(pairs[:, 0], pairs[:, 1])).relu()
            found["negative gci0"] = (gap * false).sum() / false.sum().clamp_min(1)
        if options.negatives and "gci2" in batch:
            rows = self._corrupt("gci2", batch["gci2"])
            false = ~_among(_key(rows, model), self._links)
            found["negative gci2"] = (model.unlinked(rows) * false).sum() / false.sum().clamp_min(1)
        found["regulariser"] = model.regulariser()
        return found

    def _corrupt(self, form: str, rows: Tensor) -> Tensor:
        """``negatives`` copies of ``rows`` with another concept in the last column."""
        copies = rows.repeat(self.options.negatives, 1)
        count, where = len(copies), {"generator": self._generator, "device": self._generator.device}
        last = torch.randint(self.model.num_concepts, (count,), **where)  # type: ignore[call-overload]
        if self.options.likely:
            used = self._forms[form][:, -1]
            drawn = used[torch.randint(len(used), (count,), **where)]  # type: ignore[call-overload]
            last = torch.where(torch.rand(count, **where) < self.options.likely, drawn, last)  # type: ignore[call-overload]
        return torch.cat([copies[:, :-1], last[:, None]], dim=1)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "queues": {name: queue.state_dict() for name, queue in self._queues.items()},
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Put back what :meth:`state_dict` gave."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        for name, queue in self._queues.items():
            queue.load_state_dict(state["queues"][name])
        self._generator.set_state(state["generator"].cpu())


def _key(rows: Tensor, model: GeometricModel) -> Tensor:
    """One number for each (C, r, D)."""
    return (rows[:, 0] * model.num_roles + rows[:, 1]) * model.num_concepts + rows[:, 2]


def _among(keys: Tensor, known: Tensor) -> Tensor:
    """bool [n]: which ``keys`` are in the sorted ``known``."""
    if not len(known):
        return torch.zeros(len(keys), dtype=torch.bool, device=keys.device)
    return known[torch.searchsorted(known, keys).clamp_max(len(known) - 1)] == keys
