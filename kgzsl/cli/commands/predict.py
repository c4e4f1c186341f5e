"""``kgzsl predict``: new features, or heads and relations, to ranked answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from kgzsl.cli.answers import Answers, check_out, write_answers
from kgzsl.cli.console import Console
from kgzsl.cli.inputs import given_files, read_queries
from kgzsl.cli.items import one_source, read_items
from kgzsl.cli.models import load_model, parse_candidates
from kgzsl.cli.options import BackboneOption, DeviceOption, JsonOption, MemoryOption, QuietOption, RunArgument
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.report.run_folder import RunFolder
    from kgzsl.tasks.kg_completion.completer import Completion
    from kgzsl.tasks.kg_completion.entity_labels import Labels

__all__ = ["add"]

_TOGETHER = 4096
"""Queries that are gone through before any of them is written."""


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "predict",
        short_help="New features or images, or heads and relations, to ranked answers.",
        epilog="Example: kgzsl predict runs/flowers new.npy --out answers.csv --candidates unseen --top 3",
    )(predict)


def predict(
    run: RunArgument,
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Images: features as .jsonl or any file that `kgzsl pack` reads, or images and folders of images. "
            "Completion: head and relation as .tsv, .csv or .jsonl. - reads JSON lines from standard input.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A .csv, .tsv or .jsonl file; left out, JSON lines go to standard output."),
    ] = None,
    candidates: Annotated[
        list[str] | None,
        typer.Option(
            help="all; or unseen or seen (classes); or open (any feasible pair); or names with commas between; or "
            "a file of names. Repeatable."
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", "-k", help="How many answers for each query.", min=1)] = 5,
    key: Annotated[
        str | None, typer.Option(help="Which array of INPUT holds the features.", show_default=False)
    ] = None,
    backbone: BackboneOption = None,
    relation: Annotated[
        str | None, typer.Option(help="The relation of all heads, where INPUT has only heads.", show_default=False)
    ] = None,
    known: Annotated[
        bool, typer.Option("--known", help="Completion: known triples may be answers, and be ranked, too.")
    ] = False,
    device: DeviceOption = "auto",
    memory_budget: MemoryOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Answer for new features or images, or complete triples, with a finished run."""
    check_out(out)
    task, model, folder = load_model(run, device, memory_budget)
    asked: dict[str, set[str]] = {}
    console = Console(as_json=as_json, quiet=quiet)
    with given_files(sources) as files:
        if task == "image_classification":
            progress = console.counted("images")
            items = read_items(model, files, key=key, backbone=backbone, device=device, progress=progress)
            answers = classify(model, *items, parse_candidates(candidates), top)
        else:
            from kgzsl.tasks.kg_completion.entity_labels import by_label

            answers = complete(
                model,
                one_source(files),
                parse_candidates(candidates),
                top,
                relation,
                known,
                asked,
                folder.graph,
                cache(lambda: by_label(folder.labels())),
                console.counted("queries"),
            )
        count = write_answers(answers, out)
    for line in _unknown(model, asked, folder):
        console.note(f"# {line}")
    if out is not None:
        values = {"task": task, "queries": count, "answers": str(out)}
        console.result(values, [f"{count} queries answered, written to {out}"])


def classify(
    model: Any, features: npt.NDArray[np.float32], names: Sequence[str] | None, candidates: Any, top: int
) -> Iterator[Answers]:
    """Ranked classes of each row of features, with their probabilities among the candidates.

    A model with an evidential gate also says how uncertain each row is.
    """
    classes = [str(name) for name in model.candidates(candidates)]
    seen = set(map(str, model.seen_))
    for start in range(0, len(features), 1024):
        part = features[start : start + 1024]
        shares = model.predict_proba(part, candidates)
        doubts = model.uncertainty(part).tolist() if model.tells_uncertainty else []
        for row, order in enumerate(np.argsort(-shares, axis=1, kind="stable")[:, :top], start=start):
            ranked = [
                {
                    "class": classes[i],
                    "probability": round(float(shares[row - start, i]), 6),
                    "seen": classes[i] in seen,
                }
                for i in order
            ]
            query: dict[str, Any] = {"item": row if names is None else names[row]}
            if doubts:
                query["uncertainty"] = round(doubts[row - start], 6)
            yield Answers(query, ranked)


def complete(
    model: Any,
    source: Path,
    candidates: Any,
    top: int,
    relation: str | None,
    known: bool,
    asked: dict[str, set[str]] | None = None,
    schema: Callable[[], Any] | None = None,
    labelled: Callable[[], Labels] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Answers]:
    """Ranked tails of each head and relation, with scores and, of calibrated runs, confidences.

    ``asked`` takes the heads of each relation. What ``schema`` and ``labelled`` give is looked into where a relation or
    a head is not called as in the run; heads are told as they were asked. Queries about one relation are answered
    together.
    """
    from kgzsl.tasks.kg_completion.entity_labels import own_entity
    from kgzsl.tasks.kg_completion.naming import answered_relation

    queries = read_queries(source)
    wanted: list[tuple[str, str]] = []
    heads_asked: list[str] = []
    for number, query in enumerate(queries, start=1):
        called, head = query.relation_or(relation, source, number), query.head
        try:
            if called not in model._relation_ids and schema is not None:
                called = answered_relation(model, called, schema())
            if head not in model._entity_ids and labelled is not None:
                head = own_entity(model, head, labelled, schema or (lambda: None)) or head
            model._relation(called), model._entity(head)
        except InputError as error:
            raise InputError(error.problem, file=source, place=f"query {number}", remedy=error.remedy) from None
        if asked is not None:
            asked.setdefault(called, set()).add(head)
        wanted.append((head, called))
        heads_asked.append(query.head)
    calibrated = any(model.calibrations_for(model._relation(called)) for called in {called for _, called in wanted})
    options = {"k": top, "candidates": candidates, "known": known}
    for start in range(0, len(wanted), _TOGETHER):
        some = wanted[start : start + _TOGETHER]
        groups: dict[str, list[str]] = {}
        for head, called in dict.fromkeys(some):
            groups.setdefault(called, []).append(head)
        found: dict[tuple[str, str], list[Completion]] = {}
        for called, heads in groups.items():
            for head, ranked in zip(heads, model.complete_each(called, heads=heads, **options), strict=True):
                found[head, called] = ranked
                if progress is not None:
                    progress(start + len(found), len(wanted))
        if progress is not None:
            progress(start + len(some), len(wanted))
        for asked_as, (head, called) in zip(heads_asked[start:], some, strict=False):
            tails = [_tail(one, calibrated) for one in found[head, called]]
            yield Answers({"head": asked_as, "relation": called}, tails)


def _tail(one: Completion, calibrated: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"tail": one.tail, "score": round(one.score, 6)}
    if calibrated:
        # A column of every row, also where this relation has none.
        told["confidence"] = None if one.confidence is None else round(one.confidence, 6)
    return told


def _unknown(model: Any, asked: dict[str, set[str]], folder: RunFolder) -> list[str]:
    """What nothing was known of among the heads and relations that were asked."""
    if not asked:
        return []
    import torch

    from kgzsl.tasks.kg_completion.silences import silences

    schema = folder.graph()
    found = [
        line
        for relation, heads in asked.items()
        for line in silences(model, relation, torch.tensor([model._entity(head) for head in sorted(heads)]), schema)
    ]
    return list(dict.fromkeys(found))
