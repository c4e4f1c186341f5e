"""Arrays in zip archives: read without pickle, bounded by what the archive holds, whatever its headers claim."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError

__all__ = ["DAMAGE", "check_size", "read_array"]

#: What reading a damaged or foreign archive may raise.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,  # an encrypted archive
    TypeError,
    ValueError,
)
_MAX_BYTES = 64 * 2**30
# Real graphs shrink 3 to 20 times.
_BOMB_RATIO = 100
_BOMB_BYTES = 256 * 2**20


def check_size(archive: zipfile.ZipFile, file: Path) -> None:
    """Refuse an archive that unpacks to far more than it is.

    Raises:
        InputError: It looks like a zip bomb.
    """
    unpacked = sum(info.file_size for info in archive.infolist())
    packed = file.stat().st_size
    if unpacked > _MAX_BYTES or (unpacked > _BOMB_BYTES and unpacked > _BOMB_RATIO * max(packed, 1)):
        raise InputError(
            f"{packed:,} bytes unpack to {unpacked:,}: this looks like a zip bomb",
            file=file,
            remedy="make it anew from its source",
        )


def read_array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    """The array in the member ``name``.

    Raises:
        ValueError: It is no array, an array of objects, or said to be larger than its member. (And ``DAMAGE``.)
    """
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with archive.open(name) as member:
        version = np.lib.format.read_magic(member)
        if version not in headers:
            raise ValueError(f"{name} is an array of layout {version}")
        shape, _, dtype = headers[version](member)
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, which are never unpickled")
    if math.prod(shape) * dtype.itemsize > archive.getinfo(name).file_size:
        raise ValueError(f"{name} is said to be larger than it is")
    with archive.open(name) as member:
        array: npt.NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
        return array
