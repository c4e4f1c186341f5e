"""``kgzsl explain``: why an answer was given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.inputs import read_features
from kgzsl.cli.models import feature_dim, load_model, parse_candidates
from kgzsl.cli.options import DeviceOption, JsonOption, QuietOption, RunArgument
from kgzsl.errors import InputError

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "explain",
        short_help="Why a class was answered.",
        epilog="Example: kgzsl explain runs/flowers new.npy --row 0 --candidates unseen",
    )(explain)


def explain(
    run: RunArgument,
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Features as .npy, .npz, .csv or .mat.")],
    rows: Annotated[
        list[int] | None, typer.Option("--row", help="Which rows; repeatable. The first five otherwise.")
    ] = None,
    candidates: Annotated[
        str, typer.Option(help="all, unseen or seen classes; or names with commas between; or a file of names.")
    ] = "all",
    neighbours: Annotated[int, typer.Option(help="How many seen classes and runners-up to name.", min=1)] = 3,
    key: Annotated[
        str | None, typer.Option(help="Which array of INPUT holds the features.", show_default=False)
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Name the nearest seen classes behind an answer, what they share with it and the paths in the class graph."""
    task, model, folder = load_model(run, device)
    if task != "image_classification":
        raise InputError(
            "explanations are there for image runs only", file=run, remedy="use kgzsl predict for ranked answers"
        )
    features, names = read_features(source, dim=feature_dim(model), key=key)
    wanted = rows or list(range(min(5, len(features))))
    for row in wanted:
        if not 0 <= row < len(features):
            raise InputError(f"there is no row {row}", file=source, remedy=f"rows go from 0 to {len(features) - 1}")
    told = model.explain(features[wanted], parse_candidates(candidates), graph=folder.graph(), neighbours=neighbours)
    items = [row if names is None else names[row] for row in wanted]
    lines = [f"{item}: {explanation.text()}" for item, explanation in zip(items, told, strict=True)]
    values = [{"item": item, **explanation.to_dict()} for item, explanation in zip(items, told, strict=True)]
    Console(as_json=as_json, quiet=quiet).result({"explanations": values}, lines)
