"""The JSON under JSON-LD, strictly."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from kgzsl.errors import InputError

__all__ = ["parse_json"]


def parse_json(text: bytes, path: Path) -> Any:
    """The JSON in ``text``.

    Args:
        text: UTF-8.
        path: For messages.

    Raises:
        InputError: It is no JSON, or no UTF-8; names line and column.
        RecursionError: It is nested too deep.
    """
    try:
        document = json.loads(text.decode("utf-8-sig"), parse_constant=_refuse_constant)
        if re.search(rb"\\u[dD][89a-fA-F]", text):
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        cut = error.pos >= len(error.doc.rstrip())
        raise InputError(
            f"not well-formed json-ld: {error.msg}",
            file=path,
            place=f"line {error.lineno}, column {error.colno}",
            remedy="the file is cut off: fetch it again"
            if cut
            else "correct that place, or name the right format with format=",
        ) from error
    except UnicodeDecodeError as error:
        before = text[: error.start]
        column = error.start - before.rfind(b"\n")
        raise InputError(
            "the text is not valid UTF-8",
            file=path,
            place=f"line {before.count(10) + 1}, column {column}",
            remedy="save the file as UTF-8 (iconv -f latin1 -t utf-8 converts a Latin-1 file)",
        ) from error
    except UnicodeEncodeError as error:
        raise InputError(
            "a text holds half of a surrogate pair (\\ud800 and the like)",
            file=path,
            remedy="correct it: no Unicode text has this",
        ) from error
    except ValueError as error:
        raise InputError(
            f"not well-formed json-ld: {str(error)[:100]}", file=path, remedy="correct that number"
        ) from error
    return document


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")
