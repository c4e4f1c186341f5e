"""``kgzsl explain``: why an answer was given."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.inputs import given_files, read_queries
from kgzsl.cli.items import one_source, read_items
from kgzsl.cli.models import load_model, parse_candidates
from kgzsl.cli.options import BackboneOption, DeviceOption, JsonOption, QuietOption, RunArgument
from kgzsl.errors import InputError

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "explain",
        short_help="Why a class or a triple was answered.",
        epilog="Example: kgzsl explain runs/flowers new.npy --row 0 --candidates unseen --without 3 --html why.html",
    )(explain)


def explain(
    run: RunArgument,
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Images: features as .jsonl or any file that `kgzsl pack` reads, or images and folders of images. "
            "Completion: head and relation, and perhaps the tail to explain, as .tsv, .csv or .jsonl. - reads "
            "JSON lines from standard input.",
        ),
    ],
    rows: Annotated[
        list[int] | None, typer.Option("--row", help="Which rows; repeatable. The first five otherwise.")
    ] = None,
    candidates: Annotated[
        list[str] | None,
        typer.Option(
            help="Images: all, unseen or seen classes; or open; or names with commas between; or a file. Repeatable."
        ),
    ] = None,
    neighbours: Annotated[int, typer.Option(help="How many seen classes and runners-up to name.", min=1)] = 3,
    without: Annotated[
        int,
        typer.Option("--without", help="Take so many statements away, one at a time, and see the score move.", min=0),
    ] = 0,
    relation: Annotated[
        str | None,
        typer.Option(help="Completion: the relation of all heads, where INPUT has only heads.", show_default=False),
    ] = None,
    tail: Annotated[
        str | None, typer.Option(help="Completion: explain this tail, not the best one.", show_default=False)
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page.", show_default=False)] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Write the first one as a picture, .svg or .png.", show_default=False)
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Which array of INPUT holds the features.", show_default=False)
    ] = None,
    backbone: BackboneOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Name what lies behind an answer: the class's axioms, like seen classes, what they share, paths, known facts."""
    import kgzsl
    from kgzsl._files import atomic_text
    from kgzsl.report.explanation_picture import write_explanation_picture
    from kgzsl.report.explanations import render_explanations

    if picture is not None and picture.suffix not in (".svg", ".png"):
        raise InputError("a picture is written as SVG or PNG", file=picture, remedy="name it .svg or .png")
    task, model, folder = load_model(run, device)
    if task == "image_classification":
        with given_files(sources) as files:
            features, names = read_items(model, files, key=key, backbone=backbone, device=device)
        wanted = _wanted(rows, len(features), sources[0])
        told = _images(model, features[wanted], parse_candidates(candidates), folder, neighbours, without)
        items: list[Any] = [row if names is None else names[row] for row in wanted]
    else:
        if candidates is not None:
            raise InputError(
                "--candidates is for runs over images: a triple is explained, or the best tail of all entities",
                file=run,
                remedy="leave it out, or say which tail with --tail",
            )
        with given_files(sources) as files:
            told, items = _triples(model, one_source(files), rows, folder, relation, tail, neighbours, without)
    values = [{"item": item, **one.to_dict()} for item, one in zip(items, told, strict=True)]
    pairs = [(str(item), value) for item, value in zip(items, values, strict=True)]
    if html is not None:
        atomic_text(html, render_explanations(f"Why: {run.name}", pairs, kgzsl.__version__))
    if picture is not None:
        write_explanation_picture(picture, *pairs[0])
    lines = [f"{item}: {one.text()}" for item, one in zip(items, told, strict=True)]
    lines += [f"written to {file}" for file in (html, picture) if file is not None]
    Console(as_json=as_json, quiet=quiet).result({"explanations": values}, lines)


def _wanted(rows: list[int] | None, count: int, source: Path) -> list[int]:
    wanted = rows or list(range(min(5, count)))
    for row in wanted:
        if not 0 <= row < count:
            raise InputError(f"there is no row {row}", file=source, remedy=f"rows go from 0 to {count - 1}")
    return wanted


def _images(model: Any, features: Any, candidates: Any, folder: Any, neighbours: int, without: int) -> list[Any]:
    from kgzsl.tasks.image_classification.counterfactual import again_of, counterfactuals

    graph = folder.graph()
    told: list[Any] = model.explain(features, candidates, graph=graph, neighbours=neighbours)
    if not without:
        return told
    again = again_of(model, graph)
    if again is None and not model.priors_.named.any():
        why = "the run kept no class graph" if graph is None else "they do not come out of the run's class graph again"
        raise InputError(
            f"nothing can be taken away from this run's class vectors: their columns have no names, and {why}",
            file=folder.path,
            remedy="leave out --without, or run with priors that are made from a class graph on this machine",
        )
    return [
        dataclasses.replace(one, without=tuple(counterfactuals(model, x[None], candidates, again=again, most=without)))
        for one, x in zip(told, features, strict=True)
    ]


def _triples(
    model: Any,
    source: Path,
    rows: list[int] | None,
    folder: Any,
    relation: str | None,
    tail: str | None,
    neighbours: int,
    without: int,
) -> tuple[list[Any], list[str]]:
    from kgzsl.tasks.kg_completion.entity_labels import by_label, own_entity
    from kgzsl.tasks.kg_completion.explanation import explain_completion
    from kgzsl.tasks.kg_completion.naming import answered_relation

    queries, labelled = read_queries(source), cache(lambda: by_label(folder.labels()))
    graph = folder.graph()
    priors = folder.priors() if (folder.path / "priors.safetensors").is_file() else None  # embeddings have none
    told, items = [], []
    for row in _wanted(rows, len(queries), source):
        head, _, own_tail = queries[row]
        wanted = queries[row].relation_or(relation, source, row + 1)
        options = {"graph": graph, "neighbours": neighbours, "statements": without}
        try:
            wanted = answered_relation(model, wanted, graph)
            own, other = (
                one if one is None else own_entity(model, one, labelled, lambda: graph) or one
                for one in (head, tail or own_tail)
            )
            told.append(explain_completion(model, priors, str(own), wanted, other, **options))
        except InputError as error:
            raise InputError(error.problem, file=source, place=f"query {row + 1}", remedy=error.remedy) from None
        items.append(f"{head} {wanted}")
    return told, items
