"""Ten million triples from a compressed file: :mod:`kgzsl.benchmarks.import_graph` at the size of a dump."""

from __future__ import annotations

from typing import Any

from kgzsl.benchmarks import import_graph

__all__ = ["run"]


def run(device: str = "cpu", *, triples: int = 10_000_000, laps: int = 1, rdflib: bool = True) -> dict[str, Any]:
    """Some minutes; see :func:`kgzsl.benchmarks.import_graph.run`.

    Args:
        device: Taken for the sake of likeness.
        triples: How many, in an ``.nt.gz``.
        laps: Laps of each.
        rdflib: Whether to run rdflib (on a part).
    """
    report = import_graph.run(device, triples=triples, laps=laps, rdflib=rdflib, compressed=True)
    return {**report, "name": "import-large"}
