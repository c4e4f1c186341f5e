"""Writing that is all or nothing: a reader never sees half a file, a full disk leaves none."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kgzsl.errors import InputError

__all__ = ["atomic_directory", "atomic_file", "atomic_text", "require_free"]

_DISK_ERRORS = {
    errno.ENOSPC: ("the disk is full", "free some space or choose another place, then run again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space or choose another place, then run again"),
    errno.EFBIG: (
        "the file would be larger than is allowed here",
        "raise the limit (ulimit -f) or choose another place",
    ),
    errno.EROFS: ("the file system is read-only", "choose another place"),
    errno.EACCES: ("no permission to write here", "choose another place or change the permissions"),
    errno.EEXIST: ("a part of the path is a file, not a folder", "choose another place"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "choose another place"),
}


# safetensors hides the operating system's error in the text of its own.
_HIDDEN_ERROR = re.compile(r"\(os error (\d+)\)")


def _explain(error: Exception, target: Path) -> InputError | None:
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (hidden := _HIDDEN_ERROR.search(str(error))):
        number = int(hidden.group(1))
    known = _DISK_ERRORS.get(number or 0)
    if known is None:
        return None
    problem, remedy = known
    return InputError(f"could not save: {problem}", file=target, remedy=remedy)


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it into place on success, remove it on any error.

    Raises:
        InputError: The disk is full, read-only or not writable; nothing is left behind.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.partial-", dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except Exception as error:
        explained = None if isinstance(error, InputError) else _explain(error, target)
        if explained is None:
            raise
        raise explained from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def atomic_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, all or nothing."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def require_free(path: str | os.PathLike[str], *, replace: bool) -> None:
    """Refuse a folder that is there already and may not be replaced."""
    if not replace and Path(path).exists():
        raise InputError(
            "this folder exists already", file=path, remedy="choose another name, or give --replace (replace=True)"
        )


@contextmanager
def atomic_directory(path: str | os.PathLike[str], *, replace: bool = True) -> Iterator[Path]:
    """Yield a fresh folder beside ``path``; move it into place on success, remove it on any error.

    Args:
        path: The folder to make.
        replace: Whether a folder that is there already may be replaced.

    Raises:
        InputError: The folder exists and may not be replaced, or it cannot be written.
    """
    target = Path(path)
    require_free(target, replace=replace)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
        yield temporary
        if target.exists():
            shutil.rmtree(target)
        temporary.replace(target)
    except Exception as error:
        explained = None if isinstance(error, InputError) else _explain(error, target)
        if explained is None:
            raise
        raise explained from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
