"""``kgzsl add-class``: one more class for a finished run, from what an ontology says about it."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.options import DeviceOption, JsonOption, QuietOption, RunArgument
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.priors import PriorsAgain
    from kgzsl.report import RunFolder

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "add-class",
        short_help="One more class for a finished run; the generator is not trained again.",
        epilog="Example: kgzsl add-class runs/zoo --iri okapi --graph zoo.ttl --out runs/zoo-with-okapi",
    )(add_class)


def add_class(
    run: RunArgument,
    iri: Annotated[list[str], typer.Option("--iri", help="IRI or name of the class; repeatable.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The new run folder; RUN+CLASS beside the run otherwise.", show_default=False),
    ] = None,
    graph: Annotated[
        Path | None,
        typer.Option(
            help="What is said about the class, where the run's own graph does not: an ontology, or the new statements "
            "alone.",
            show_default=False,
        ),
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train the classifier again with the class: slower, no approximation.")
    ] = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Teach a finished run one more class that nobody has labelled, into a new folder that `predict` takes."""
    from kgzsl.cli.growing import grown_schema
    from kgzsl.cli.models import load_model

    out = _beside(run, iri) if out is None else out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("this is there already", file=out, remedy="choose another --out")
    task, model, folder = load_model(run, device)
    if task != "image_classification":
        raise InputError(
            "a completion run answers for every relation that its priors name", file=run, remedy="run the recipe again"
        )
    source = grown_schema(folder, graph)
    if source is None and folder.recipe.get("compositions") is None:
        raise InputError("the run kept no class graph", file=folder.path, remedy="give the ontology with --graph")
    begun = time.perf_counter()
    beyond = {name: _beyond(model, folder, name, source) for name in iri}
    again = _encoders(model, folder) if None in beyond.values() else None
    prepared = time.perf_counter() - begun
    begun, idle = time.perf_counter(), time.process_time()
    for name in iri:
        if again is None or source is None or beyond[name] is not None or name in model.priors_:
            model.add_class(name, graph=source, beyond=beyond[name], retrain_heads=retrain)
        else:
            model.add_class(name, prior_row=again.joined(name, source), retrain_heads=retrain)
    seconds, worked = time.perf_counter() - begun, time.process_time() - idle
    try:
        model.save(out)
        for file in folder.path.iterdir():
            if file.is_file() and not (out / file.name).exists():
                shutil.copyfile(file, out / file.name)
        if source is not None:
            source.save(out / "graph.npz")
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    values: dict[str, Any] = {"run": str(out), "added": iri, "classes": len(model.classes_)}
    values |= {"seconds": round(seconds, 3), "cpu_seconds": round(worked, 3)}
    values["encoder_seconds"] = 0.0 if again is None else round(prepared, 3)
    spent = f"{seconds:.2f} s, {worked:.2f} s of them work"
    lines = [f"{len(iri)} added in {spent}; {out} answers for {len(model.classes_)} classes"]
    if again is not None:
        lines.append(f"before that, what made the class vectors was made again in {prepared:.2f} s")
    lines.append("the figures in it are those of the run before the class came")
    Console(as_json=as_json, quiet=quiet).result(values, lines)


def _beyond(model: Any, folder: RunFolder, name: str, graph: Any) -> str | None:
    """What the run's open world calls the class, where its classes are pairs; None where they are not."""
    from kgzsl.tasks.image_classification._inputs import class_of_pair, nearest_of_many
    from kgzsl.tasks.image_classification._new_pair import pair_of

    of_pairs = folder.recipe.get("compositions")
    if of_pairs is None or name in model.priors_:
        return None
    if model.open_ is None:
        raise InputError(
            "classes of this run are pairs, and one joins from the open world, which the run has not",
            file=folder.path,
            remedy="run it without prior head and gate, with a classifier that answers from priors, not open: false",
        )
    if name in model.open_:
        return name
    found = None if graph is None else pair_of(graph, name, of_pairs, model)
    if found is None:
        own = class_of_pair(name, model.priors_.made.get("pair_of", {}))
        if own is not None:
            raise InputError(f"the pair {name!r} is the class {own!r} already", remedy="ask for it by that name")
        close = nearest_of_many(name, model.open_.names)
        raise InputError(
            f"{name!r} is no pair of the run's open world"
            + ("" if graph is None or "attribute" not in of_pairs else ", and the class graph does not have it"),
            file=folder.path,
            remedy=f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else "give the pair as the open world calls it: attribute and object",
        )
    return found


def _encoders(model: Any, folder: RunFolder) -> PriorsAgain | None:
    """What made the class vectors, for those that no single encoder with named columns gives; None for the others.

    A run keeps the vectors, not what was trained for them: that is made again from its options.
    """
    from kgzsl.engine import Engine
    from kgzsl.priors import PriorsAgain, registry  # noqa: F401 (what is loaded here is no work of adding a class)

    graph, made = folder.graph(), model.priors_.made
    simple = model.priors_.columns is not None and not {"parts", "weight", "whitening"} & set(made)
    if graph is None or (simple and made.get("normalised") != "standard"):
        return None
    engine = Engine(device=model.device, precision=model.precision, seed=model.seed, progress=False)
    return PriorsAgain.of(model.priors_, graph, engine=engine)


def _beside(run: Path, iris: list[str]) -> Path:
    """``runs/zoo+okapi`` for ``runs/zoo`` and the class ``http://example.org/zoo#okapi``."""
    names = [re.sub(r"[^\w.-]+", "_", re.split(r"[#/]", iri.rstrip("#/"))[-1]) for iri in iris]
    run = run.resolve()
    return run.with_name("+".join([run.name, *names]))
