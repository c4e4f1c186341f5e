"""``kgzsl complete``: candidate triples of a relation, with confidence and reasons."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.models import load_model
from kgzsl.cli.options import DeviceOption, JsonOption, QuietOption, RunArgument
from kgzsl.errors import InputError

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "complete",
        short_help="Candidate triples of a relation, with confidence and reasons.",
        epilog="Example: kgzsl complete runs/geography --relation capitalOf --top 20 --min-confidence 0.5 --out new.nt",
    )(complete)


def complete(
    run: RunArgument,
    relation: Annotated[str, typer.Option("--relation", "-r", help="The relation, seen or unseen.")],
    head: Annotated[list[str] | None, typer.Option(help="Propose tails for this head. Repeatable.")] = None,
    tail: Annotated[list[str] | None, typer.Option(help="Propose heads for this tail. Repeatable.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A .tsv or .nt file; left out, the table goes to standard output."),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", "-k", help="How many for each head or tail; in all where none is given.", min=1)
    ] = 20,
    min_confidence: Annotated[float, typer.Option(help="Leave out what is less likely, from 0 to 1.")] = 0.0,
    style: Annotated[str, typer.Option(help="In .nt: reified, or star (RDF 1.2 triple terms).")] = "reified",
    base: Annotated[str, typer.Option(help="In .nt: put before names that are no IRIs.")] = "urn:kgzsl:name:",
    keep_violations: Annotated[
        bool, typer.Option("--keep-violations", help="Propose also what domain, range or disjointness speak against.")
    ] = False,
    why: Annotated[bool, typer.Option("--why/--no-why", help="Say what lies behind each proposal.")] = True,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Propose triples that are no facts yet. Nothing is written back anywhere but to --out."""
    from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter
    from kgzsl.tasks.kg_completion.proposals import propose
    from kgzsl.tasks.kg_completion.writing import check_target, write_proposals

    if out is not None:
        check_target(out, style)
    task, model, folder = load_model(run, device)
    if task != "kg_completion" or not isinstance(model, EvidenceCompleter):
        raise InputError(
            "this run has no calibrated ranker to propose triples with",
            file=run,
            remedy="train one with ranker: evidence in a completion recipe, or use kgzsl predict for plain scores",
        )
    found = propose(
        model,
        relation,
        heads=head,
        tails=tail,
        top=top,
        min_confidence=min_confidence,
        schema=folder.graph(),
        keep_violations=keep_violations,
        why=why,
    )
    lines = [f"{len(found.found)} proposed; {found.known} better ones are facts already"]
    against = ", ".join(f"{count} by {reason}" for reason, count in found.refused.items() if count)
    if against:
        lines.append(f"{'against the schema, kept' if keep_violations else 'refused'}: {against}")
    if found.unsure:
        lines.append(f"{found.unsure} of the best are less likely than {min_confidence}")
    lines += found.notes
    if out is not None:
        write_proposals(found.found, out, style=style, base=base)
        lines.append(f"written to {out}")
    elif not as_json:
        write_proposals(found.found, sys.stdout)
        for line in [] if quiet else lines:
            print(f"# {line}", file=sys.stderr)
        return
    Console(as_json=as_json, quiet=quiet).result({"relation": relation, **found.to_dict()}, lines)
