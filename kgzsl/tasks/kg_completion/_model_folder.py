"""The folder of a saved model: its tensors, the JSON that says what it is, and the priors of its relations."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl._files import atomic_directory
from kgzsl.engine import save_tree
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassPriors

__all__ = ["ABOUT", "PRIORS", "TENSORS", "read_description", "write_model"]

_KINDS = tuple(
    f"kgzsl.{name}_completer/"
    for name in ("relation", "evidence", "link_overlap", "embedding", "ultra", "informed", "rmpi")
)
"""How the formats begin of the models that ``load_completer`` reads."""

TENSORS, ABOUT, PRIORS = "model.safetensors", "model.json", "priors.safetensors"


def write_model(
    folder: Path, about: Mapping[str, Any], tensors: Mapping[str, Any], priors: ClassPriors | None = None
) -> Path:
    """Write a model's folder, all or nothing, and return it.

    Args:
        folder: Where.
        about: ``format``, and what else is plain; see :func:`read_description`.
        tensors: What :func:`kgzsl.engine.load_tree` reads back.
        priors: Of its relations, where it needs them to answer.
    """
    with atomic_directory(folder) as temporary:
        save_tree(temporary / TENSORS, tensors)
        if priors is not None:
            priors.save(temporary / PRIORS)
        (temporary / ABOUT).write_text(
            json.dumps(_finite(about), ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )
    return folder


def _finite(value: Any) -> Any:
    """What JSON can hold: numbers that are none become null."""
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_description(file: Path, form: str, what: str) -> dict[str, Any]:
    """What ``file`` says of the model beside it.

    Args:
        file: ``model.json`` of a saved model.
        form: The ``format`` that it must have.
        what: What such a model is called, for messages.

    Raises:
        InputError: It is not there, is damaged, or has another format.
    """
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"there is no model here ({file.name} is missing)",
            file=file.parent,
            remedy="give a folder written by save",
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"the model's description is damaged ({error})", file=file) from None
    found = about.get("format") if isinstance(about, dict) else None
    if isinstance(found, str) and found.startswith(_KINDS) and found.partition("/")[0] != form.partition("/")[0]:
        raise InputError(
            f"this is a model of another kind ({found})",
            file=file,
            remedy="kgzsl.tasks.kg_completion.load_completer(folder) reads any kind",
        )
    if not isinstance(about, dict) or found != form:
        raise InputError(f"this is no {what} model of this version of kgzsl", file=file, remedy="train it again")
    return about
