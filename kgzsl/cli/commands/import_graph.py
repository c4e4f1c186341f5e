"""``kgzsl import``: an ontology or knowledge graph to a class graph, with an account of what was understood."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgzsl.cli.class_lists import read_names
from kgzsl.cli.console import Console
from kgzsl.cli.options import JsonOption, QuietOption, pairs
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["READING", "add"]

#: Arguments of ``ClassGraph.read`` that are options of this command.
READING = (
    "format",
    "header",
    "columns",
    "relation",
    "base",
    "lenient",
    "imports",
    "catalogue",
    "reasoning",
    "projection",
    "max_added",
    "max_seconds",
)
#: Arguments of readers of their own, which go through ``--set``.
SETTABLE = ("reference", "languages", "max_bytes", "max_nodes", "max_triples", "timeout", "auth", "page")


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "import",
        short_help="An ontology or KG to a class graph, with an account.",
        epilog="Example: kgzsl import zoo.ttl --out zoo.graph --projection owl2vec --reasoning rdfs",
    )(import_graph)


def import_graph(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Files (RDF, OWL, OBO, WordNet, ConceptNet, tables of triples), a folder of triples, store:DIR, or "
            "the address of a SPARQL endpoint.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The class graph to write.", show_default=False)],
    format: Annotated[  # noqa: A002
        str | None, typer.Option("--format", "-f", help="The format, where the name of the file does not tell.")
    ] = None,
    projection: Annotated[
        str,
        typer.Option(
            help="owl2vec: edges between named things. taxonomy: only what leads upwards. w3c: the triples as they are."
        ),
    ] = "owl2vec",
    reasoning: Annotated[str, typer.Option(help="none, rdfs, owl2rl, el or hermit: add what follows.")] = "none",
    language: Annotated[str, typer.Option(help="The preferred language of labels and texts.")] = "en",
    header: Annotated[
        str, typer.Option(help="auto, yes or no: does the first line of a table name its columns?")
    ] = "auto",
    columns: Annotated[
        str | None, typer.Option(help="What a table's columns hold: subject,relation,object[,weight] or ignore.")
    ] = None,
    relation: Annotated[str | None, typer.Option(help="The relation of all rows, for a table without one.")] = None,
    base: Annotated[str | None, typer.Option(help="The IRI that relative IRIs are resolved against.")] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Take IRIs that break the rules as they stand.")] = False,
    imports: Annotated[
        str, typer.Option(help="What an ontology imports: none, local (by the catalogue), fetch (from the network).")
    ] = "none",
    catalogue: Annotated[
        Path | None, typer.Option(help="An XML catalogue (catalog-v001.xml), or a folder that holds one.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="A file of class names, one a line: keep what they need, within --hops.")
    ] = None,
    hops: Annotated[int | None, typer.Option(help="How many links to follow from --classes.", show_default="2")] = None,
    max_added: Annotated[int | None, typer.Option(help="Most triples that reasoning may add.")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Most seconds that reasoning may take.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="NAME=VALUE",
            help="An option of the source's own reader: reference=dict30 (WordNet), languages=[de] (ConceptNet), "
            "relations=[wdt:P279] (an endpoint). Repeatable.",
        ),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Read an ontology or a knowledge graph into a class graph, and say what was and was not understood."""
    from kgzsl.cli.wording import in_options

    console = Console(as_json=as_json, quiet=quiet)
    _check_out(sources, out)
    flags: dict[str, bool | str] = {"auto": "auto", "yes": True, "no": False, "true": True, "false": False}
    if header.lower() not in flags:
        raise InputError(f"--header is {header!r}", remedy="give auto, yes or no")
    names = None if classes is None else read_names(classes)
    if hops is not None and names is None:
        raise InputError("--hops goes from a list of classes", remedy="give --classes FILE")
    limits = {"max_added": max_added, "max_seconds": max_seconds}
    settings: dict[str, Any] = {
        "projection": projection,
        "reasoning": None if reasoning == "none" else reasoning,
        "language": language,
        "header": flags[header.lower()],
        "columns": None if columns is None else [part.strip() for part in columns.split(",")],
        "relation": relation,
        "base": base,
        "lenient": lenient,
        "imports": imports,
        "catalogue": catalogue,
        **{name: limit for name, limit in limits.items() if limit is not None},
        **pairs(overrides),
    }
    begun = time.perf_counter()
    try:
        with console.bytes_read(sources[0]) as progress:
            graph = _read(sources, format, names, hops, {**settings, "progress": progress})
    except InputError as error:
        raise in_options(error, READING, settable=SETTABLE) from None
    graph.save(out)
    seconds = time.perf_counter() - begun
    console.result(_values(graph, out, seconds), _lines(graph, out, seconds))


def _read(
    sources: list[str], format_name: str | None, names: list[str] | None, hops: int | None, settings: dict[str, Any]
) -> ClassGraph:
    """The graph, or what the classes need of it; endpoints and Wikidata's dumps are asked for that alone."""
    from kgzsl.knowledge import ClassGraph
    from kgzsl.knowledge.finding import source_kind

    source = sources[0] if len(sources) == 1 else sources
    walk: dict[str, Any] = {} if hops is None else {"hops": hops}
    if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
        if names is None:
            raise InputError("an endpoint is too large to be taken whole", file=source, remedy="give --classes FILE")
        # Nodes are counted there, not bytes.
        tables = ("header", "columns", "relation", "base", "lenient", "imports", "catalogue", "progress")
        return ClassGraph.from_sparql(
            source, names, **walk, **{name: value for name, value in settings.items() if name not in tables}
        )
    if names is not None and source_kind(source, format_name) == "wikidata":
        return ClassGraph.read(source, format_name, classes=names, **walk, **settings)
    graph = ClassGraph.read(source, format_name, **settings)
    return graph if names is None else graph.for_classes(names, **walk)


def _check_out(sources: list[str], out: Path) -> None:
    if out.is_dir():
        raise InputError("this is a folder, and a class graph is one file", file=out, remedy="give --out a file name")
    for source in map(Path, sources):
        if out.exists() and source.exists() and out.samefile(source):
            raise InputError("the class graph would overwrite its own source", file=out, remedy="choose another --out")


def _values(graph: Any, out: Path, seconds: float) -> dict[str, Any]:
    return {
        "graph": str(out),
        "nodes": graph.num_nodes,
        "edges": graph.num_edges,
        "relations": len(graph.relations),
        "texts": graph.texts.num_texts,
        "seconds": round(seconds, 3),
        "balanced": graph.account.balanced,
        "account": graph.account.to_dict(),
        "provenance": graph.provenance,
    }


def _lines(graph: Any, out: Path, seconds: float) -> list[str]:
    return [repr(graph), "", *account_lines(graph.account), "", f"written to {out} in {seconds:.1f} s"]


def account_lines(account: Any, *, most: int = 40) -> list[str]:
    """The account as a table with short names: the commonest kinds first, and every reason for a loss.

    Args:
        account: What the import understood.
        most: Kinds beyond so many are summed in one line.
    """
    from kgzsl.knowledge.texts import local_name

    short = Counter(local_name(row.kind) for row in account.rows)
    rows = sorted(account.rows, key=lambda row: -row.axioms)
    names = {row.kind: local_name(row.kind) if short[local_name(row.kind)] == 1 else row.kind for row in rows}
    width = max(len("kind of axiom"), *(len(names[row.kind]) for row in rows[:most])) if rows else 13
    lines = [f"{'kind of axiom':<{width}}{'in':>9}{'edges':>9}{'texts':>9}{'declared':>10}{'dropped':>9}"]
    for row in rows[:most]:
        lines.append(_numbers(names[row.kind], [row], width))
        lines += [f"    {count:,} dropped: {reason}" for reason, count in row.dropped.items()]
        lines += [f"    {count:,} in part: {reason}" for reason, count in row.partly.items()]
    if len(rows) > most:
        lines.append(_numbers(f"{len(rows) - most} kinds more", rows[most:], width))
    lines.append(_numbers("all", rows, width))
    if account.duplicates:
        lines.append(f"{account.duplicates:,} triples came twice")
    if account.merged:
        lines.append(f"{account.merged:,} edges came from several axioms and are counted once")
    if account.left_out:
        lines.append(f"{account.left_out:,} edges are left out: the projection keeps only what leads upwards")
    return [*lines, *account.notes]


def _numbers(name: str, rows: Sequence[Any], width: int) -> str:
    axioms, edges, texts, declared = (
        sum(getattr(row, column) for row in rows) for column in ("axioms", "edges", "texts", "declared")
    )
    dropped = sum(sum(row.dropped.values()) for row in rows)
    return f"{name:<{width}}{axioms:>9,}{edges:>9,}{texts:>9,}{declared:>10,}{dropped:>9,}"
