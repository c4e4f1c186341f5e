"""Class graphs in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl._files import atomic_directory, atomic_file, atomic_text
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["write_graph"]


def write_graph(graph: ClassGraph, to: str, out: Path) -> None:
    """Write ``graph`` as ``"turtle"``, ``"ntriples"``, ``"pykeen"``, ``"networkx"``, ``"graphml"`` or ``"pyg"``.

    Raises:
        InputError: ``out`` cannot be written, or is there already (a folder).
    """
    if to in ("turtle", "ntriples"):
        text = graph.to_rdflib().serialize(format="turtle" if to == "turtle" else "nt")
        atomic_text(out, text)
    elif to == "pykeen":
        _pykeen(graph, out)
    elif to == "networkx":
        _node_link(graph, out)
    elif to == "graphml":
        _graphml(graph, out)
    else:
        _pyg(graph, out)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _pykeen(graph: ClassGraph, out: Path) -> None:
    """``triples.tsv`` without a header, as PyKEEN reads it, with the names beside it."""
    if out.exists():
        raise InputError("this is there already", file=out, remedy="choose another --out")
    heads, tails = graph.edge_index.tolist()
    names = [_flat(iri) for iri in graph.iris]
    rows = zip(heads, graph.edge_type.tolist(), tails, strict=True)
    triples = [f"{names[h]}\t{_flat(graph.relations[r])}\t{names[t]}" for h, r, t in rows]
    labels = [f"{name}\t{_flat(label)}" for name, label in zip(names, graph.labels, strict=True)]
    with atomic_directory(out) as scratch:
        (scratch / "triples.tsv").write_text("\n".join([*triples, ""]), encoding="utf-8")
        (scratch / "labels.tsv").write_text("\n".join([*labels, ""]), encoding="utf-8")


def _node_link(graph: ClassGraph, out: Path) -> None:
    import json

    import networkx

    found = networkx.node_link_data(graph.to_networkx(), edges="edges")
    atomic_text(out, json.dumps(found, ensure_ascii=False, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    """Numbers of numpy as Python's own."""
    return value.item() if hasattr(value, "item") else str(value)


def _graphml(graph: ClassGraph, out: Path) -> None:
    import networkx

    made = networkx.MultiDiGraph()
    for node, values in graph.to_networkx().nodes(data=True):
        made.add_node(_legal(node), label=_legal(values["label"]), kind=values["kind"])
    for head, tail, values in graph.to_networkx().edges(data=True):
        relation = _legal(values["relation"])
        made.add_edge(_legal(head), _legal(tail), relation=relation, weight=float(values["weight"]))
    with atomic_file(out) as temporary:
        networkx.write_graphml(made, temporary)


def _legal(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(letter for letter in text.replace("\0", " ") if letter >= " " or letter in "\t\n")


def _pyg(graph: ClassGraph, out: Path) -> None:
    """Tensors, with names as JSON in the header: nothing has to be unpickled to read them."""
    import json

    from safetensors.torch import save_file

    data = graph.to_pyg()
    tensors: dict[str, Any] = {
        name: getattr(data, name).contiguous()
        for name in ("edge_index", "edge_type", "kind", "similarity", "edge_weight")
        if getattr(data, name, None) is not None
    }
    words = {
        name: json.dumps(list(getattr(data, name)), ensure_ascii=False) for name in ("iris", "labels", "relations")
    }
    with atomic_file(out) as temporary:
        save_file(tensors, temporary, metadata={**words, "num_nodes": str(graph.num_nodes)})
