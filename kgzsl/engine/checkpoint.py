"""State on disk without pickle: nested dicts and lists, tensors in safetensors, the rest as JSON in its header."""

from __future__ import annotations

import errno
import json
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kgzsl._files import atomic_file
from kgzsl.errors import InputError

__all__ = ["load_tree", "save_tree"]

_FORMAT = "kgzsl-tree-1"


def _pack(value: Any, tensors: dict[str, Tensor], path: str) -> Any:
    if isinstance(value, Tensor):
        name = path or "value"
        # A copy of its own: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"t": name}
    if isinstance(value, dict):
        return {"d": [[key, _pack(item, tensors, f"{path}.{key}".lstrip("."))] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "l" if isinstance(value, list) else "u"
        return {kind: [_pack(item, tensors, f"{path}.{i}".lstrip(".")) for i, item in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"{path}: a {type(value).__name__} cannot be saved (tensors, numbers, strings, lists and dicts can)"
    )


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "t":
        return tensors[content]
    if kind == "d":
        return {key: _unpack(item, tensors) for key, item in content}
    items = [_unpack(item, tensors) for item in content]
    return items if kind == "l" else tuple(items)


def save_tree(path: str | PathLike[str], tree: Any) -> None:
    """Write nested dicts, lists and tuples of tensors and plain values to one ``.safetensors`` file, all or nothing.

    Args:
        path: The file. Tensors keep dtype and bits; dict keys may be strings or integers.
        tree: What to write.

    Raises:
        InputError: The disk is full or not writable; nothing is left behind.
        TypeError: A value that is neither a tensor nor plain.
    """
    tensors: dict[str, Tensor] = {}
    header = json.dumps({"format": _FORMAT, "tree": _pack(tree, tensors, "")})
    with atomic_file(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"kgzsl": header})
        except SafetensorError as error:
            # safetensors hides the operating system's error in its text; give it back its kind.
            for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
                if f"os error {number})" in str(error):
                    raise OSError(number, str(error)) from error
            raise


def load_tree(path: str | PathLike[str], *, device: str | torch.device = "cpu") -> Any:
    """Read what :func:`save_tree` wrote.

    Raises:
        InputError: The file is missing, damaged, or of another kind.
    """
    file = Path(path)
    try:
        with safe_open(file, framework="pt", device=str(device)) as handle:
            metadata = handle.metadata() or {}
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (not a dict)
        content = json.loads(metadata["kgzsl"])
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']!r}")
        return _unpack(content["tree"], tensors)
    except FileNotFoundError as error:
        raise InputError("there is no such file", file=file) from error
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(
            f"this is not a readable kgzsl state file ({error})", file=file, remedy="delete it and start again"
        ) from error
