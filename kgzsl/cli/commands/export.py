"""``kgzsl export``: runs, class vectors and class graphs for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.options import JsonOption, QuietOption

__all__ = ["add"]

_FORMATS = (
    "onnx, tensorboard (a run); npz, mat, word2vec (class vectors); "
    "turtle, ntriples, pykeen, networkx, graphml, pyg (a class graph); xlsa17 (a data set of images)."
)


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "export",
        short_help="A run, class vectors or a graph for other programs.",
        epilog="Example: kgzsl export runs/flowers --to onnx --out flowers.onnx",
    )(export)


def export(
    source: Annotated[
        str,
        typer.Argument(metavar="RUN|PRIORS|GRAPH|DATASET", help="A run folder, class vectors, a graph or a data set."),
    ],
    to: Annotated[str, typer.Option("--to", help=_FORMATS, show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The file (pykeen, tensorboard, xlsa17: the folder) to write.")
    ],
    priors: Annotated[
        Path | None, typer.Option(help="For xlsa17: class vectors that become att.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write what another program reads: a head as ONNX, vectors for numpy or MATLAB, a graph for RDF tools."""
    from kgzsl import export as exporting

    done = exporting.export(source, to, out, priors=priors)
    sizes = ", ".join(f"{value:,} {name}" for name, value in done.items() if name not in ("format", "out"))
    Console(as_json=as_json, quiet=quiet).result(done, [f"{sizes} written to {out} ({to})"])
