"""Options that several commands share, so that they are spelled and explained alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kgzsl.cli.class_lists import is_file, read_names
from kgzsl.errors import InputError

__all__ = [
    "BackboneOption",
    "DeviceOption",
    "JsonOption",
    "MemoryOption",
    "PrecisionOption",
    "QuietOption",
    "RunArgument",
    "SetOption",
    "TrackOption",
    "UnseenRelationsOption",
    "listed",
    "pairs",
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
BackboneOption = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        help="What makes features of images, where the run does not know: torchvision:resnet101, gradients:32, ...",
        show_default=False,
    ),
]
PrecisionOption = Annotated[str, typer.Option("--precision", help="auto, 32-true, bf16-mixed or 64-true.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="Change a value, such as generator.hidden=1024. Repeatable."),
]
TrackOption = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        help="What follows the run as it goes on: csv, tensorboard, wandb or mlflow. Repeatable.",
        show_default=False,
    ),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory-budget",
        metavar="SIZE",
        help="Completion: what scoring may take at a time, such as 512MB or 2GiB.",
        show_default=False,
    ),
]
UnseenRelationsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--unseen-relations",
        metavar="NAMES|FILE",
        help="Completion: relations of your own facts that training must not see: names, or labels of the schema, with "
        "commas, or a file. Repeatable.",
        show_default=False,
    ),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The --out folder of a run.", show_default=False)]


def listed(given: Sequence[str] | None) -> str | list[str] | None:
    """What an option that may be repeated says: as it was given where it came once, else all of its names.

    ``["a,b", "c"]`` is ``["a", "b", "c"]``; an entry that is a file stands for its lines.

    Raises:
        InputError: A file without a name, or an entry that names nothing.
    """
    if not given:
        return None
    if len(given) == 1:
        return given[0]
    names: list[str] = []
    for entry in given:
        found = read_names(Path(entry)) if is_file(entry) else [name.strip() for name in entry.split(",")]
        if not any(found):
            raise InputError(f"{entry!r} names nothing", remedy="give names with commas between, or a file of names")
        names += [name for name in found if name]
    return list(dict.fromkeys(names))


def pairs(given: list[str] | None) -> dict[str, Any]:
    """``["dim=100", "inherit=false"]`` to ``{"dim": 100, "inherit": False}``; values are read as YAML.

    Raises:
        InputError: No ``=``, an empty key, or a value that YAML does not read.
    """
    import yaml

    found: dict[str, Any] = {}
    for entry in given or []:
        key, equals, value = entry.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--set {entry!r} is not KEY=VALUE", remedy="write it as --set dim=100")
        try:
            found[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"the value of --set {entry!r} cannot be read", remedy="quote it") from None
    return found
