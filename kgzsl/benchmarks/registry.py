"""Benchmarks by name."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from kgzsl.errors import InputError, nearest

__all__ = ["names", "run"]

# Module of each benchmark; imported when it is asked for. Its ``run(device=..., **options)`` returns the report.
_MODULES = {
    "import": "kgzsl.benchmarks.import_graph",
    "import-large": "kgzsl.benchmarks.import_large",
    "generator": "kgzsl.benchmarks.generator",
    "images": "kgzsl.benchmarks.images_table",
    "kgc": "kgzsl.benchmarks.kgc",
    "kgc-table": "kgzsl.benchmarks.kgc_table",
    "kge": "kgzsl.benchmarks.kge",
    "priors": "kgzsl.benchmarks.priors_table",
    "propagation": "kgzsl.benchmarks.propagation",
    "text-aware": "kgzsl.benchmarks.text_aware",
    "ultra": "kgzsl.benchmarks.ultra",
}


def names() -> list[str]:
    """The known benchmarks."""
    return sorted(_MODULES)


def run(name: str, **options: Any) -> dict[str, Any]:
    """Run the benchmark ``name``.

    Args:
        name: One of :func:`names`.
        **options: ``device``, and what else its ``run`` takes.

    Returns:
        ``name``, ``ours_s``, ``baseline_s``, ``ratio`` (baseline over ours), ``spread``, ``unit``, ``checked`` (the
        equality that was checked), ``sizes``, and what the benchmark adds.

    Raises:
        InputError: No such benchmark; the nearest known names are given.
    """
    if name not in _MODULES:
        close = nearest(name, _MODULES)
        raise InputError(
            f"no benchmark is called {name!r}",
            remedy=f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names())}",
        )
    work = importlib.import_module(_MODULES[name]).run
    known = inspect.signature(work).parameters
    for option in options:
        if option not in known:
            close = nearest(option, known)
            raise InputError(
                f"the benchmark {name!r} has no option {option!r}",
                remedy=f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}",
            )
    report: dict[str, Any] = work(**options)
    return report
