"""What all tests share."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# A fresh clone on a busy machine first builds hypothesis's table of characters: no test is to fail by the clock.
settings.register_profile("kgzsl", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kgzsl")


class Tape(TorchDispatchMode):
    """A CUDA graph in small, on the CPU: the operations of a step, repeated on the very tensors that they had.

    No Python of the step runs again, so numbers of the host are frozen and gradients and states stay where they were;
    what waits for values, or makes shapes of them, is refused as a capture refuses it.
    """

    REFUSED = ("_local_scalar_dense", "nonzero", "_unique2", "unique_dim", "masked_select", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        self.replays = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func.overloadpacket.__name__ in self.REFUSED:
            raise RuntimeError(f"{func} is not permitted while a stream captures\nand more lines")
        found = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, found))
        return found

    def warm_up(self, work: Any) -> Any:
        return work()

    def record(self, work: Any) -> None:
        self.operations.clear()
        with self:
            work()

    @torch.no_grad()
    def replay(self) -> None:
        self.replays += 1
        if self.replays == 1:  # recording has done it once, which a capture does not
            return
        for func, args, kwargs, found in self.operations:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(found), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.detach().copy_(new)


@pytest.fixture
def tape() -> type[Tape]:
    return Tape
