"""What a run logged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

__all__ = ["History", "Row", "placed"]

Row = dict[str, float | int | str]


@dataclass
class History:
    """The log of one run of the engine.

    Args:
        name: The name of the run.
        rows: One dict per log point: ``stage`` (the run's name), ``step`` (steps done), then the mean of each loss
            since the last log point; and one per callback that returned figures.
        seconds: Wall time spent in this process (not counting what ran before a resume).
        steps: Steps done in all.
    """

    name: str = ""
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0

    def column(self, name: str) -> list[float]:
        """The values logged under ``name``, in order; rows without it are left out."""
        return [float(row[name]) for row in self.rows if name in row]

    def at(self, name: str) -> list[tuple[int, float]]:
        """Pairs (step, value) of what was logged under ``name``."""
        return [(int(row["step"]), float(row[name])) for row in self.rows if name in row]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)


def placed(on_log: Callable[[Row], None] | None, seed: int, stage: str) -> Callable[[Row], None] | None:
    """``on_log`` told with every row which seed and which stage of a larger run it belongs to."""
    if on_log is None:
        return None
    return lambda row: on_log({"seed": seed, **row, "stage": f"{stage}/{row['stage']}"})
