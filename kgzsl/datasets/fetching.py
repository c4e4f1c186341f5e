"""Fetching one file: mirrors, resumption, checksum, nothing half-written."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kgzsl.datasets.sources import RemoteFile

__all__ = ["CHUNK", "Progress", "ResumingDownloader", "fetch", "sha256_of", "unpack"]

Progress = Callable[[str, int, int | None], None]
"""Called with the file's name, the bytes that are here, and the bytes in all (None where the server does not say)."""

CHUNK = 1 << 16
"""Bytes that are written, and told of, at a time."""


class ResumingDownloader:
    """A pooch downloader that keeps what has arrived and goes on from there.

    Bytes go to ``part``, which stays when the connection is lost. The next attempt, or the next call, asks for the rest
    (HTTP range requests, RFC 9110 section 14) and begins anew where the server does not answer with that.

    Args:
        part: Where to gather the bytes.
        attempts: How often to try before giving up; attempts that bring new bytes do not count.
        timeout: Seconds without an answer.
        progress: Told after every chunk.
    """

    def __init__(self, part: Path, *, attempts: int = 3, timeout: float = 30, progress: Progress | None = None) -> None:
        self.part = part
        self.attempts = attempts
        self.timeout = timeout
        self.progress = progress

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:  # noqa: ARG002 (pooch's signature)
        """Download ``url`` to ``output_file``."""
        import requests

        failures = 0
        while True:
            before = self._have()
            try:
                if self._attempt(url):
                    break
                problem: Exception = ConnectionError("the connection was closed before the end")
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                problem = error
            failures = 0 if self._have() > before else failures + 1
            if failures >= self.attempts:
                raise ConnectionError(f"gave up after {self.attempts} attempts ({problem})") from problem
        os.replace(self.part, output_file)

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _attempt(self, url: str) -> bool:
        """One request; whether the file is complete now."""
        import requests

        have = self._have()
        # Compressed transfer would make byte ranges and lengths mean something else.
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with requests.get(url, stream=True, timeout=self.timeout, headers=headers) as answer:
            if answer.status_code == 416:
                # The part is as long as the file, or belongs to another one: begin anew.
                self.part.unlink()
                return False
            answer.raise_for_status()
            goes_on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            have = have if goes_on else 0
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length is not None else None
            with self.part.open("ab" if goes_on else "wb") as file:
                for chunk in answer.iter_content(CHUNK):
                    file.write(chunk)
                    have += len(chunk)
                    if self.progress is not None:
                        self.progress(self.part.name, have, total)
        return total is None or have == total


def fetch(remote: RemoteFile, base: Path, *, progress: Progress | None = None, timeout: float = 30) -> Path:
    """Fetch a file to its place under ``base``; a file that is there with the right checksum is left alone.

    Mirrors are tried in order. A file with a wrong checksum is thrown away, and never reaches its place.

    Raises:
        InputError: No mirror gave the file; what each of them did is told. What had arrived stays for the next call.
    """
    import pooch
    import requests

    target = base / remote.path
    known = None if remote.sha256 is None else f"sha256:{remote.sha256}"
    if target.is_file() and (known is None or sha256_of(target) == remote.sha256):
        return target
    told: list[str] = []
    for url in remote.urls:
        part = target.with_name(f".{target.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")
        label = _labelled(progress, target.name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with _quiet(pooch.get_logger()):
                downloader = ResumingDownloader(part, progress=label, timeout=timeout)
                pooch.retrieve(url, known, fname=target.name, path=str(target.parent), downloader=downloader)
            return target
        except (ConnectionError, requests.RequestException) as error:
            kept = f", {part.stat().st_size} bytes are kept" if part.exists() else ""
            answer = getattr(error, "response", None)
            what = error if answer is None else f"the server answered {answer.status_code}"
            told.append(f"{url}: {what}{kept}")
        except ValueError:
            told.append(f"{url}: the file that came has another checksum than {remote.sha256}; it was thrown away")
        except OSError as error:
            raise InputError(
                f"could not save ({error.strerror})", file=target, remedy="choose another data folder, or make room"
            ) from error
    raise InputError(
        f"could not be downloaded: {'; '.join(told)}",
        file=target,
        remedy="call again to go on, or put the file there yourself",
    )


def sha256_of(file: Path) -> str:
    """The SHA-256 checksum of a file; of what is inside where it ends with ``.gz``."""
    import gzip

    digest = hashlib.sha256()
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def unpack(archive: Path) -> None:
    """Unpack a zip archive beside itself and remove it; a damaged one is removed and leaves nothing.

    Raises:
        InputError: It is damaged, or a member would land outside of the folder.
    """
    import tempfile

    folder = archive.parent
    scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder))
    try:
        with zipfile.ZipFile(archive) as content:
            for member in content.infolist():
                if not (scratch / member.filename).resolve().is_relative_to(scratch.resolve()):
                    raise InputError(
                        f"the member {member.filename!r} leaves the folder", file=archive, remedy="discard it"
                    )
            content.extractall(scratch)
        for item in sorted(scratch.rglob("*")):
            place = folder / item.relative_to(scratch)
            if item.is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                item.replace(place)
        archive.unlink()
    except zipfile.BadZipFile as error:
        archive.unlink(missing_ok=True)
        raise InputError(f"the archive is damaged ({error})", file=archive, remedy="download it again") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _labelled(progress: Progress | None, name: str) -> Progress | None:
    return None if progress is None else lambda _, done, total: progress(name, done, total)


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Without pooch's own lines: the caller reports."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
