"""Projections: from triples to the edges of a class graph."""

from kgzsl.knowledge.projection.project import PROJECTIONS, project

__all__ = ["PROJECTIONS", "project"]
