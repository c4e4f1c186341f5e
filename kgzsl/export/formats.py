"""One entry for all formats: which of them takes what."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl.errors import InputError, nearest

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph, ClassPriors

__all__ = ["FORMATS", "export"]

FORMATS: dict[str, tuple[str, str]] = {
    "onnx": ("model", "the classifier's head: features in, scores and probabilities of the classes out"),
    "tensorboard": ("history", "losses and validation figures as TensorBoard shows them, in a folder"),
    "npz": ("priors", "class vectors for numpy: names, vectors, columns"),
    "mat": ("priors", "class vectors as MATLAB reads them, in xlsa17's layout: att [D, C], allclasses_names"),
    "word2vec": ("priors", "class vectors as word2vec text: a line each, spaces in names as _"),
    "turtle": ("graph", "the class graph as Turtle"),
    "ntriples": ("graph", "the class graph as N-Triples"),
    "pykeen": ("graph", "triples and labels as tab-separated tables, in a folder: PyKEEN's TriplesFactory.from_path"),
    "networkx": ("graph", "the class graph as networkx's node-link JSON: json_graph.node_link_graph reads it"),
    "graphml": ("graph", "the class graph through networkx, for Gephi or yEd"),
    "pyg": ("graph", "edge_index, edge_type and kinds as tensors, for torch_geometric.data.Data"),
    "xlsa17": ("data", "a data set of images as res101.mat and att_splits.mat, in a folder"),
}
"""Name to what it is made of, and a line about it."""


def export(
    source: str | os.PathLike[str],
    to: str,
    out: str | os.PathLike[str],
    *,
    priors: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Write ``source`` in another program's format, whole or not at all.

    Args:
        source: A run folder, class vectors (``.safetensors`` or what :meth:`ClassPriors.read` takes), or a graph
            (saved, or an ontology); for ``xlsa17`` a data set of images, by name or path.
        to: One of :data:`FORMATS`.
        out: The file to write; for ``pykeen``, ``tensorboard`` and ``xlsa17`` a folder.
        priors: For ``xlsa17``: class vectors that become ``att``; those that ship with the data set otherwise.

    Returns:
        What was written: ``format``, ``out`` and sizes.

    Raises:
        InputError: An unknown format, a source that has no such part, or a classifier that has no linear head.
    """
    if to not in FORMATS:
        close = nearest(to, FORMATS)
        raise InputError(
            f"no format is called {to!r}",
            remedy=f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(FORMATS)}",
        )
    path = Path(source)
    if priors is not None and to != "xlsa17":
        raise InputError(f"{to} takes no class vectors beside it", remedy="leave out --priors")
    if FORMATS[to][0] == "data":
        return {"format": to, "out": str(out), **_xlsa17(os.fspath(source), Path(out), priors)}
    if not path.exists():
        raise InputError("this does not exist", file=path, remedy="give a run folder, class vectors or a graph")
    part = FORMATS[to][0]
    out = Path(out)
    if part == "model":
        return {"format": to, "out": str(out), **_onnx(path, out)}
    if part == "history":
        from kgzsl.export.tensorboard import write_history
        from kgzsl.report import RunFolder

        return {"format": to, "out": str(out), "values": write_history(RunFolder.open(path).history(), out)}
    if part == "priors":
        from kgzsl.export.prior_files import write_priors

        vectors = _priors(path)
        write_priors(vectors, to, out)
        return {"format": to, "out": str(out), "classes": len(vectors), "dimensions": vectors.dim}
    from kgzsl.export.graph_files import write_graph

    graph = _graph(path)
    write_graph(graph, to, out)
    return {"format": to, "out": str(out), "nodes": graph.num_nodes, "edges": graph.num_edges}


def _xlsa17(source: str, out: Path, priors: str | os.PathLike[str] | None) -> dict[str, Any]:
    from kgzsl import datasets

    data = datasets.load(source)
    if not isinstance(data, datasets.ImageFeatures):
        raise InputError(f"{source!r} is a knowledge graph, not a data set of images", remedy="export images")
    name = "att" if "att" in data.priors or not data.priors else next(iter(data.priors))
    if priors is not None:
        data = data.with_priors(att=_priors(Path(priors)))
        name = "att"
    if name not in data.priors:
        raise InputError(
            f"the data set {source!r} ships no class vectors, which att_splits.mat must hold",
            remedy="give --priors FILE (kgzsl priors makes one)",
        )
    datasets.export_xlsa17(data, out, prior=name)
    return {"rows": len(data.labels), "dimensions": data.dim, "classes": data.num_classes}


def _is_run(path: Path) -> bool:
    return path.is_dir() and (path / "recipe.yaml").is_file()


def _onnx(path: Path, out: Path) -> dict[str, Any]:
    from kgzsl.export.linear_head import linear_head
    from kgzsl.export.onnx_head import write_onnx
    from kgzsl.report import RunFolder
    from kgzsl.tasks import ZeroShotClassifier

    if not _is_run(path):
        raise InputError("only a run has a classifier", file=path, remedy="give the --out folder of kgzsl run")
    if RunFolder.open(path).recipe.get("task") != "image_classification":
        raise InputError("a completion run has no classifier head", file=path, remedy="export its graph or priors")
    head = linear_head(ZeroShotClassifier.load(path, device="cpu"))
    write_onnx(head, out)
    return {"classes": len(head.classes), "dimensions": head.weight.shape[1]}


def _priors(path: Path) -> ClassPriors:
    from kgzsl.knowledge import ClassPriors

    if _is_run(path):
        return ClassPriors.load(path / "priors.safetensors")
    return ClassPriors.load(path) if path.suffix == ".safetensors" else ClassPriors.read(path)


def _graph(path: Path) -> ClassGraph:
    from kgzsl.knowledge import ClassGraph

    if _is_run(path):
        if not (path / "graph.npz").is_file():
            raise InputError("the run kept no class graph", file=path, remedy="export the ontology itself")
        return ClassGraph.load(path / "graph.npz")
    return ClassGraph.read(path)
