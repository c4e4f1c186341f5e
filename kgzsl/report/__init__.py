"""What a run leaves behind: its folder, and a page for people."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kgzsl.report.environment import record_environment
    from kgzsl.report.html import render
    from kgzsl.report.run_folder import RunFolder

__all__ = ["RunFolder", "record_environment", "render"]

# Fetched on first use: reading a run folder's numbers must not wait for the drawing.
_HOMES = {"RunFolder": "run_folder", "record_environment": "environment", "render": "html"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"kgzsl.report.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'kgzsl.report' has no attribute {name!r}")
