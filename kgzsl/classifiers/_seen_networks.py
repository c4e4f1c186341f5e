"""Networks with one hidden layer that tell seen classes apart by their priors, several trained side by side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from kgzsl.classifiers._episodes import held_classes, prototype_losses
from kgzsl.classifiers._inputs import check_finite

__all__ = ["NetworkOptions", "hidden_rows", "train_networks"]


@dataclass(frozen=True)
class NetworkOptions:
    """How the networks are trained; what is usual stands in :class:`kgzsl.classifiers.DeepPrototypes`.

    Attributes:
        networks: K, how many; they differ by their first weights, their batches and what is dropped.
        hidden: H, units of the hidden layer.
        drop_inputs: Share of the inputs that a step leaves out.
        drop_hidden: Share of the hidden units that a step leaves out.
        smoothing: Share of each label that goes to all seen classes alike.
        lr: First learning rate of AdamW; it falls to zero along a line.
        epochs: Passes over the data.
        batch_size: Rows of a step.
        weight_decay: AdamW's.
        hold_out: Share of the classes that a step holds out.
        seed: Of all draws.
    """

    networks: int
    hidden: int
    drop_inputs: float
    drop_hidden: float
    smoothing: float
    lr: float
    epochs: int
    batch_size: int
    weight_decay: float
    hold_out: float
    seed: int


@torch.enable_grad()
def train_networks(inputs: Tensor, labels: Tensor, anchors: Tensor, options: NetworkOptions) -> tuple[Tensor, Tensor]:
    """Learn hidden layers from which a linear map leads to the priors.

    ``max(0, x W + b) V + v`` is compared with the anchors by inner products; the mean of -log of the right class's
    share is minimised, with the logarithm of each class's share of the rows beside its score, so that frequent classes
    draw nothing to them. V and v are of no use afterwards.

    With ``hold_out`` a step's rows of the classes that it holds out are told in another way: by the hidden layer alone,
    see :func:`prototype_losses`. They then teach V and v nothing.

    Args:
        inputs: float32 [N, D].
        labels: int64 [N], rows of ``anchors``.
        anchors: float32 [S, P], of the seen classes.
        options: See there.

    Returns:
        W, float32 [K, D, H], and b, float32 [K, 1, H].

    Raises:
        InputError: The weights are no longer finite.
    """
    count, width, device = options.networks, inputs.shape[1], inputs.device
    generator = torch.Generator(device=device).manual_seed(int(options.seed))
    first, first_bias = _drawn(count, width, options.hidden, generator)
    last, last_bias = _drawn(count, options.hidden, anchors.shape[1], generator)
    weights = [first, first_bias, last, last_bias]
    shares = (torch.bincount(labels, minlength=len(anchors)) / len(labels)).clamp_min(1e-12).log()
    optimiser = torch.optim.AdamW(weights, lr=options.lr, weight_decay=options.weight_decay, fused=True)
    gram = anchors @ anchors.T if options.hold_out and len(anchors) > 2 else None  # one is to be kept, two told apart
    batches = -(-len(inputs) // options.batch_size)
    steps, done = options.epochs * batches, 0
    for _ in range(options.epochs):
        orders = torch.stack(
            [torch.randperm(len(inputs), generator=generator, device=device) for _ in range(count)], dim=1
        )
        for rows in torch.split(orders, int(options.batch_size)):
            for group in optimiser.param_groups:
                group["lr"] = options.lr * (1 - done / steps)
            shown = _dropped(inputs[rows.T], options.drop_inputs, generator)  # [K, B, D]
            layer = torch.baddbmm(first_bias, shown, first).relu()
            layer = _dropped(layer, options.drop_hidden, generator)
            scores = torch.baddbmm(last_bias, layer, last) @ anchors.T + shares
            # A mean over rows and networks: each network's gradient is its own, whatever their number.
            told = scores.flatten(0, 1), labels[rows.T].flatten()
            if gram is None:
                loss = count * functional.cross_entropy(*told, label_smoothing=options.smoothing)
            else:
                held = held_classes(len(anchors), options.hold_out, generator)
                plain = functional.cross_entropy(*told, label_smoothing=options.smoothing, reduction="none")
                apart = prototype_losses(layer, labels[rows.T], gram, held, options.smoothing).flatten()
                loss = count * torch.where(held[told[1]], apart, plain).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            done += 1
    check_finite(first, "the networks")
    return first.detach(), first_bias.detach()


def hidden_rows(inputs: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """The hidden layer of one network, float32 [N, H], for its W [D, H] and b [1, H]."""
    return torch.addmm(bias, inputs, weights).relu_()


def _drawn(count: int, rows: int, columns: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weights [K, rows, columns] and biases [K, 1, columns], even within 1 / sqrt(rows)."""
    bound = rows**-0.5
    shapes = ((count, rows, columns), (count, 1, columns))
    made = [torch.empty(s, device=generator.device).uniform_(-bound, bound, generator=generator) for s in shapes]
    return made[0].requires_grad_(True), made[1].requires_grad_(True)


def _dropped(values: Tensor, share: float, generator: torch.Generator) -> Tensor:
    if not share:
        return values
    kept = torch.empty_like(values).bernoulli_(1 - share, generator=generator)
    return values * kept.mul_(1 / (1 - share))
