"""Runs, class vectors and class graphs for other programs."""

from kgzsl.export.formats import FORMATS, export
from kgzsl.export.linear_head import LinearHead, linear_head

__all__ = ["FORMATS", "LinearHead", "export", "linear_head"]
