"""``kgzsl pack``: your own features, labels and ontology to a checked data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.options import DeviceOption, JsonOption, QuietOption
from kgzsl.errors import InputError

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "pack",
        short_help="Your own features, or images, to a checked data set.",
        epilog="Example: kgzsl pack x.npy --labels y.csv --unseen zebra,okapi --graph zoo.ttl --out zoo",
    )(pack)


def pack(
    features: Annotated[
        Path,
        typer.Argument(
            metavar="FEATURES",
            help="One row an item: .npz, .npy, .mat, .csv, .tsv, .parquet, .safetensors; or a folder with a sub-folder "
            "of images for each class.",
        ),
    ],
    unseen: Annotated[str, typer.Option(help="Classes that training must not show: names with commas, or a file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    labels: Annotated[
        Path | None, typer.Option(help="A class name, or a number from 0, for each row.", show_default=False)
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="What makes features of images: torchvision:resnet101, timm:..., clip:..., gradients:32, pixels:16 "
            "or package.module:function. Of features: what made them, so that runs can answer images.",
            show_default=False,
        ),
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="All class names, one a line.", show_default=False)] = None,
    graph: Annotated[Path | None, typer.Option(help="The ontology of the classes.", show_default=False)] = None,
    priors: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="Class vectors to ship with it; repeatable.")
    ] = None,
    features_key: Annotated[str | None, typer.Option(help="The features' array.", show_default=False)] = None,
    labels_key: Annotated[str | None, typer.Option(help="The labels' array.", show_default=False)] = None,
    test_fraction: Annotated[float, typer.Option(help="Share of each seen class that becomes test rows.")] = 0.2,
    seed: Annotated[int, typer.Option(help="The seed of that choice.")] = 0,
    skip_damaged: Annotated[bool, typer.Option("--skip-damaged", help="Leave damaged images out, and say so.")] = False,
    device: DeviceOption = "cpu",
    replace: Annotated[bool, typer.Option("--replace", help="Replace a folder that is there.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a checked data set that `kgzsl run --set dataset=FOLDER` takes."""
    from kgzsl import datasets

    files: dict[str, str | Path] = {}
    for entry in priors or []:
        name, equals, file = entry.partition("=")
        if not equals or not name or not file:
            raise InputError(f"--priors {entry!r} is not NAME=FILE", remedy="write it as --priors att=vectors.csv")
        files[name] = file
    console = Console(as_json=as_json, quiet=quiet)
    data = datasets.pack(
        features,
        out,
        labels=labels,
        unseen=unseen if Path(unseen).is_file() else [part.strip() for part in unseen.split(",") if part.strip()],
        classes=classes,
        features_key=features_key,
        labels_key=labels_key,
        priors=files,
        graph=graph,
        test_fraction=test_fraction,
        seed=seed,
        replace=replace,
        backbone=backbone,
        skip_damaged=skip_damaged,
        device=device,
        progress=console.counted("images through the backbone"),
    )
    values = {
        "dataset": str(out),
        "rows": len(data.labels),
        "dimensions": data.dim,
        "backbone": data.backbone,
        "seen": data.seen_names,
        "unseen": data.unseen_names,
        "notes": list(data.notes),
    }
    console.result(values, [repr(data), *(f"note: {note}" for note in data.notes), f"written to {out}"])
