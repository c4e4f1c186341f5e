"""PyLD's expansion of JSON-LD 1.1, with its work bounded and some of its slips put right.

Import this module inside functions: it imports PyLD, and that lxml and requests.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

from pyld.context_resolver import ResolvedContext
from pyld.iri_resolver import resolve
from pyld.jsonld import JsonLdError, JsonLdProcessor

__all__ = ["JsonLdError", "WorkExceeded", "expand"]

#: Most contexts that refer to each other in a row, as PyLD has it.
_MAX_CHAIN = 10
#: Steps of work (a term defined, part of a context copied, a node, a key or a value expanded) before a document is
#: given up. A step takes some ten microseconds; six million bytes of nodes with names and texts take this many.
_MAX_STEPS = 600_000
_COPY_STEP = 32
#: Contexts whose processed form is kept; each may be as large as all the terms in force.
_MAX_KEPT = 64

#: Answers with the JSON document at an address.
Loader = Callable[[str], Any]


class WorkExceeded(Exception):
    """The document makes its contexts be worked through again and again."""


def expand(document: Any, base: str, loader: Loader) -> list[Any]:
    """The expanded form of a document: no contexts, every name an IRI, every value in a list.

    Args:
        document: A JSON object or array.
        base: What relative IRIs are resolved against.
        loader: Answers with the JSON at an absolute address of a context; what it raises is passed on.

    Returns:
        The list of node objects.

    Raises:
        JsonLdError: The document is against the rules of JSON-LD 1.1; ``code`` is the name of the error there.
        WorkExceeded: Expanding it takes more steps than any honest document does.
        RecursionError: It is nested too deep.
    """
    contexts = _Contexts(loader)
    options = {
        "base": base,
        "contextResolver": contexts,
        "documentLoader": _no_loader,
        "processingMode": "json-ld-1.1",
        "isFrame": False,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # Words like @this are passed over, as the rules say.
        try:
            expanded: list[Any] = _Processor(contexts).expand(document, options)
        except JsonLdError as error:
            raise _root(error) from None
    return expanded


def _root(error: BaseException) -> BaseException:
    """What was wrong first: an error in a scoped context comes wrapped in one for every context around it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _no_loader(url: str, _options: Any) -> Any:
    raise AssertionError(f"{url} is to go through the resolver")


def _refusal(message: str, code: str, **details: Any) -> JsonLdError:
    return JsonLdError(message, "jsonld.SyntaxError", details, code=code)


class _Lenient(dict[str, Any]):
    """Forgets what it does not hold: ``"@vocab": null`` is right where no vocabulary was set, too."""

    def __delitem__(self, key: str) -> None:
        self.pop(key, None)


class _Contexts:
    """What PyLD asks for the contexts that a document names or holds.

    PyLD's own resolver changes a context that is imported, so that it is another one the next time, honours ``@base``
    in contexts outside the document, and keeps contexts beyond the document.

    Args:
        loader: Answers with the JSON at an address.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._documents: dict[str, Any] = {}
        self._by_object: dict[int, tuple[Any, ResolvedContext]] = {}
        self._by_text: dict[str, ResolvedContext] = {}
        self.steps = 0

    def spend(self, steps: int) -> None:
        """Count work, and give up where it is too much."""
        self.steps += steps
        if self.steps > _MAX_STEPS:
            raise WorkExceeded

    def resolve(self, _active: Any, context: Any, base: str, chain: frozenset[str] = frozenset()) -> list[Any]:
        """Every context of ``context`` in order, those outside the document in the place of their addresses."""
        if isinstance(context, dict) and "@context" in context:
            context = context["@context"]
        found: list[Any] = []
        for part in context if isinstance(context, list) else [context]:
            if isinstance(part, str):
                url = resolve(part, base)
                if url in chain or len(chain) > _MAX_CHAIN:
                    raise _refusal("Contexts refer to each other without end.", "context overflow", url=url)
                found += self.resolve(_active, self._outer(url), url, chain | {url})
            elif part is None or part is False:
                found.append(ResolvedContext(False))
            elif isinstance(part, dict):
                found.append(self._inner(part, base))
            else:
                raise _refusal("A context must be an object.", "invalid local context", context=part)
        return found

    def _inner(self, context: dict[str, Any], base: str) -> ResolvedContext:
        """A context that is written out; the same object, and one of the same content, is worked through once."""
        known = self._by_object.get(id(context))
        if known is not None:
            return known[1]
        whole = self._imported(context, base) if "@import" in context else context
        text = json.dumps(whole, sort_keys=True)
        self.spend(len(text) // _COPY_STEP)
        resolved = self._by_text.setdefault(text, ResolvedContext(whole))
        self._by_object[id(context)] = context, resolved
        if len(self._by_object) > _MAX_KEPT:
            del self._by_object[next(iter(self._by_object))]
        if len(self._by_text) > _MAX_KEPT:
            del self._by_text[next(iter(self._by_text))]
        return resolved

    def _imported(self, context: dict[str, Any], base: str) -> dict[str, Any]:
        """A context over the one that it imports."""
        address = context["@import"]
        if not isinstance(address, str):
            raise _refusal("@import must be a string.", "invalid @import value", value=address)
        imported = self._load(resolve(address, base))
        if not isinstance(imported, dict):
            raise _refusal("@import must lead to one context.", "invalid remote context", url=address)
        if "@import" in imported:
            raise _refusal("A context that is imported must import none.", "invalid context entry", url=address)
        return {**imported, **{key: value for key, value in context.items() if key != "@import"}}

    def _outer(self, url: str) -> Any:
        """A context outside the document, which has no say over the document's base."""
        context = self._load(url)
        key = f"{url} without base"
        if key not in self._documents:
            parts = context if isinstance(context, list) else [context]
            if any(isinstance(part, dict) and "@base" in part for part in parts):
                parts = [
                    {name: value for name, value in part.items() if name != "@base"} if isinstance(part, dict) else part
                    for part in parts
                ]
            self._documents[key] = parts
        return self._documents[key]

    def _load(self, url: str) -> Any:
        if url not in self._documents:
            document = self._loader(url)
            if not isinstance(document, dict) or "@context" not in document:
                raise _refusal("This is no context: it has no @context.", "invalid remote context", url=url)
            self._documents[url] = _absolute(document["@context"], url)
        return self._documents[url]


def _absolute(context: Any, base: str) -> Any:
    """A copy in which the addresses of further contexts do not depend on where this one lies."""
    if isinstance(context, str):
        return resolve(context, base)
    if isinstance(context, list):
        return [_absolute(part, base) for part in context]
    if not isinstance(context, dict):
        return context
    copy = {}
    for term, value in context.items():
        if term == "@import" and isinstance(value, str):
            copy[term] = resolve(value, base)
        elif isinstance(value, dict) and "@context" in value:
            copy[term] = {**value, "@context": _absolute(value["@context"], base)}
        else:
            copy[term] = value
    return copy


class _Processor(JsonLdProcessor):  # type: ignore[misc]
    """PyLD's processor with a budget.

    Args:
        contexts: The resolver, which keeps the budget too.
    """

    def __init__(self, contexts: _Contexts) -> None:
        super().__init__()
        self._contexts = contexts

    def _expand(self, active_ctx: Any, active_property: Any, element: Any, *rest: Any, **named: Any) -> Any:
        self._contexts.spend(1 + len(element) if isinstance(element, dict) else 1)
        return super()._expand(active_ctx, active_property, element, *rest, **named)

    def _create_term_definition(self, *arguments: Any, **named: Any) -> Any:
        self._contexts.spend(1)
        return super()._create_term_definition(*arguments, **named)

    def _clone_active_context(self, active_ctx: Any) -> Any:
        self._contexts.spend(1 + len(active_ctx["mappings"]) // _COPY_STEP)
        return _Lenient(super()._clone_active_context(active_ctx))

    def _process_context(
        self, active_ctx: Any, local_ctx: Any, options: Any, *rest: Any, cycles: Any = None, **named: Any
    ) -> Any:
        """Addresses are replaced by what lies there: PyLD looks for ``@propagate`` in the first context as given."""
        parts = local_ctx if isinstance(local_ctx, list) else [local_ctx]
        if any(isinstance(part, str) for part in parts):
            if isinstance(local_ctx, list) and cycles is not None:
                # A term whose own context is the one that it stands in: PyLD sees this for a single address only.
                kept = []
                for part in parts:
                    url = resolve(part, options["base"]) if isinstance(part, str) else None
                    if url is None or url not in cycles:
                        kept.append(part)
                        cycles.update([url] if url else [])
                parts = kept
            found = self._contexts.resolve(active_ctx, parts, options["base"])
            local_ctx = [part.document for part in found]
        return super()._process_context(active_ctx, local_ctx, options, *rest, cycles=cycles, **named)

    def _expand_index_map(
        self, active_ctx: Any, active_property: Any, value: Any, index_key: Any, *rest: Any
    ) -> list[Any]:
        """Key by key, since PyLD lets the context of one type reach the types after it."""
        found: list[Any] = []
        for key in sorted(value):
            found += super()._expand_index_map(active_ctx, active_property, {key: value[key]}, index_key, *rest)
        return found
