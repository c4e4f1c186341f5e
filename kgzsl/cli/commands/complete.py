"""``kgzsl complete``: candidate triples of a relation, with confidence and reasons."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.models import load_model
from kgzsl.cli.options import DeviceOption, JsonOption, MemoryOption, QuietOption, RunArgument
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.tasks.kg_completion.endpoint import EndpointFacts

__all__ = ["add"]

_STYLE, _GRAPH = "reified", "urn:kgzsl:proposals"


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "complete",
        short_help="Candidate triples of a relation, with confidence and reasons.",
        epilog="Example: kgzsl complete runs/geography --relation capitalOf --top 20 --min-confidence 0.5 --out new.nt",
    )(complete)


def complete(
    run: RunArgument,
    relation: Annotated[str, typer.Option("--relation", "-r", help="The relation, seen, unseen or new.")],
    head: Annotated[
        list[str] | None, typer.Option(help="Propose tails for this head, a name or label. Repeatable.")
    ] = None,
    tail: Annotated[
        list[str] | None, typer.Option(help="Propose heads for this tail, a name or label. Repeatable.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A .tsv or .nt file; left out, the table goes to standard output."),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", "-k", help="How many for each head or tail; in all where none is given.", min=1)
    ] = 20,
    min_confidence: Annotated[float, typer.Option(help="Leave out what is less likely, from 0 to 1.")] = 0.0,
    style: Annotated[
        str, typer.Option(help="In .nt: reified, or star (RDF 1.2 triple terms, which rdflib cannot read).")
    ] = _STYLE,
    base: Annotated[
        str,
        typer.Option(
            help="In .nt and at an endpoint: put before names that are no IRIs, percent-encoded. IRIs, which stay as "
            "they are: http://..., any scheme with //, and urn:, tag:, did:, mailto:, file: and the like."
        ),
    ] = "urn:kgzsl:name:",
    keep_violations: Annotated[
        bool, typer.Option("--keep-violations", help="Propose also what domain, range or disjointness speak against.")
    ] = False,
    facts: Annotated[
        Path | None,
        typer.Option(
            help="Facts that came after training, a table or RDF: their entities and relations may be new.",
            show_default=False,
        ),
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(
            help="What the ontology says since: of a new relation, or against triples of one that was there.",
            show_default=False,
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            help="A SPARQL endpoint: what it says with the run's relations is known, too, as with --facts; so are the "
            "classes (rdf:type) of entities there."
        ),
    ] = None,
    from_graph: Annotated[
        list[str] | None,
        typer.Option(
            "--from-graph",
            help="With --endpoint: the IRI of a named graph to read, or default for the default graph. Repeatable; "
            "left out, the default graph and all named ones are read.",
        ),
    ] = None,
    write_back: Annotated[
        str | None,
        typer.Option(help="A SPARQL update endpoint that the proposals are written to. Left out, nothing is written."),
    ] = None,
    named_graph: Annotated[str, typer.Option(help="With --write-back: the named graph that they go to.")] = _GRAPH,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the update that --write-back would send, and send nothing.")
    ] = False,
    user: Annotated[
        str | None, typer.Option(help="For both endpoints; the password is taken from KGZSL_SPARQL_PASSWORD.")
    ] = None,
    max_triples: Annotated[int, typer.Option(help="Of --endpoint; more are refused.", min=1)] = 1_000_000,
    why: Annotated[bool, typer.Option("--why/--no-why", help="Say what lies behind each proposal.")] = True,
    device: DeviceOption = "auto",
    memory_budget: MemoryOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Propose triples that are no facts yet. Nothing is written anywhere but to --out and --write-back.

    The run stays as it is: what --facts and --schema say counts for this answer alone.
    """
    from kgzsl.cli.growing import grown_schema, require_entities, take_news
    from kgzsl.tasks.kg_completion.proposals import propose
    from kgzsl.tasks.kg_completion.writing import check_target, write_proposals

    auth = _account(user)
    if write_back is not None or dry_run:
        from kgzsl.tasks.kg_completion.endpoint import proposal_updates

        proposal_updates((), graph=named_graph, style=style, base=base)  # a bad one is told before any work is done
    else:
        if named_graph != _GRAPH:
            raise InputError("--named-graph says where --write-back writes to", remedy="give --write-back URL")
        if style != _STYLE and (out is None or out.suffix != ".nt"):
            raise InputError("--style is for N-Triples and updates", remedy="give --out FILE.nt, or --write-back")
    if out is not None:
        check_target(out, style, base)
    ask = None if endpoint is None else _question(endpoint, from_graph or (), auth, max_triples)
    if endpoint is None and from_graph:
        raise InputError("--from-graph says what to read of an endpoint", remedy="give --endpoint URL")
    task, model, folder = load_model(run, device, memory_budget)
    if task != "kg_completion":
        raise InputError("this run is about images", file=run, remedy="ask kgzsl predict")
    graph = grown_schema(folder, schema)
    was = folder.graph() if schema is not None else None
    relation, news, more = take_news(model, relation, facts, graph, was, base, ask=ask)
    head, tail = (require_entities(model, names, folder.labels, graph, facts) for names in (head, tail))
    console = Console(as_json=as_json, quiet=quiet)
    found = propose(
        model,
        relation,
        heads=head,
        tails=tail,
        top=top,
        min_confidence=min_confidence,
        schema=graph,
        keep_violations=keep_violations,
        why=why,
        progress=console.counted("asked"),
    )
    lines = [f"{len(found.found)} proposed; {found.known} better ones are facts already"]
    against = ", ".join(f"{count} by {reason}" for reason, count in found.refused.items() if count)
    if against:
        lines.append(f"{'against the schema, kept' if keep_violations else 'refused'}: {against}")
    if found.unsure:
        lines.append(f"{found.unsure} of the best are less likely than {min_confidence}")
    notes = [*(one.line() for one in model.calibrations_for(model._relation(relation))[-1:]), *found.notes, *more]
    lines += notes
    values = {"relation": relation, **found.to_dict(), "notes": notes, **news}
    updates = []
    if write_back is not None or dry_run:
        updates = proposal_updates(found.found, graph=named_graph, style=style, base=base)
    if dry_run:
        lines.append("nothing was sent")
        values["update"] = "".join(updates)
    elif write_back is not None:
        lines.append(_write_back(write_back, updates, auth, len(found.found), named_graph))
    if out is not None:
        write_proposals(found.found, out, style=style, base=base)
        lines.append(f"written to {out}")
    if as_json or not (dry_run or out is None):
        console.result(values, lines)
        return
    if dry_run:
        sys.stdout.writelines(updates)
    else:
        write_proposals(found.found, sys.stdout)
    for line in [] if quiet else lines:
        print(f"# {line}", file=sys.stderr)


def _account(user: str | None) -> tuple[str, str] | None:
    if user is None:
        return None
    password = os.environ.get("KGZSL_SPARQL_PASSWORD")
    if password is None:
        raise InputError("there is no password for --user", remedy="put it into KGZSL_SPARQL_PASSWORD")
    return user, password


def _question(
    endpoint: str, graphs: Sequence[str], auth: tuple[str, str] | None, most: int
) -> Callable[[list[str]], EndpointFacts]:
    """Asks the endpoint; a bad address or graph is told before any work is done."""
    from kgzsl.knowledge.sources.sparql_client import SparqlClient
    from kgzsl.knowledge.sources.sparql_text import facts_query
    from kgzsl.tasks.kg_completion.endpoint import read_endpoint

    facts_query((), graphs=graphs, limit=1, offset=0)
    # Never from the cache: what is a fact already may have changed since.
    return partial(read_endpoint, SparqlClient(endpoint, auth=auth), graphs=graphs, max_triples=most)


def _write_back(url: str, updates: list[str], auth: tuple[str, str] | None, count: int, graph: str) -> str:
    from kgzsl.knowledge.sources.sparql_update import send_update

    for number, update in enumerate(updates):
        try:
            send_update(url, update, auth=auth)
        except InputError as error:
            if number:
                problem = f"{error.problem}; {number} of {len(updates)} parts were written before"
                raise InputError(problem, file=url, remedy="run it again: what is there is not doubled") from None
            raise
    return f"{count} written to {graph} at {url}" if count else "nothing to write"
