"""Where the large test data lies, and small ontologies that the tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kgzsl import ClassGraph


@pytest.fixture(scope="session")
def data() -> Callable[[str], Path]:
    """A path below ``KGZSL_DATA``; the test is skipped where it is not there."""
    root = os.environ.get("KGZSL_DATA")

    def find(name: str) -> Path:
        if not root:
            pytest.skip("KGZSL_DATA is not set")
        path = Path(root, name)
        if not path.exists():
            pytest.skip(f"KGZSL_DATA lacks {name}")
        return path

    return find


@pytest.fixture
def turtle(tmp_path: Path) -> Callable[..., ClassGraph]:
    """Read a piece of Turtle, with the usual prefixes, into a class graph."""

    def read(text: str, **options: object) -> ClassGraph:
        path = tmp_path / "graph.ttl"
        path.write_text(PREFIXES + text, encoding="utf-8")
        return ClassGraph.read(path, **options)  # type: ignore[arg-type]

    return read


PREFIXES = """
@prefix : <http://example.org/> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix kgzsl: <urn:kgzsl:> .
"""
