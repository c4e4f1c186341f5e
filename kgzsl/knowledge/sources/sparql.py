"""The neighbourhood of some classes, fetched from a SPARQL endpoint."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kgzsl.errors import InputError
from kgzsl.knowledge.assembling import assemble, check_projection
from kgzsl.knowledge.sources.sparql_client import SparqlClient, SparqlTimeout, Term, cache_folder, is_last_page
from kgzsl.knowledge.sources.sparql_text import edges_query, iri_term, label_query, texts_query
from kgzsl.knowledge.sources.wikidata import DIRECT, MEANING
from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import OWL, PREFIXES, RDF, RDFS, SKOS, TEXT_PROPERTIES, XSD

if TYPE_CHECKING:
    from kgzsl.knowledge.class_graph import ClassGraph

__all__ = ["read_sparql"]

_LANGUAGES_OWN = (OWL, RDF, RDFS, XSD, SKOS)
_LABELS = (RDFS + "label", SKOS + "prefLabel", "http://schema.org/name")
_IS_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|urn:")
#: As a dump of Wikidata is read: subclass of and parent taxon lead upwards, instance of is a type.
_MEANT = {DIRECT + name: meaning for name, meaning in MEANING.items()}


def read_sparql(
    url: str,
    seeds: Sequence[str],
    hops: int = 1,
    *,
    relations: Sequence[str] | None = None,
    direction: str = "out",
    texts: bool = True,
    languages: Sequence[str] | None = ("en",),
    batch: int = 200,
    page: int = 5000,
    max_nodes: int = 100_000,
    max_triples: int = 5_000_000,
    timeout: float = 60.0,
    retries: int = 5,
    cache: str | Path | None = "auto",
    user_agent: str | None = None,
    auth: tuple[str, str] | None = None,
    prefixes: Mapping[str, str] | None = None,
    projection: str = "owl2vec",
    reasoning: str | None = None,
    language: str | None = "en",
    max_added: int = 10_000_000,
    max_seconds: float = 600.0,
    progress: Callable[[int, int | None], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> ClassGraph:
    """Fetch what lies within some hops of classes, by the SPARQL 1.1 protocol.

    Each step asks for the links of ``batch`` nodes at once, in pages of a fixed order; a batch that takes too long is
    halved. Then come the texts of all nodes and relations. Links between two nodes of the last step are not asked for.
    Class expressions behind blank nodes (OWL restrictions) cannot be fetched so, and are counted in a note. The same
    answers give the same graph, whatever the order they came in. Wikidata's P279 (subclass of) and P171 (parent taxon)
    become rdfs:subClassOf, its P31 (instance of) rdf:type.

    Args:
        url: The endpoint.
        seeds: IRIs, prefixed names (``wd:Q144``), or labels, which must be of one node each.
        hops: How many links to follow.
        relations: Follow these alone (IRIs or prefixed names); ``None``: all. RDF's and OWL's own terms are reached and
            not followed.
        direction: ``"out"``: from subject to object; ``"both"``: either way.
        texts: Whether to fetch labels, definitions and comments.
        languages: Of texts and of label seeds, beside untagged ones; ``None``: all.
        batch: Nodes a question.
        page: Rows an answer.
        max_nodes: More nodes than these are refused.
        max_triples: More triples than these are refused.
        timeout: Seconds for one answer.
        retries: How often to ask again after 429, 5xx, half an answer or nonsense.
        cache: Folder for answers; ``"auto"``: the user's cache; ``None``: none.
        user_agent: Who asks.
        auth: (user, password) for basic authentication.
        prefixes: More prefixes for ``seeds`` and ``relations``.
        projection: See ``ClassGraph.read``.
        reasoning: See ``ClassGraph.read``.
        language: Preferred language of labels.
        max_added: Triples that reasoning may add.
        max_seconds: Seconds that reasoning may take.
        progress: Called with (nodes asked about, nodes of this step) now and then.
        sleep: How to wait.

    Raises:
        InputError: A seed is no IRI and no label of one node (all are named), a limit is passed, or the endpoint fails.
    """
    check_projection(projection)
    if direction not in ("out", "both") or hops < 0 or batch < 1 or page < 1:
        raise InputError(
            f"hops={hops}, direction={direction!r}, batch={batch}, page={page}",
            remedy="give hops >= 0, direction 'out' or 'both', batch and page >= 1",
        )
    folder = cache_folder() if cache == "auto" else None if cache is None else Path(cache)
    client = SparqlClient(
        url, timeout=timeout, retries=retries, cache=folder, user_agent=user_agent, auth=auth, sleep=sleep
    )
    walk = _Walk(client, batch, page, max_nodes, max_triples, progress)
    known = {**PREFIXES, **(prefixes or {})}
    wanted = None if relations is None else [_expanded(name, known) for name in relations]
    for name in wanted or ():
        iri_term(name)
    found = walk.resolve(seeds, known, tuple(languages or ("en",)))
    walk.run(sorted(set(found.values())), hops, wanted, direction)
    if texts:
        walk.texts(languages)
    builder = walk.build()
    if builder.empty:
        raise InputError(
            f"the endpoint says nothing of {', '.join(list(found)[:5])}", file=url, remedy="check seeds and relations"
        )
    provenance = {
        "source": url,
        "format": "sparql",
        "sha256": None,
        "bytes": None,
        "classes": found,
        "hops": hops,
        "relations": wanted,
        "direction": direction,
    }
    return assemble(
        builder.build(),
        provenance,
        projection=projection,
        reasoning=reasoning,
        language=language,
        prefixes=prefixes,
        max_added=max_added,
        max_seconds=max_seconds,
    )


def _expanded(name: str, prefixes: Mapping[str, str]) -> str:
    prefix, colon, local = name.partition(":")
    return prefixes[prefix] + local if colon and prefix in prefixes and not local.startswith("//") else name


class _Walk:
    """Goes from node to node, and keeps what it meets."""

    def __init__(
        self,
        client: SparqlClient,
        batch: int,
        page: int,
        max_nodes: int,
        max_triples: int,
        progress: Callable[[int, int | None], None] | None,
    ) -> None:
        self.client, self.batch, self.page = client, batch, page
        self.max_nodes, self.max_triples = max_nodes, max_triples
        self.progress = progress
        self.nodes: set[str] = set()
        self.edges: set[tuple[str, str, str]] = set()
        self.literals: set[tuple[str, str, Term]] = set()
        self.blank = 0

    def resolve(self, seeds: Sequence[str], prefixes: Mapping[str, str], languages: Sequence[str]) -> dict[str, str]:
        """Seed -> IRI."""
        found: dict[str, str] = {}
        names: list[str] = []
        for seed in seeds:
            full = _expanded(seed, prefixes)
            if full != seed or _IS_IRI.match(full):
                iri_term(full)
                found[seed] = full
            else:
                names.append(seed)
        if not seeds:
            raise InputError("no seed is given", remedy="give IRIs or labels of classes")
        answers: dict[str, list[str]] = {name: [] for name in names}

        def question(part: Sequence[str], limit: int, offset: int) -> str:
            return label_query(part, _LABELS, languages, limit=limit, offset=offset)

        for row in self._rows(names, question):
            answers[row["o"].value].append(row["s"].value)
        problems = []
        for name, iris in answers.items():
            distinct = sorted(set(iris))
            if len(distinct) == 1:
                found[name] = distinct[0]
            else:
                problems.append(f"{name!r} ({', '.join(distinct[:3]) or 'no node has this label'})")
        if problems:
            raise InputError(
                f"{len(problems)} seeds are not the label of one node: {'; '.join(problems)}",
                file=self.client.url,
                remedy="give their IRIs",
            )
        return found

    def run(self, seeds: list[str], hops: int, relations: Sequence[str] | None, direction: str) -> None:
        """Follow the links of ``seeds``, then of what they lead to, ``hops`` times."""
        self.nodes.update(seeds)
        front = seeds
        for _ in range(hops):
            met: set[str] = set()
            for incoming in (False, True) if direction == "both" else (False,):

                def question(part: Sequence[str], limit: int, offset: int, incoming: bool = incoming) -> str:
                    return edges_query(part, relations, incoming=incoming, limit=limit, offset=offset)

                for row in self._rows(front, question):
                    if "bnode" in (row["s"].kind, row["o"].kind):
                        self.blank += 1
                        continue
                    edge = (row["s"].value, row["p"].value, row["o"].value)
                    self.edges.add(edge)
                    met.update((edge[0], edge[2]))
                    self._bounded()
            front = sorted(node for node in met - self.nodes if _followed(node))
            self.nodes |= met
            if len(self.nodes) > self.max_nodes:
                raise InputError(
                    f"the walk has reached {len(self.nodes):,} nodes, more than max_nodes={self.max_nodes:,}",
                    file=self.client.url,
                    remedy="follow fewer hops or relations, or raise max_nodes=",
                )

    def texts(self, languages: Sequence[str] | None) -> None:
        """Fetch the texts of all nodes and relations met."""
        named = self.nodes | {edge[1] for edge in self.edges}
        properties = sorted(TEXT_PROPERTIES)

        def question(part: Sequence[str], limit: int, offset: int) -> str:
            return texts_query(part, properties, languages, limit=limit, offset=offset)

        for row in self._rows(sorted(node for node in named if _followed(node)), question):
            self.literals.add((row["s"].value, row["p"].value, row["o"]))
            self._bounded()

    def build(self) -> TripleBuilder:
        """What was met, in an order that does not depend on the answers'."""
        builder = TripleBuilder()
        for subject, relation, target in sorted(self.edges):
            builder.add(builder.iri(subject), builder.iri(_MEANT.get(relation, relation)), builder.iri(target))
        for subject, relation, term in sorted(self.literals, key=_sort_key):
            datatype = None if term.language or term.datatype == XSD + "string" else term.datatype
            literal = builder.literal(term.value, term.language, datatype)
            builder.add(builder.iri(subject), builder.iri(relation), literal)
        if self.blank:
            builder.notes.append(f"{self.blank} links to or from blank nodes (class expressions) could not be followed")
        builder.notes.append(f"{self.client.asked} questions were asked, {self.client.remembered} were known already")
        return builder

    def _bounded(self) -> None:
        if len(self.edges) + len(self.literals) > self.max_triples:
            raise InputError(
                f"more than max_triples={self.max_triples:,} triples have come",
                file=self.client.url,
                remedy="follow fewer hops or relations, or raise max_triples=",
            )

    def _rows(
        self, nodes: Sequence[str], question: Callable[[Sequence[str], int, int], str]
    ) -> Iterator[dict[str, Term]]:
        """All rows for all nodes, batch by batch and page by page."""
        waiting = [nodes[start : start + self.batch] for start in range(0, len(nodes), self.batch)][::-1]
        done = 0
        while waiting:
            part = waiting.pop()
            try:
                rows = self._pages(part, question)
            except SparqlTimeout:
                if len(part) == 1:
                    raise
                half = (len(part) + 1) // 2
                waiting += [part[half:], part[:half]]
                continue
            yield from rows
            done += len(part)
            if self.progress is not None:
                self.progress(done, len(nodes))

    def _pages(self, part: Sequence[str], question: Callable[[Sequence[str], int, int], str]) -> list[dict[str, Term]]:
        rows: list[dict[str, Term]] = []
        while True:
            found = self.client.select(question(part, self.page, len(rows)))
            rows += found
            if is_last_page(len(found), self.page):
                return rows
            if len(rows) > self.max_triples:
                self._bounded_rows(len(rows))

    def _bounded_rows(self, count: int) -> None:
        raise InputError(
            f"{count:,} rows for one batch, more than max_triples={self.max_triples:,}",
            file=self.client.url,
            remedy="follow fewer relations, or raise max_triples=",
        )


def _followed(node: str) -> bool:
    """Not the vocabulary's own terms (everything links to owl:Class), nor what no question can name."""
    if node.startswith(_LANGUAGES_OWN):
        return False
    try:
        iri_term(node)
    except InputError:
        return False
    return True


def _sort_key(row: tuple[str, str, Term]) -> tuple[str, ...]:
    subject, relation, term = row
    return subject, relation, term.value, term.language or "", term.datatype or ""
