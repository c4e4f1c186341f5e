"""The fitted completer of a folder, whichever kind it is."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path

from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter
from kgzsl.tasks.kg_completion.evidence.evidence_completer import FORMAT
from kgzsl.tasks.kg_completion.inductive.completer import InductiveCompleter
from kgzsl.tasks.kg_completion.inductive.rankers import inductive_rankers
from kgzsl.tasks.kg_completion.link_overlap_completer import LinkOverlapCompleter
from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter
from kgzsl.tasks.kg_completion.ordinary.embedding_completer import FORMAT as EMBEDDING
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter
from kgzsl.tasks.kg_completion.relation_completer import RelationCompleter

__all__ = ["load_completer"]


def load_completer(folder: str | PathLike[str], *, device: str = "auto") -> ProposingCompleter:
    """Read what ``save`` of any completer wrote.

    Raises:
        InputError: There is no model, or it is damaged or of another version.
    """
    try:
        kind = json.loads((Path(folder) / "model.json").read_text(encoding="utf-8")).get("format")
    except (OSError, ValueError, AttributeError):
        kind = None
    kinds: dict[str, type[EvidenceCompleter | LinkOverlapCompleter | EmbeddingCompleter | InductiveCompleter]] = {
        FORMAT: EvidenceCompleter,
        LinkOverlapCompleter.FORMAT: LinkOverlapCompleter,
        EMBEDDING: EmbeddingCompleter,
        **{inductive.FORMAT: inductive for inductive in inductive_rankers().values()},
    }
    for form, one in kinds.items():
        # Of another version too: its own kind says so.
        if isinstance(kind, str) and kind.partition("/")[0] == form.partition("/")[0]:
            return one.load(folder, device=device)
    return RelationCompleter.load(folder, device=device)
