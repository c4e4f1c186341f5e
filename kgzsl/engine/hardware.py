"""Which device and which precision: asked for, or found out."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from kgzsl.errors import InputError, nearest

__all__ = ["choose_device", "choose_precision", "has_bf16"]

PRECISIONS = ("32-true", "bf16-mixed", "64-true")


def choose_device(device: str) -> tuple[str, str | int | list[int]]:
    """The Fabric accelerator and device list for ``device``.

    Args:
        device: ``"auto"`` (CUDA where there is a device, else CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Returns:
        ``(accelerator, devices)``; ``devices`` is ``1`` or the list with the one index that was asked for.

    Raises:
        InputError: No such kind of device, or none of it here.
    """
    match = re.fullmatch(r"(auto|cpu|cuda|gpu|mps)(?::(\d+))?", device) if isinstance(device, str) else None
    if match is None:
        close = nearest(str(device), ("auto", "cpu", "cuda", "mps"))
        raise InputError(
            f"no device is called {device!r}",
            remedy=f"did you mean {close[0]}?" if close else "choose auto, cpu, cuda, cuda:N or mps",
        )
    kind, index = match.groups()
    kind = {"gpu": "cuda", "auto": "cuda" if torch.cuda.is_available() else "cpu"}.get(kind, kind)
    if kind == "cuda":
        count = torch.cuda.device_count()
        if not torch.cuda.is_available() or (index is not None and int(index) >= count):
            raise InputError(
                f"device {device!r} was asked for, but {count} CUDA devices are here", remedy="use device=cpu"
            )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError("device 'mps' was asked for, but there is none here", remedy="use device=cpu")
    return kind, [int(index)] if index is not None and kind == "cuda" else 1


def has_bf16(kind: str) -> bool:
    """Whether devices of ``kind`` multiply bfloat16 matrices in hardware (emulation would be slower than float32)."""
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if kind != "cpu":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    # The user may hold torch back (ATEN_CPU_CAPABILITY); what it would not use does not count.
    capable = "AVX512" in torch.backends.cpu.get_cpu_capability()
    return capable and re.search(r"\b(avx512_bf16|amx_bf16)\b", flags) is not None


def choose_precision(precision: str, kind: str) -> str:
    """The Fabric precision for ``precision``; ``"auto"`` is bf16-mixed where devices of ``kind`` have it in hardware.

    Raises:
        InputError: A precision that is not offered.
    """
    if not isinstance(precision, str):
        raise InputError(f"precision {precision!r} is not offered", remedy=f"choose auto, {', '.join(PRECISIONS)}")
    if precision == "auto":
        return "bf16-mixed" if has_bf16(kind) else "32-true"
    aliases = {"32": "32-true", "fp32": "32-true", "float32": "32-true", "64": "64-true", "bf16": "bf16-mixed"}
    chosen = aliases.get(precision, precision)
    if chosen not in PRECISIONS:
        raise InputError(f"precision {precision!r} is not offered", remedy=f"choose auto, {', '.join(PRECISIONS)}")
    return chosen
