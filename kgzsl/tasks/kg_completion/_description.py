"""The JSON that says what a saved model is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kgzsl.errors import InputError

__all__ = ["read_description"]


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
    if not isinstance(about, dict) or about.get("format") != form:
        raise InputError(f"this is no {what} model of this version of kgzsl", file=file, remedy="train it again")
    return about
