"""The training loop of triple embeddings: shared negatives, both sides corrupted, one gather per step."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.errors import InputError
from kgzsl.priors._queue import Queue
from kgzsl.priors.triples.constraints import TypeConstraints
from kgzsl.priors.triples.losses import self_adversarial_loss, softmax_loss
from kgzsl.priors.triples.model import TripleModel
from kgzsl.priors.triples.row_adam import RowAdam
from kgzsl.priors.triples.stopping import EarlyStopping

__all__ = ["TripleLoop", "TripleOptions"]

_MANY = {"cpu": 10, "cuda": 64}
"""From how many times the rows that a step touches a table is trained by rows."""


@dataclass(frozen=True)
class TripleOptions:
    """How triple embeddings are trained.

    Args:
        batch_size: Triples per step.
        negatives: Nodes drawn per step, shared by the whole batch as heads and as tails; 0 takes all nodes (1-vs-all).
        loss: ``"self-adversarial"`` or ``"softmax"``.
        margin: g of the self-adversarial loss.
        temperature: Sharpness of the self-adversarial weights.
        lr: Adam's learning rate at the start; it falls linearly to a tenth.
        n3: Weight of the N3 penalty.
        constrained: Whether negatives must fit the relation's domain or range.
    """

    batch_size: int = 512
    negatives: int = 256
    loss: Literal["self-adversarial", "softmax"] = "self-adversarial"
    margin: float = 6.0
    temperature: float = 1.0
    lr: float = 0.01
    n3: float = 0.0
    constrained: bool = False

    def __post_init__(self) -> None:
        if self.loss not in ("self-adversarial", "softmax"):
            raise InputError(f"loss={self.loss!r} is not known", remedy="choose 'self-adversarial' or 'softmax'")
        for name, low in (("batch_size", 1), ("negatives", 0), ("temperature", 0), ("n3", 0)):
            if getattr(self, name) < low:
                raise InputError(f"{name}={getattr(self, name)!r} is less than {low}")
        if self.lr <= 0:
            raise InputError(f"lr={self.lr!r} is not positive")


class TripleLoop:
    """Trains a :class:`TripleModel` (the engine's ``TrainingLoop``).

    Each step draws one pool of nodes. Negatives of both sides come from it, so scoring is two matrix products; nodes
    enter the pool in turn, all equally often. Corrupted triples that are known to be true get no weight.

    Adam moves all rows of a table in each step. Where there are many more than a step touches, the same is done row by
    row (:class:`RowAdam`), so that a step costs the same however many nodes there are. Rows that were not read lately
    are then behind: the table is whole after every ``read_every`` steps, after the last one, and after :meth:`settle`.

    Args:
        model: What is trained, on the device of ``triples``.
        triples: int64 [T, 3].
        options: How.
        steps: Steps of the whole run, for the learning rate.
        generator: Draws batches and pools; its state is part of :meth:`state_dict`.
        known: All true triples, which are no negatives; None takes those trained on.
        constraints: What fits each relation, for ``constrained``; None takes what the triples show.
        stopping: Ends the training early; further steps do nothing.
        read_every: After every so many steps somebody reads the model's tables; None is after the last one.
        by_rows: Whether nodes are trained by rows; None: where that is faster.
    """

    hint = "lower lr"

    def __init__(
        self,
        model: TripleModel,
        triples: Tensor,
        options: TripleOptions,
        *,
        steps: int,
        generator: torch.Generator,
        known: FilterIndex | None = None,
        constraints: TypeConstraints | None = None,
        stopping: EarlyStopping | None = None,
        read_every: int | None = None,
        by_rows: bool | None = None,
    ) -> None:
        self.model = model
        self.options = options
        self.config = {"model": type(model.scorer).__name__, "dim": model.scorer.dim, "steps": steps, **asdict(options)}
        self._triples = triples
        self._generator = generator
        self._steps = steps
        self._known = known or FilterIndex(triples, model.num_nodes, model.num_relations)
        if options.constrained and constraints is None:
            constraints = TypeConstraints.seen(triples, model.num_nodes, model.num_relations)
        self._constraints = constraints if options.constrained else None
        self._stopping = stopping
        self._last: dict[str, Tensor] = {}
        self._read_every = max(steps, 1) if read_every is None else read_every
        if by_rows is None:
            touched = 2 * min(options.batch_size, len(triples)) + options.negatives
            by_rows = model.num_nodes >= _MANY.get(triples.device.type, 64) * touched
        able = model.reads_few and options.negatives > 0 and model.nodes.dtype in (torch.float32, torch.float64)
        self._rows = RowAdam(model.nodes, options.lr, steps=steps) if by_rows and able else None
        if self._rows is not None:
            self.config["by_rows"] = True
        others = [one for one in model.parameters() if self._rows is None or one is not model.nodes]
        self._optimizer = torch.optim.Adam(others, lr=options.lr, fused=True)
        device = triples.device
        self._slot = torch.full((model.num_nodes,), -1, dtype=torch.int64, device=device)
        self._queues = {
            "batch": Queue(len(triples), options.batch_size, generator, device),
            "pool": Queue(model.num_nodes, options.negatives, generator, device),
        }

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every triple is seen once."""
        return -(-len(self._triples) // self.options.batch_size)

    def step(self, index: int) -> dict[str, Tensor]:
        """One batch; see the class."""
        if self._stopping is not None and self._stopping.stopped and self._last:
            return self._last
        lr = self.options.lr * (1 - 0.9 * index / max(self._steps, 1))
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        batch = self._triples[self._queues["batch"].next()]
        pool = self._pool(batch[:, 1])
        known = self._excluded(batch, pool)
        read = batch[:0, 0]
        if self._rows is not None and pool is not None:
            read = torch.unique(torch.cat([batch[:, 0], batch[:, 2], pool]))
            self._rows.lr = lr
            self._rows.fetch(read)
        losses = self.model.put_gradients(batch, pool, known, self.options)
        if losses is None:
            self.model.zero_grad(set_to_none=True)
            self.model.by_rows = self._rows is not None
            try:
                losses = self._losses(batch, pool, known)
            finally:
                self.model.by_rows = False
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        if self._rows is not None:
            self._rows.step(_gradient_of(self.model.nodes, read))
        self._last = {name: value.detach() for name, value in losses.items()}
        done, stopping = index + 1, self._stopping
        if done >= self._steps or not done % self._read_every or (stopping and not done % stopping.every):
            self.settle()
        if stopping is not None:
            stopping.after(done)
        return self._last

    def settle(self) -> None:
        """Make the tables whole, see the class."""
        if self._rows is not None:
            self._rows.settle()

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        """The losses of ``batch`` (int64 [B, 3]) with a fresh pool; their sum is what is minimised."""
        self.settle()
        pool = self._pool(batch[:, 1])
        return self._losses(batch, pool, self._excluded(batch, pool))

    def _losses(self, batch: Tensor, pool: Tensor | None, excluded: Tensor) -> dict[str, Tensor]:
        options, model, scorer = self.options, self.model, self.model.scorer
        head, relation, tail = batch.unbind(dim=1)
        ids = torch.cat([head, tail] if pool is None else [head, tail, pool])
        # One gather, so that one dense gradient of the table is made.
        vectors = model.vectors(ids)
        heads, tails = vectors[: len(batch)], vectors[len(batch) : 2 * len(batch)]
        candidates = model.vectors() if pool is None else vectors[2 * len(batch) :]
        relations = model.relations[relation]
        positive = scorer.score(heads, relations, tails)
        if model.inverse:
            back = model.backwards(relation)
            turned = scorer.score(tails, back, heads), scorer.score_tails(tails, back, candidates)
        else:
            turned = positive, scorer.score_heads(relations, tails, candidates)
        sides = (positive, scorer.score_tails(heads, relations, candidates)), turned
        total = positive.new_zeros(())
        for (true, false), known in zip(sides, excluded, strict=True):
            if options.loss == "softmax":
                total = total + 0.5 * softmax_loss(true, false, known=known)
            else:
                total = total + 0.5 * self_adversarial_loss(
                    true, false, margin=options.margin, temperature=options.temperature, known=known
                )
        losses = {"loss": total}
        extra = model.extra_loss(vectors[: 2 * len(batch)])
        if extra is not None:
            losses["extra"] = extra
        if options.n3:
            losses["n3"] = options.n3 * scorer.penalty(heads, relations, tails)
            if model.inverse:
                losses["n3"] = (losses["n3"] + options.n3 * scorer.penalty(tails, back, heads)) / 2
        return losses

    def _pool(self, relation: Tensor) -> Tensor | None:
        """The nodes that stand in on both sides; None for all."""
        if not self.options.negatives:
            return None
        if self._constraints is not None:
            return self._constraints.draw(relation, self.options.negatives, self._generator)
        return self._queues["pool"].next()

    def _excluded(self, batch: Tensor, pool: Tensor | None) -> Tensor:
        """bool [2, B, M or N]: which corrupted tails and heads are no negatives."""
        head, relation, tail = batch.unbind(dim=1)
        size = self.model.num_nodes if pool is None else len(pool)
        found = torch.zeros(2, len(batch), size, dtype=torch.bool, device=batch.device)
        for at_head, end in enumerate((head, tail)):
            # Many triples of a batch may ask the same, and some have very many answers: each is looked up once.
            keys, place = torch.unique(end * self.model.num_relations + relation, return_inverse=True)
            ends, relations = keys // self.model.num_relations, keys % self.model.num_relations
            true = self._known.heads(relations, ends) if at_head else self._known.tails(ends, relations)
            torch.index_select(self._mask((len(keys), size), true, pool), 0, place, out=found[at_head])
        if self._constraints is not None:
            for mask, table in zip(found, (self._constraints.tails, self._constraints.heads), strict=True):
                mask |= ~(table[relation] if pool is None else table[relation[:, None], pool])
        return found

    def _mask(self, shape: tuple[int, int], true: tuple[Tensor, Tensor], pool: Tensor | None) -> Tensor:
        rows, nodes = true
        mask = torch.zeros(shape, dtype=torch.bool, device=nodes.device)
        if pool is None:
            mask[rows, nodes] = True
            return mask
        self._slot[pool] = torch.arange(len(pool), device=pool.device)
        columns = self._slot[nodes]
        self._slot[pool] = -1
        inside = columns >= 0
        mask[rows[inside], columns[inside]] = True
        return mask

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            **({} if self._rows is None else {"rows": self._rows.state_dict()}),
            "queues": {name: queue.state_dict() for name, queue in self._queues.items()},
            "generator": self._generator.get_state(),
            "last": self._last,
            **({} if self._stopping is None else {"stopping": self._stopping.state_dict()}),
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Put back what :meth:`state_dict` gave."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._rows is not None:
            self._rows.load_state_dict(state["rows"])
        for name, queue in self._queues.items():
            queue.load_state_dict(state["queues"][name])
        self._generator.set_state(state["generator"].cpu())
        self._last = dict(state["last"])
        if self._stopping is not None:
            self._stopping.load_state_dict(state["stopping"])


def _gradient_of(table: Tensor, rows: Tensor) -> Tensor:
    """The gradient [n, D] of the ``rows`` (int64 [n], sorted) of a table that a loss has read, which is 0 elsewhere."""
    gradient = table.grad
    if gradient is None:
        return torch.zeros_like(table.detach()[rows])
    if not gradient.is_sparse:
        return gradient.index_select(0, rows)
    gradient = gradient.coalesce()
    found, values = gradient.indices()[0], gradient.values()
    if len(found) == len(rows):
        return values
    return torch.zeros_like(table.detach()[rows]).index_copy_(0, torch.searchsorted(rows, found), values)
