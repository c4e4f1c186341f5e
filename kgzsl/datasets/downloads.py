"""Whether known data sets are here, whether they are whole, and how they come here."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

from kgzsl.datasets.fetching import Progress, fetch, sha256_of, unpack
from kgzsl.datasets.registry import Known, data_dir, known, load, names
from kgzsl.datasets.sources import SOURCES, RemoteFile, Source
from kgzsl.errors import InputError, nearest

__all__ = ["CheckedFile", "DatasetCheck", "DatasetStatus", "check", "download", "status"]

State = Literal["embedded", "here", "partly", "absent"]


@dataclass(frozen=True)
class DatasetStatus:
    """Where a data set stands.

    Args:
        name: Its name.
        task: ``"images"``, ``"kg"`` or ``"graph"``.
        about: One line on what it is.
        state: ``"embedded"`` (made here), ``"here"``, ``"partly"`` (some of its files) or ``"absent"``.
        place: Where it was found, or None.
        looked_in: Where it is looked for.
        missing: Files that are needed and not there, in the first of these places.
        size: Bytes in its place.
        download_size: Bytes that a download would bring; None where they are not known.
        files: Its published files: where each goes, size and checksum, as far as known.
        can_download: Whether :func:`download` can get it.
        remedy: What to do to have it; empty where it is here.
        terms: Licence or terms of use, as far as known.
    """

    name: str
    task: str
    about: str
    state: State
    place: Path | None
    looked_in: tuple[Path, ...]
    missing: tuple[Path, ...]
    size: int
    download_size: int | None
    files: tuple[RemoteFile, ...]
    can_download: bool
    remedy: str
    terms: str


@dataclass(frozen=True)
class CheckedFile:
    """A file and whether its bytes are the published ones.

    Args:
        path: The file.
        size: Its bytes.
        sha256: Its checksum (of what is inside where it is ``.gz``).
        verdict: ``"published"`` (the published checksum), ``"other"`` (another one) or ``"unknown"`` (none is
            published).
    """

    path: Path
    size: int
    sha256: str
    verdict: Literal["published", "other", "unknown"]


@dataclass(frozen=True)
class DatasetCheck:
    """What a look at every byte of a data set found.

    Args:
        name: Its name.
        problems: What is not in order; empty where all is.
        files: Its files.
        summary: What was read, in one line; empty where it could not be read.
        notes: Remarks of the reader.
    """

    name: str
    problems: tuple[str, ...]
    files: tuple[CheckedFile, ...]
    summary: str
    notes: tuple[str, ...]

    @property
    def in_order(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def status(name: str, base: str | PathLike[str] | None = None) -> DatasetStatus:
    """Where the data set ``name`` stands; nothing is read but the list of files.

    Args:
        name: A known name.
        base: The data folder; by default :func:`kgzsl.datasets.data_dir`.

    Raises:
        InputError: The name is unknown; the nearest known one is given.
    """
    entry, source, folder = _known(name), SOURCES.get(name, Source()), _base(base)
    place = entry.find(folder)
    missing: tuple[Path, ...] = ()
    if place is None and not entry.embedded:
        first = folder / entry.places[0]
        missing = (
            tuple(first / need for need in entry.needs if not (first / need).exists()) if entry.needs else (first,)
        )
    state: State = "embedded" if entry.embedded else "here" if place is not None else "absent"
    if state == "absent" and any((folder / part / need).exists() for part in entry.places for need in entry.needs):
        state = "partly"
    sizes = [remote.size for remote in source.files]
    return DatasetStatus(
        name=name,
        task=entry.task,
        about=entry.about,
        state=state,
        place=place,
        looked_in=tuple(folder / item for item in entry.places),
        missing=missing,
        size=_bytes_in(place),
        download_size=None if None in sizes or not sizes else sum(size for size in sizes if size is not None),
        files=(*source.files, *source.expected),
        can_download=bool(source.files),
        remedy="" if state in ("embedded", "here") else _remedy(entry, source, folder),
        terms=source.terms,
    )


def download(
    name: str,
    base: str | PathLike[str] | None = None,
    *,
    progress: Progress | None = None,
    sources: dict[str, Source] | None = None,
    timeout: float = 30,
) -> DatasetStatus:
    """Fetch a data set into the data folder.

    Lost connections are resumed, mirrors tried in order, checksums compared where one is published; a file appears in
    its place only when it is whole. Files that are there already are not fetched again.

    Args:
        name: A known name.
        base: The data folder; by default :func:`kgzsl.datasets.data_dir`.
        progress: Called with file name, bytes here, bytes in all.
        sources: Other places to fetch from, in place of the known ones (a mirror of your own).
        timeout: Seconds to wait for an answer.

    Returns:
        Where the data set stands now.

    Raises:
        InputError: The name is unknown, it cannot be fetched (what to do instead is told), or every mirror failed.
    """
    entry, folder = _known(name), _base(base)
    source = (SOURCES if sources is None else sources).get(name, Source())
    before = status(name, folder)
    if before.state in ("embedded", "here"):
        return before
    if not source.files:
        raise InputError(f"the data set {name!r} cannot be fetched", remedy=_remedy(entry, source, folder))
    for remote in source.files:
        fetched = fetch(remote, folder, progress=progress, timeout=timeout)
        if remote.unpack:
            unpack(fetched)
    after = status(name, folder)
    if after.state != "here":
        missing = ", ".join(map(str, after.missing))
        raise InputError(
            f"everything was fetched, but {name!r} is still not complete: {missing} is missing",
            file=folder,
            remedy="the archive may have another layout than expected; move the files there",
        )
    return after


def check(name: str, base: str | PathLike[str] | None = None) -> DatasetCheck:
    """Compare the bytes of a data set with the published ones, and read it whole.

    Raises:
        InputError: The name is unknown.
    """
    entry, folder = _known(name), _base(base)
    place = entry.find(folder)
    problems: list[str] = []
    files: list[CheckedFile] = []
    if place is not None:
        source = SOURCES.get(name, Source())
        published = {file.path: file for file in (*source.files, *source.expected) if not file.unpack}
        for file in _files_of(place):
            files.append(_checked(file, folder, published))
            if files[-1].verdict == "other":
                problems.append(f"{file}: the bytes are not the published ones")
    summary = ""
    notes: tuple[str, ...] = ()
    try:
        if entry.task == "graph" and place is not None:
            summary = repr(entry.read(place))
        else:
            data = load(name, folder)
            summary, notes = repr(data), data.notes
    except InputError as error:
        problems.append(str(error))
    return DatasetCheck(name, tuple(problems), tuple(files), summary, notes)


def _known(name: str) -> Known:
    table = known()
    if name not in table:
        close = nearest(name, table)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"known: {', '.join(names())}"
        raise InputError(f"no data set is called {name!r}", remedy=hint)
    return table[name]


def _base(base: str | PathLike[str] | None) -> Path:
    return data_dir() if base is None else Path(base)


def _files_of(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(file for file in place.rglob("*") if file.is_file() and not file.name.startswith("."))


def _bytes_in(place: Path | None) -> int:
    return 0 if place is None else sum(file.stat().st_size for file in _files_of(place))


def _checked(file: Path, folder: Path, published: dict[str, RemoteFile]) -> CheckedFile:
    relative = file.relative_to(folder).as_posix()
    remote = published.get(relative) or published.get(relative.removesuffix(".gz"))
    sha256 = sha256_of(file)
    if remote is None or remote.sha256 is None:
        return CheckedFile(file, file.stat().st_size, sha256, "unknown")
    return CheckedFile(file, file.stat().st_size, sha256, "published" if sha256 == remote.sha256 else "other")


def _remedy(entry: Known, source: Source, folder: Path) -> str:
    wanted = " and ".join(entry.needs) or Path(entry.places[0]).name if entry.places else ""
    place = folder / (entry.places[0] if entry.needs else str(Path(entry.places[0]).parent))
    parts = [f"kgzsl datasets download {entry.name} fetches it"] if source.files else []
    parts.append(source.by_hand or f"put {wanted} into {place}")
    return "; or ".join(parts)
