"""The inductive rankers that a recipe may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kgzsl.tasks.kg_completion.inductive.completer import InductiveCompleter

__all__ = ["INDUCTIVE", "inductive_rankers"]

INDUCTIVE = ("ultra", "informed", "rmpi")
"""Their names."""


def inductive_rankers() -> dict[str, type[InductiveCompleter]]:
    """Name to class."""
    from kgzsl.tasks.kg_completion.inductive.informed_completer import InformedCompleter
    from kgzsl.tasks.kg_completion.inductive.rmpi_completer import RmpiCompleter
    from kgzsl.tasks.kg_completion.inductive.ultra_completer import UltraCompleter

    return {"ultra": UltraCompleter, "informed": InformedCompleter, "rmpi": RmpiCompleter}
