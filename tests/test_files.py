"""Writing is all or nothing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from kgzsl._files import atomic_directory, atomic_file, atomic_text
from kgzsl.errors import InputError


def test_a_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "note.txt"
    atomic_text(target, "héllo")
    assert target.read_text(encoding="utf-8") == "héllo"
    assert [path.name for path in target.parent.iterdir()] == ["note.txt"]


def test_an_error_keeps_the_old_file_and_leaves_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "note.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("kind", [atomic_file, atomic_directory])
def test_a_full_disk_is_explained_and_leaves_nothing(tmp_path: Path, kind) -> None:
    target = tmp_path / "out"
    with pytest.raises(InputError, match=r"out: could not save: the disk is full; free some space"), kind(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_real_full_disk(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("/dev/full is not on this system")
    with (
        pytest.raises(InputError, match="the disk is full"),
        atomic_file(tmp_path / "out.bin"),
        full.open("wb") as file,
    ):
        file.write(b"x")
        file.flush()
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_os_error_is_not_disguised(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="odd") as caught, atomic_file(tmp_path / "out"):
        raise OSError(errno.EIO, "odd")
    assert not isinstance(caught.value, InputError)


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises((InputError, FileExistsError, NotADirectoryError)):
        atomic_text(tmp_path / "plain" / "note.txt", "x")


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "run"
    for content in ("one", "two"):
        with atomic_directory(target) as folder:
            (folder / content).write_text(content)
    assert [path.name for path in target.iterdir()] == ["two"]


def test_a_folder_that_may_not_be_replaced(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists already"), atomic_directory(tmp_path, replace=False):
        pass
