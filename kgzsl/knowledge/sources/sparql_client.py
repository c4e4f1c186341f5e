"""Questions to a SPARQL 1.1 endpoint: patient, bounded, remembered on disk."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from kgzsl._files import atomic_file
from kgzsl.errors import InputError
from kgzsl.knowledge._json import is_hollow

__all__ = ["SparqlClient", "SparqlTimeout", "Term", "cache_folder", "is_last_page"]

_ACCEPT = "application/sparql-results+json"
_LATER = (429, 500, 502, 503, 504)
_LONGEST_WAIT = 120.0
_MAX_BYTES = 64 * 2**20
_PART = 1 << 16


class Term(NamedTuple):
    """A term of an answer.

    Args:
        kind: ``"uri"``, ``"bnode"`` or ``"literal"``.
        value: Its text.
        language: Of a literal.
        datatype: Of a literal.
    """

    kind: str
    value: str
    language: str | None = None
    datatype: str | None = None


class SparqlTimeout(InputError):
    """The endpoint did not answer in time, also after waiting: ask for less at once."""


class _Again(Exception):
    """Not this time, perhaps the next: why, and after how many seconds (``None``: as the client thinks fit)."""

    def __init__(self, why: str, after: float | None = None, *, slow: bool = False) -> None:
        super().__init__(why)
        self.after = after
        self.slow = slow


def is_last_page(rows: int, page: int) -> bool:
    """Whether no rows can follow an answer of so many, where ``page`` were asked for.

    Some servers cut answers at a round number of rows without a word, so that such an answer may not be the last.
    """
    return not rows or (rows < page and rows % 100 > 0)


def cache_folder() -> Path:
    """Where answers are kept by default: ``$XDG_CACHE_HOME/kgzsl/sparql`` or ``~/.cache/kgzsl/sparql``."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "kgzsl" / "sparql"


class SparqlClient:
    """Asks one endpoint.

    An answer 429 or 5xx, half an answer, or one that is no JSON is asked for again after a pause that doubles each time
    (or as ``Retry-After`` says, up to two minutes). Answers are kept under a hash of endpoint, account and question, so
    that no name can choose the file.

    Args:
        url: The endpoint, http or https.
        timeout: Seconds for one answer, from question to last byte.
        retries: How often to ask again.
        cache: Folder for answers; ``None``: none.
        user_agent: Who asks; public endpoints want a way to reach you in it.
        auth: (user, password) for basic authentication.
        max_bytes: Of one answer.
        sleep: How to wait.

    Raises:
        InputError: The address is none, or a header cannot be sent.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 60.0,
        retries: int = 5,
        cache: Path | None = None,
        user_agent: str | None = None,
        auth: tuple[str, str] | None = None,
        max_bytes: int = _MAX_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{url!r} is no web address", remedy="give the endpoint, such as https://host/sparql")
        if parts.username or parts.password:
            raise InputError("the address holds a password", remedy="give it as auth=(user, password)")
        if timeout <= 0 or retries < 0:
            raise InputError(f"timeout={timeout}, retries={retries}", remedy="give timeout > 0, retries >= 0")
        self.url, self.timeout, self.retries = url, timeout, retries
        self.cache = cache
        self.max_bytes = max_bytes
        self.asked = self.remembered = 0
        self._sleep = sleep
        self._account = "" if auth is None else auth[0]
        self._headers = {"Accept": _ACCEPT, "User-Agent": user_agent or _default_agent()}
        if auth is not None:
            token = base64.b64encode(f"{auth[0]}:{auth[1]}".encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"
        if any("\r" in value or "\n" in value for value in self._headers.values()):
            raise InputError("the user agent has a line break", remedy="give it as one line")

    def select(self, query: str) -> list[dict[str, Term]]:
        """The rows that answer a SELECT query: variable -> term.

        Raises:
            SparqlTimeout: No answer in time.
            InputError: The endpoint refuses, cannot be reached, or answers nonsense, each time it was asked.
        """
        kept = self._kept(query)
        if kept is not None:
            self.remembered += 1
            return kept
        problem: _Again | None = None
        for attempt in range(self.retries + 1):
            if problem is not None:
                wait = problem.after if problem.after is not None else min(0.5 * 2 ** (attempt - 1), 30.0)
                if wait > _LONGEST_WAIT:
                    raise InputError(
                        f"the endpoint asks to wait {wait:.0f} seconds", file=self.url, remedy="come back later"
                    )
                self._sleep(wait)
            try:
                body = self._ask(query)
                rows = _rows(body)
            except _Again as again:
                problem = again
                if again.slow:
                    break
                continue
            self._keep(query, body)
            self.asked += 1
            return rows
        assert problem is not None
        if problem.slow:
            raise SparqlTimeout(
                f"no answer within {self.timeout:g} seconds",
                file=self.url,
                remedy="raise timeout=, or ask for less: fewer seeds, hops or relations",
            )
        raise InputError(
            f"{problem} ({self.retries + 1} tries)", file=self.url, remedy="check the address, or come back later"
        )

    def _ask(self, query: str) -> bytes:
        import http.client
        import urllib.error
        import urllib.request

        end = time.monotonic() + self.timeout
        data = urlencode({"query": query}, errors="surrogatepass").encode()
        question = urllib.request.Request(self.url, data, self._headers)
        try:
            with _opener().open(question, timeout=self.timeout) as answer:
                return self._body(answer, end)
        except urllib.error.HTTPError as error:
            with error:
                said = error.read1(_PART)
            self._refuse(error.code, error.headers, said)
        except TimeoutError:
            raise _Again("no answer in time", slow=True) from None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(getattr(error, "reason", None), TimeoutError):
                raise _Again("no answer in time", slow=True) from None
            raise _Again(f"the connection broke ({_short(error)})") from error
        raise AssertionError("an answer is taken or refused")

    def _body(self, answer: Any, end: float) -> bytes:
        """The whole answer; a server that dribbles is as late as one that is silent."""
        parts, size = [], 0
        while part := answer.read1(_PART):
            size += len(part)
            if size > self.max_bytes:
                raise InputError(
                    f"an answer is larger than {self.max_bytes:,} bytes", file=self.url, remedy="make page= smaller"
                )
            if time.monotonic() > end:
                raise _Again("no answer in time", slow=True)
            parts.append(part)
        length = answer.headers.get("Content-Length") or ""
        if length.isdigit() and size < int(length):
            raise _Again(f"half an answer ({size} of {length} bytes)")
        return b"".join(parts)

    def _refuse(self, status: int, headers: Any, body: bytes) -> None:
        said = body[:200].decode("utf-8", "replace").strip().split("\n")[0]
        if status in _LATER:
            raise _Again(f"the endpoint answers {status}: {said}", _retry_after(headers.get("Retry-After")))
        if 300 <= status < 400:
            moved = headers.get("Location", "elsewhere")
            raise InputError(f"the endpoint has moved to {moved}", file=self.url, remedy="give that address")
        remedy = {
            401: "give auth=(user, password)",
            403: "check auth=(user, password), and whether this address may be asked",
            404: "check the address: endpoints often end in /sparql or /query",
        }
        raise InputError(
            f"the endpoint answers {status}: {said}", file=self.url, remedy=remedy.get(status, "check the question")
        )

    def _place(self, query: str) -> Path | None:
        if self.cache is None:
            return None
        key = hashlib.sha256("\0".join((self.url, self._account, query)).encode("utf-8", "surrogatepass"))
        return self.cache / f"{key.hexdigest()}.json.gz"

    def _kept(self, query: str) -> list[dict[str, Term]] | None:
        place = self._place(query)
        if place is None or not place.is_file():
            return None
        try:
            with gzip.open(place) as file:
                return _rows(file.read(self.max_bytes))
        except (OSError, EOFError, _Again):
            return None  # damaged: asked anew

    def _keep(self, query: str, body: bytes) -> None:
        place = self._place(query)
        if place is not None:
            with atomic_file(place) as temporary:
                temporary.write_bytes(gzip.compress(body, mtime=0))


def _opener() -> Any:
    """Opens addresses without going where an answer may send it, credentials and all."""
    import urllib.request

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return urllib.request.build_opener(NoRedirect)


def _default_agent() -> str:
    import kgzsl

    return f"kgzsl/{kgzsl.__version__} (class graphs from SPARQL endpoints)"


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:160]


def _retry_after(value: str | None) -> float | None:
    """Seconds, from a number or a date."""
    if not value:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError):
        return None


def _rows(body: bytes) -> list[dict[str, Term]]:
    if is_hollow(body):
        raise _Again("the answer is little but brackets")
    try:
        bindings = json.loads(body)["results"]["bindings"]
        return [{name: _term(entry) for name, entry in row.items()} for row in bindings]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        start = body[:60].decode("utf-8", "replace")
        raise _Again(f"the answer is no SPARQL result in JSON ({start!r})") from error


def _term(entry: Mapping[str, Any]) -> Term:
    kind, value = entry["type"], entry["value"]
    if kind not in ("uri", "bnode", "literal", "typed-literal") or not isinstance(value, str):
        raise ValueError(kind)
    return Term(
        "literal" if kind == "typed-literal" else kind, value, entry.get("xml:lang") or None, entry.get("datatype")
    )
