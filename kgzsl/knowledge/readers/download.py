"""A document from its address, within a budget."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urljoin, urlsplit

from kgzsl.errors import InputError

__all__ = ["download"]

_TIMEOUT = 60


def download(iri: str, path: Path, *, what: str, accept: str, max_bytes: int, remedy: str, follow: bool = False) -> str:
    """Write what lies at ``iri`` to ``path``; answers with its media type.

    Args:
        iri: The address, ``http:`` or ``https:``.
        path: Where to write.
        what: What it is, for messages.
        accept: The media types that are asked for.
        max_bytes: The most that is taken.
        remedy: What to do where it fails, for messages.
        follow: Whether a page of another type that names its JSON-LD in a ``Link`` header stands for that.

    Raises:
        InputError: It is at no such address, the server fails, or it is too large.
    """
    import requests

    if urlsplit(iri).scheme not in ("http", "https"):
        raise InputError(f"the {what} {iri} cannot be fetched: no web address", remedy=remedy)
    headers = {"Accept": accept, "User-Agent": "kgzsl"}
    other = None
    try:
        with requests.get(iri, headers=headers, timeout=_TIMEOUT, stream=True) as answer:
            answer.raise_for_status()
            kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            link = answer.links.get("alternate", {})
            if follow and not kind.endswith("json") and link.get("type") == "application/ld+json":
                other = urljoin(answer.url, link["url"])
            else:
                size = 0
                with path.open("wb") as file:
                    for data in answer.iter_content(1 << 16):
                        size += len(data)
                        if size > max_bytes:
                            raise InputError(
                                f"the {what} {iri} is larger than the budget of {max_bytes:,} bytes", remedy=remedy
                            )
                        file.write(data)
    except requests.RequestException as error:
        raise InputError(
            f"the {what} {iri} cannot be fetched ({error.__class__.__name__}: {str(error)[:120]})", remedy=remedy
        ) from error
    if other is not None:
        return download(other, path, what=what, accept=accept, max_bytes=max_bytes, remedy=remedy)
    return kind
