"""What a method writes so that the engine can train it."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor

__all__ = ["TrainingLoop"]


@runtime_checkable
class TrainingLoop(Protocol):
    """One step of training, and everything that the next step depends on.

    A loop may also carry attributes that the engine looks for: ``config`` (a JSON-able dict; a checkpoint of another
    configuration is refused and the differing option named), ``hint`` (a few words on what helps when its losses
    diverge: ``"lower lr"``), and ``watch(done, means)``, which is called at log points with the steps done and the mean
    losses, and may raise a ``TrainingError`` that names what goes wrong.
    """

    def step(self, index: int) -> dict[str, Tensor]:
        """Do step ``index`` (0-based) and return its losses as detached scalars on the device.

        Nothing here may wait for the device (no ``.item()``); a loop that replays a captured graph returns clones.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Modules, optimizers and whatever else a later step reads: nested dicts, lists, tensors and plain values."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Put back what :meth:`state_dict` gave."""
        ...
