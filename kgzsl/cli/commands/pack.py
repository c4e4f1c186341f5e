"""``kgzsl pack``: your own features, images or facts, and their ontology, to a checked data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kgzsl.cli.class_lists import is_file
from kgzsl.cli.console import Console
from kgzsl.cli.options import DeviceOption, JsonOption, QuietOption, UnseenRelationsOption, listed
from kgzsl.errors import InputError

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "pack",
        short_help="Your own features, images or facts to a checked data set.",
        epilog="Example: kgzsl pack x.npy --labels y.csv --unseen zebra,okapi --graph zoo.ttl --out zoo; "
        "kgzsl pack facts.ttl --unseen-relations capital --graph schema.ttl --out world; "
        "kgzsl pack facts.ttl --hold-out 0.1 --out world",
    )(pack)


def pack(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FEATURES|FACTS",
            help="Features, one row an item: .npz, .npy, .mat, .csv, .tsv, .parquet, .safetensors; or a folder with a "
            "sub-folder of images for each class. With --unseen-relations or --hold-out facts: RDF; .tsv, .txt or .csv "
            "with head, relation, tail on each line; or a folder of such tables.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    unseen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES|FILE",
            help="Classes that training must not show: names with commas, or a file. Repeatable.",
            show_default=False,
        ),
    ] = None,
    unseen_relations: UnseenRelationsOption = None,
    valid_relations: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES|FILE", help="The same: relations held out for model selection.", show_default=False
        ),
    ] = None,
    hold_out: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="In place of unseen relations: the share of all facts that goes to the test, and again to validation, "
            "such as 0.1. For relations that training shows (ranker: embedding).",
            show_default=False,
        ),
    ] = None,
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
    graph: Annotated[
        Path | None, typer.Option(help="The ontology of the classes or relations.", show_default=False)
    ] = None,
    priors: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="Class vectors to ship with it; repeatable.")
    ] = None,
    features_key: Annotated[str | None, typer.Option(help="The features' array.", show_default=False)] = None,
    labels_key: Annotated[str | None, typer.Option(help="The labels' array.", show_default=False)] = None,
    test_fraction: Annotated[
        float | None, typer.Option(help="Share of each seen class that becomes test rows; 0.2.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of that choice, and of --hold-out.")] = 0,
    skip_damaged: Annotated[bool, typer.Option("--skip-damaged", help="Leave damaged images out, and say so.")] = False,
    device: DeviceOption = "cpu",
    replace: Annotated[bool, typer.Option("--replace", help="Replace a folder that is there.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a checked data set that `kgzsl run --set dataset=FOLDER` takes."""
    from kgzsl import datasets

    console = Console(as_json=as_json, quiet=quiet)
    if unseen_relations is not None or valid_relations is not None or hold_out is not None:
        of_features = {
            "unseen": unseen, "labels": labels, "backbone": backbone, "classes": classes, "priors": priors,
            "features-key": features_key, "labels-key": labels_key, "test-fraction": test_fraction is not None,
        }  # fmt: skip
        how = {
            "unseen_relations": listed(unseen_relations),
            "valid_relations": listed(valid_relations),
            "hold_out": hold_out,
        }
        rest = {"seed": seed, "graph": graph, "replace": replace}
        _pack_facts(console, source, out, how, rest, of_features)
        return
    held_out = listed(unseen)
    if held_out is None:
        raise InputError(
            "it is not said what training must not show",
            file=source,
            remedy="give --unseen for classes of features or images; --unseen-relations for facts, or --hold-out 0.1 "
            "where an embedding is to complete relations that training shows",
        )
    files: dict[str, str | Path] = {}
    for entry in priors or []:
        name, equals, file = entry.partition("=")
        if not equals or not name or not file:
            raise InputError(f"--priors {entry!r} is not NAME=FILE", remedy="write it as --priors att=vectors.csv")
        files[name] = file
    data = datasets.pack(
        source,
        out,
        labels=labels,
        unseen=[part.strip() for part in held_out.split(",") if part.strip()]
        if isinstance(held_out, str) and not is_file(held_out)
        else held_out,
        classes=classes,
        features_key=features_key,
        labels_key=labels_key,
        priors=files,
        graph=graph,
        test_fraction=0.2 if test_fraction is None else test_fraction,
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


def _pack_facts(
    console: Console,
    source: Path,
    out: Path,
    how: Mapping[str, Any],
    rest: Mapping[str, Any],
    of_features: Mapping[str, object],
) -> None:
    from kgzsl import datasets

    wrong = next((name for name, value in of_features.items() if value), None)
    if wrong is not None:
        raise InputError(f"--{wrong} belongs to features, not to facts", file=source, remedy="leave it out")
    given = {key: value for key, value in how.items() if value is not None}
    if "hold_out" in given and len(given) > 1:
        raise InputError(
            "--hold-out deals single facts out, and holds no relation out",
            file=source,
            remedy="leave it out, or --unseen-relations and --valid-relations",
        )
    if "hold_out" not in given and "unseen_relations" not in given:
        raise InputError(
            "no relation is unseen",
            file=source,
            remedy="give --unseen-relations NAMES; or --hold-out 0.1 alone, for relations that training shows",
        )
    data = datasets.pack_triples(source, out, **given, **rest)
    values = {
        "dataset": str(out),
        "entities": data.num_entities,
        "train": len(data.train),
        "valid": len(data.valid),
        "test": len(data.test),
        "seen": data.names_of(data.seen_relations),
        "unseen": data.names_of(data.unseen_relations),
        "notes": list(data.notes),
    }
    console.result(values, [repr(data), *(f"note: {note}" for note in data.notes), f"written to {out}"])
