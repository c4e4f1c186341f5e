"""A run's history for TensorBoard."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kgzsl._files import atomic_directory
from kgzsl.errors import InputError

__all__ = ["write_history"]

_PLACES = ("seed", "stage", "step", "epoch")


def write_history(rows: Sequence[Mapping[str, Any]], out: Path) -> int:
    """Write the rows of ``history.csv`` as event files, a folder for each seed and stage; returns how many values.

    Raises:
        InputError: The package ``tensorboard`` is not installed, nothing was logged, or ``out`` is there already.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError("tensorboard is not installed", remedy="pip install 'kgzsl[tensorboard]'") from None
    if not rows:
        raise InputError("the run logged nothing", remedy="methods in closed form have no history")
    if out.exists():
        raise InputError("this is there already", file=out, remedy="choose another --out")
    written = 0
    with atomic_directory(out) as scratch:
        writers: dict[str, Any] = {}
        for row in rows:
            place = f"seed{row.get('seed', 0)}/{row.get('stage', 'run')}"
            if place not in writers:
                writers[place] = SummaryWriter(str(scratch / place))
            step = row.get("step", row.get("epoch", 0)) or 0
            for name, value in row.items():
                if name not in _PLACES and isinstance(value, int | float) and math.isfinite(value):
                    writers[place].add_scalar(name, value, int(step))
                    written += 1
        for writer in writers.values():
            writer.close()
    return written
