"""Saving."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["is_saved_graph", "load_graph"]


def is_saved_graph(path: str | os.PathLike[str]) -> bool:
    return False


def load_graph(path: str | os.PathLike[str]) -> ClassGraph:
    raise NotImplementedError
