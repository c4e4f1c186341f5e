"""Timing that two implementations share: laps in turn, medians, spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

__all__ = ["Laps", "interleaved"]


@dataclass(frozen=True)
class Laps:
    """The laps of one implementation.

    Args:
        seconds: One figure per lap: processor seconds of the process on a CPU, wall seconds on a GPU.
        wall: Wall seconds per lap.
    """

    seconds: tuple[float, ...]
    wall: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median lap."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Interquartile range over the median; 0 for fewer than two laps."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / self.median


def interleaved(
    work: Mapping[str, Callable[[], object]], laps: int, device: torch.device, warm_up: int = 1, repeats: int = 1
) -> dict[str, Laps]:
    """Run the pieces of ``work`` in turn, ``laps`` times each, so that a busy machine hurts all alike.

    On a CPU a lap is measured in processor seconds of this process (all threads): other programs disturb them least.
    A lap is the mean over ``repeats`` calls, between which nobody waits for the device.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for lap in range(-warm_up, laps):
        for name, call in work.items():
            _wait(device)
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(repeats):
                call()
            _wait(device)
            pair = ((time.process_time() - cpu) / repeats, (time.perf_counter() - wall) / repeats)
            if lap >= 0:
                taken[name].append(pair)
    on_cpu = device.type == "cpu"
    return {
        name: Laps(tuple(cpu if on_cpu else wall for cpu, wall in pairs), tuple(wall for _, wall in pairs))
        for name, pairs in taken.items()
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
