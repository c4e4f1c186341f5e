"""Skip-gram with negative sampling: token vectors from token streams."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kgzsl.errors import InputError
from kgzsl.priors.walks.documents import Documents

__all__ = ["SkipGramLoop", "SkipGramOptions"]


@dataclass(frozen=True)
class SkipGramOptions:
    """How token vectors are trained.

    Args:
        dim: Numbers per token.
        window: Farthest context; each centre draws its own from 1 to this, as word2vec does.
        negatives: Noise tokens per context, in expectation.
        pool: Noise tokens drawn per step, which the whole batch shares.
        batch_size: Centres per step.
        lr: Adam's learning rate at the start; it falls linearly to a tenth.
    """

    dim: int = 100
    window: int = 5
    negatives: int = 5
    pool: int = 64
    batch_size: int = 1024
    lr: float = 0.025

    def __post_init__(self) -> None:
        for name in ("dim", "window", "negatives", "pool", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)!r} is less than 1")
        if self.lr <= 0:
            raise InputError(f"lr={self.lr!r} is not positive")


class SkipGramLoop:
    """Trains vectors so that a token tells its contexts from noise (the engine's ``TrainingLoop``).

    Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality" (NIPS 2013), equation
    4, over every pair (c, o) of a centre and a context: ``log s(v_c . u_o) + k E_n log s(-v_c . u_n)`` with noise n
    drawn by frequency to the power 3/4. The noise of a step is drawn once and weighted, which has the same expectation
    and makes of its scores one matrix product.

    Args:
        documents: What is read.
        num_tokens: Number of different tokens.
        options: How.
        steps: Steps of the whole run, for the learning rate.
        generator: Draws vectors, centres, windows and noise.
        device: Where to train.
        dtype: In which type.

    Raises:
        InputError: No token has a context.
    """

    hint = "lower lr"

    def __init__(
        self,
        documents: Documents,
        num_tokens: int,
        options: SkipGramOptions,
        *,
        steps: int,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not (documents.document[1:] == documents.document[:-1]).any():
            raise InputError("no document has two tokens, so there is nothing to learn from")
        self.options = options
        self.config = {"tokens": len(documents), "names": num_tokens, "steps": steps, **asdict(options)}
        self._tokens, self._document = (
            torch.from_numpy(part).to(device) for part in (documents.tokens, documents.document)
        )
        counts = np.bincount(documents.tokens, minlength=num_tokens).astype(np.float64)
        self._noise = torch.from_numpy(np.cumsum(counts**0.75)).to(device)
        # Centres start small and contexts at zero, as in word2vec.
        start = torch.rand(num_tokens, options.dim, generator=generator, device=device, dtype=dtype) - 0.5
        self.centres = nn.Parameter(start / options.dim)
        self.contexts = nn.Parameter(torch.zeros(num_tokens, options.dim, device=device, dtype=dtype))
        reach = torch.arange(1, options.window + 1, device=device)
        self._offsets = torch.cat([-reach, reach])
        self._generator, self._steps = generator, steps
        self._optimizer = torch.optim.Adam([self.centres, self.contexts], lr=options.lr, fused=True)

    def step(self, index: int) -> dict[str, Tensor]:
        """One batch of centres, drawn with replacement."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.options.lr * (1 - 0.9 * index / max(self._steps, 1))
        centres = torch.randint(
            len(self._tokens), (self.options.batch_size,), generator=self._generator, device=self._tokens.device
        )
        where, valid = self.contexts_of(centres, self._windows(len(centres)))
        draws = torch.rand(
            self.options.pool, generator=self._generator, device=self._tokens.device, dtype=torch.float64
        )
        # The last sum is beyond every draw but for rounding.
        noise = torch.searchsorted(self._noise, draws * self._noise[-1]).clamp_max(len(self._noise) - 1)
        loss = self.gradients(self._tokens[centres], self._tokens[where], valid, noise)
        self._optimizer.step()
        return {"loss": loss}

    def contexts_of(self, centres: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Where the contexts of ``centres`` (int64 [B], places in the stream) stand.

        Args:
            centres: int64 [B].
            windows: int64 [B], how far each looks.

        Returns:
            int64 [B, 2 window] places, bool [B, 2 window] which of them count: near enough and in the same document.
        """
        places = centres[:, None] + self._offsets
        inside = (places >= 0) & (places < len(self._tokens)) & (self._offsets.abs() <= windows[:, None])
        places = places.clamp(0, len(self._tokens) - 1)
        return places, inside & (self._document[places] == self._document[centres][:, None])

    def loss(self, centres: Tensor, contexts: Tensor, valid: Tensor, noise: Tensor) -> Tensor:
        """Mean over the valid pairs of the negated objective.

        Args:
            centres: int64 [B], tokens.
            contexts: int64 [B, 2 window], tokens.
            valid: bool [B, 2 window].
            noise: int64 [pool], tokens.
        """
        own = self.centres[centres]
        scores = torch.einsum("bd,bcd->bc", own, self.contexts[contexts])
        near = (functional.logsigmoid(scores) * valid).sum()
        far = functional.logsigmoid(-(own @ self.contexts[noise].T)).mean(dim=1)
        total = near + self.options.negatives * (valid.sum(dim=1) * far).sum()
        return -total / valid.sum().clamp_min(1)

    @torch.no_grad()
    def gradients(self, centres: Tensor, contexts: Tensor, valid: Tensor, noise: Tensor) -> Tensor:
        """The value of :meth:`loss`, with its gradient put into the parameters' ``grad``.

        Written out, since half of a step would go to autograd's copies of what is gathered.
        """
        own, tokens = self.centres[centres], torch.cat([contexts.reshape(-1), noise])
        near, far = self.contexts[contexts], self.contexts[noise]
        each = valid.sum(dim=1)
        total = each.sum().clamp_min(1)
        weights = each.to(own.dtype) * (self.options.negatives / len(noise)) / total
        scores, noise_scores = torch.bmm(near, own[:, :, None])[:, :, 0], own @ far.T
        true = functional.logsigmoid(scores)
        false = torch.sigmoid(noise_scores)
        value = -(true * valid).sum() / total - functional.logsigmoid(-noise_scores).sum(dim=1) @ weights
        to_near, to_far = (true.exp() - 1) * (valid.to(own.dtype) / total), false.mul_(weights[:, None])
        to_contexts = own.new_empty(len(tokens), own.shape[1])
        torch.mul(to_near[:, :, None], own[:, None], out=to_contexts[: to_near.numel()].view(near.shape))
        torch.mm(to_far.T, own, out=to_contexts[to_near.numel() :])
        to_own = torch.bmm(to_near[:, None], near)[:, 0].addmm_(to_far, far)
        for table, rows, gradient in ((self.centres, centres, to_own), (self.contexts, tokens, to_contexts)):
            if table.grad is None:
                table.grad = torch.zeros_like(table)
            table.grad.zero_().index_add_(0, rows, gradient)
        return value

    def _windows(self, count: int) -> Tensor:
        return torch.randint(
            1, self.options.window + 1, (count,), generator=self._generator, device=self._tokens.device
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "centres": self.centres.detach(),
            "contexts": self.contexts.detach(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Put back what :meth:`state_dict` gave."""
        with torch.no_grad():
            self.centres.copy_(state["centres"])
            self.contexts.copy_(state["contexts"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"].cpu())
