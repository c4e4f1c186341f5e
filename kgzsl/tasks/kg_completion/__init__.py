"""Completion of relations that were never in training."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kgzsl.tasks.kg_completion.completer import Completer, Completion
    from kgzsl.tasks.kg_completion.entity_vectors import EntityVectors
    from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter
    from kgzsl.tasks.kg_completion.link_overlap import LinkOverlap
    from kgzsl.tasks.kg_completion.link_overlap_completer import LinkOverlapCompleter
    from kgzsl.tasks.kg_completion.loading import load_completer
    from kgzsl.tasks.kg_completion.pair_features import PairFeatures
    from kgzsl.tasks.kg_completion.pipeline import run
    from kgzsl.tasks.kg_completion.protocol import CompletionProtocol
    from kgzsl.tasks.kg_completion.relation_completer import RelationCompleter

__all__ = [
    "Completer",
    "Completion",
    "CompletionProtocol",
    "EntityVectors",
    "EvidenceCompleter",
    "LinkOverlap",
    "LinkOverlapCompleter",
    "PairFeatures",
    "RelationCompleter",
    "load_completer",
    "run",
]

_HOMES = {
    "Completer": "completer",
    "Completion": "completer",
    "EntityVectors": "entity_vectors",
    "EvidenceCompleter": "evidence",
    "load_completer": "loading",
    "CompletionProtocol": "protocol",
    "LinkOverlap": "link_overlap",
    "LinkOverlapCompleter": "link_overlap_completer",
    "PairFeatures": "pair_features",
    "RelationCompleter": "relation_completer",
    "run": "pipeline",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
