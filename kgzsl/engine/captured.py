"""A step of training that is recorded after a few times and then replayed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

from kgzsl.engine.recording import Recording

__all__ = ["CaptureWarning", "CapturedStep"]


class CaptureWarning(UserWarning):
    """A step of training is not captured; it runs as ever, only slower."""


class CapturedStep:
    """Calls ``work`` a few times, then records it and replays the recording.

    The first calls are steps like all others: they make what a step makes once (gradients, the state of an optimizer),
    so that the recording finds it in its place. Where recording fails, ``work`` goes on being called, and one
    :class:`CaptureWarning` says why.

    Args:
        work: One step, without arguments: from memory that stays where it is to scalar losses by name, always the same
            names. What changes from step to step must lie in such memory as well.
        recording: What records it.
        warm_up: Calls before it is recorded.
    """

    def __init__(self, work: Callable[[], dict[str, Tensor]], recording: Recording, *, warm_up: int = 3) -> None:
        self._work, self._recording, self._warm_up = work, recording, warm_up
        self._losses: tuple[tuple[str, ...], Tensor] | None = None
        self._calls = 0
        self.recorded = False
        self.failed = False

    def __call__(self) -> dict[str, Tensor]:
        """One step; its losses are copies, which the next step leaves alone."""
        if self.failed:
            return self._work()
        if self._calls < self._warm_up:
            self._calls += 1
            return self._recording.warm_up(self._work)
        if not self.recorded:
            try:
                self._recording.record(self._once)
            except RuntimeError as error:
                self.failed = True
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                warnings.warn(f"training goes on step by step: it cannot be captured ({reason})", CaptureWarning, 2)
                return self._work()
            self.recorded = True
        self._recording.replay()
        assert self._losses is not None
        names, values = self._losses
        return dict(zip(names, values.clone().unbind(), strict=True))

    def forget(self) -> None:
        """Record anew: the memory that the recording knew has been replaced."""
        self._calls, self.recorded, self._losses = 0, False, None

    def _once(self) -> None:
        losses = self._work()
        # One tensor for all, so that a replay is followed by one copy.
        kind = reduce(torch.promote_types, (value.dtype for value in losses.values()))
        self._losses = tuple(losses), torch.stack([value.to(kind) for value in losses.values()])
