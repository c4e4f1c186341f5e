"""``kgzsl audit``: what may go wrong with a class graph or a data set, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kgzsl.cli.class_lists import read_names
from kgzsl.cli.console import Console
from kgzsl.cli.options import JsonOption, QuietOption
from kgzsl.errors import InputError

__all__ = ["add"]

_Names = Annotated[Path | None, typer.Option(help="A file of class names, one a line.")]


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "audit",
        short_help="What may go wrong with a graph or data set.",
        epilog="Example: kgzsl audit zoo.ttl --seen seen.txt --unseen unseen.txt --backbone imagenet-1k",
    )(audit_thing)


def audit_thing(
    thing: Annotated[str, typer.Argument(metavar="GRAPH|DATASET", help="A graph, an ontology, or a data set's name.")],
    graph: Annotated[str | None, typer.Option(help="The class graph of a data set, where it has none.")] = None,
    classes: _Names = None,
    seen: _Names = None,
    unseen: _Names = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="The backbone of the features (resnet101, a model of timm), what it was trained on (imagenet-1k), or "
            "a file of labels."
        ),
    ] = None,
    wordnet: Annotated[Path | None, typer.Option(help="The folder of WordNet 3.0, to check wnids against.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with status 2 if something serious is found.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Look for classes without text or edges, near-duplicates, wrong wnids, cycles, contradictions and leaks."""
    from kgzsl.knowledge import ClassGraph
    from kgzsl.knowledge.audit import audit
    from kgzsl.knowledge.label_lists import read_labels
    from kgzsl.knowledge.sources.wordnet import read_wordnet

    console = Console(as_json=as_json, quiet=quiet)
    names = {"classes": _read(classes), "seen": _read(seen), "unseen": _read(unseen)}
    source, data = _source(thing, graph)
    if data is not None:
        names = {key: value if value is not None else _of(data, key) for key, value in names.items()}
    labels = None if backbone is None else read_labels(backbone)
    reference = None if wordnet is None else read_wordnet(wordnet)
    read = ClassGraph.read(source)
    mapping = None if data is None else _mapping(data, read)
    found = audit(read, **names, mapping=mapping, labels=labels, wordnet=reference)
    console.result({"source": str(source), **found.to_dict()}, [f"{source}:", *found.lines()])
    if strict and found.serious:
        kinds = ", ".join(dict.fromkeys(finding.kind for finding in found.serious))
        raise InputError(f"{len(found.serious)} serious findings ({kinds})", file=thing, remedy="see above")


def _source(thing: str, graph: str | None) -> tuple[str, Any]:
    """(what to read as a graph, the data set or None)."""
    is_graph = graph is None and Path(thing).suffix != ".npz"
    if (is_graph and Path(thing).is_file()) or thing.startswith("store:"):
        return thing, None
    from kgzsl import datasets

    try:
        data = datasets.load(thing)
    except InputError:
        if Path(thing).is_dir():
            return thing, None
        raise
    source = graph or data.graph_source
    if source is None:
        raise InputError(f"{data.name} has no class graph of its own", remedy="give one with --graph")
    return str(source), data


def _mapping(data: Any, graph: Any) -> dict[str, str]:
    """IRIs of the classes whose names do not tell, by the IRI or WordNet id that the data set has of them."""
    names = list(getattr(data, "class_names", ()))
    found: dict[str, str] = {}
    for other in ("iri", "wnid"):
        known = getattr(data, "class_info", {}).get(other)
        lost = [i for i, node in enumerate(graph.align(names, mapping=found).indices) if node < 0]
        if known is None or not lost:
            continue
        for i, node in zip(lost, graph.align([known[i] for i in lost]).indices, strict=True):
            if node >= 0:
                found[names[i]] = graph.iris[node]
    return found


def _of(data: Any, key: str) -> list[str] | None:
    """Classes of an image data set, relations of a knowledge graph."""
    if key == "classes":
        return None
    if hasattr(data, "class_names"):
        return list(data.seen_names if key == "seen" else data.unseen_names)
    return list(data.names_of(data.seen_relations if key == "seen" else data.unseen_relations))


def _read(path: Path | None) -> list[str] | None:
    return None if path is None else read_names(path)
