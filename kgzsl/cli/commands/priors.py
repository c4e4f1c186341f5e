"""``kgzsl priors``: class vectors from a class graph."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.options import DeviceOption, JsonOption, PrecisionOption, QuietOption, SetOption, pairs
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.datasets import ImageFeatures, KGSplit

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "priors",
        short_help="Class vectors from a class graph.",
        epilog="Example: kgzsl priors zoo.graph --encoder transe --set dim=100 --names classes.txt -o z.safetensors",
    )(priors)


def priors(
    graph: Annotated[Path, typer.Argument(metavar="GRAPH", help="A graph of `kgzsl import`, or an ontology.")],
    encoder: Annotated[str, typer.Option("--encoder", "-e", help="attributes, transe, ... or an import path.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .safetensors file to write.")],
    options: SetOption = None,
    names: Annotated[
        Path | None, typer.Option("--names", help="A text file with one class name a line.", show_default=False)
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="A data set whose classes (or relations) to take.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of encoders that learn.")] = 0,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make class vectors from a class graph. Without --names and --dataset, for every class of the graph."""
    from kgzsl import datasets
    from kgzsl import priors as encoders
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

    if names is not None and dataset is not None:
        raise InputError("--names and --dataset both say which classes", remedy="give one of them")
    console = Console(as_json=as_json, quiet=quiet)
    given = pairs(options)
    encoders.encoders.check(encoder, given)
    made = encoders.make(encoder, **encoders.encoders.converted(encoder, given))
    begun = time.perf_counter()
    read = ClassGraph.read(graph)
    data = None if dataset is None else datasets.load(dataset)
    wanted = _wanted(read, names, data)
    read.align(wanted).require()  # before anything is trained
    engine = Engine(device=device, precision=precision, seed=seed, progress=console.progress)
    if isinstance(data, datasets.ImageFeatures):
        made.observe(*data.train)  # seen classes alone
    found = made.fit(read, engine=engine).priors(wanted)
    found.save(out)
    seconds = time.perf_counter() - begun
    values = {
        "priors": str(out),
        "classes": len(found),
        "dimensions": found.dim,
        "made": found.made,
        "seconds": round(seconds, 3),
    }
    why = found.made.get("auto", {}).get("why")
    lines = [repr(found), f"written to {out} in {seconds:.1f} s"]
    console.result(values, lines if why is None else [why, *lines])


def _wanted(graph: object, names: Path | None, data: ImageFeatures | KGSplit | None) -> list[str]:
    from kgzsl.knowledge import KINDS, ClassGraph

    if names is not None:
        try:
            lines = names.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not a UTF-8 text"
            raise InputError(f"cannot read the names: {reason}", file=names, remedy="one name a line") from None
        wanted = [line.strip() for line in lines if line.strip()]
        if not wanted:
            raise InputError("there are no names in it", file=names, remedy="write one class name a line")
        return wanted
    if data is not None:
        from kgzsl import datasets

        return list(data.class_names if isinstance(data, datasets.ImageFeatures) else data.relations)
    assert isinstance(graph, ClassGraph)
    wanted = [iri for iri, kind in zip(graph.iris, graph.kinds.tolist(), strict=True) if KINDS[kind] == "class"]
    if not wanted:
        raise InputError("no node of this graph is a class", remedy="name the nodes with --names FILE")
    return wanted
