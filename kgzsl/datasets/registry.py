"""Data sets and shipped ontologies by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from kgzsl.datasets._options import checked_call
from kgzsl.datasets.image_features import ImageFeatures
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.errors import InputError, nearest

__all__ = ["Known", "data_dir", "known", "load", "names", "ontology_path"]

Dataset = ImageFeatures | KGSplit


@dataclass(frozen=True)
class Known:
    """A data set that goes by a name.

    Args:
        name: The name.
        task: ``"images"`` or ``"kg"``; or ``"graph"``: a class graph, which is no data set of its own.
        about: One line on what it is.
        places: Where it may lie, relative to the data folder, best first. Empty for data sets made here.
        needs: Files that must be in that place (none where the place is a file itself).
        read: Reads it from the place that was found.
        graph: Where its class graph or schema may lie, relative to the data folder.
        or_needs: Files of another layout, which do as well.
    """

    name: str
    task: str
    about: str
    places: tuple[str, ...]
    needs: tuple[str, ...]
    read: Callable[..., Any]
    graph: tuple[str, ...] = ()
    or_needs: tuple[str, ...] = ()

    @property
    def embedded(self) -> bool:
        """Whether it is made here and needs no file."""
        return not self.places

    def find(self, base: Path) -> Path | None:
        """The first of its places under ``base`` that has all it needs, or None."""
        layouts = [self.needs, *([self.or_needs] if self.or_needs else [])]
        for place in self.places:
            for needs in layouts:
                if (base / place).exists() and all(_is_there(base / place / need) for need in needs):
                    return base / place
        return None

    def find_graph(self, base: Path) -> str | None:
        """Its class graph or schema under ``base``, or None."""
        return next((str(base / place) for place in self.graph if (base / place).is_file()), None)


def data_dir() -> Path:
    """Where data sets are looked for: ``$KGZSL_DATA``, else ``kgzsl`` in the user's cache folder."""
    given = os.environ.get("KGZSL_DATA")
    if given:
        return Path(given).expanduser()
    import pooch

    return Path(pooch.os_cache("kgzsl"))


def names() -> list[str]:
    """The names that :func:`load` knows, embedded ones first."""
    table = known()
    return sorted(table, key=lambda name: (not table[name].embedded, table[name].task, name))


def known() -> Mapping[str, Known]:
    """Every data set that goes by a name."""
    from kgzsl.datasets.catalogue import CATALOGUE

    return CATALOGUE


def load(name_or_path: str | PathLike[str], data_dir: str | PathLike[str] | None = None, **options: Any) -> Dataset:
    """A data set by name, or read from a path.

    A path may be an ``.npz`` file, an xlsa17 folder, one in OntoZSL's layout of ImageNet, a packed data set, lists of
    pairs beside their features (:func:`kgzsl.datasets.pair_folder.read_pair_folder`), a folder with train, valid and
    test triples, one in the NELL-ZS or the ILPC layout, or a file of facts, RDF or a table (with
    ``unseen_relations=[...]``). A name wins over a path of the same spelling; write ``./name`` for the path.

    Args:
        name_or_path: One of :func:`names`, or a file or folder.
        data_dir: Where to look for named ones; by default :func:`kgzsl.datasets.data_dir`.
        **options: Passed on to the reader: ``images_per_class=50``, ``fold="one"``.

    Raises:
        InputError: The name is unknown (the nearest known one is given), the data are not there (where they were looked
            for, and what to put there, is given), an option is unknown, or the data are bad.
    """
    text = os.fspath(name_or_path)
    entry = known().get(text)
    if entry is None:
        return _from_path(text, options)
    if entry.embedded:
        made: Dataset = checked_call(entry.read, text, options)
        return made
    base = _data_dir_or(data_dir)
    place = entry.find(base)
    if place is None:
        raise _absent(entry, base)
    if entry.task == "graph":
        raise InputError(
            f"{text!r} is a class graph, not a data set", file=place, remedy="read this file with ClassGraph.read"
        )
    graph = entry.find_graph(base)
    loaded: Dataset = checked_call(entry.read, text, {"name": text, **options}, place)
    return loaded if graph is None or loaded.graph_source else _with_graph(loaded, graph)


def ontology_path(name: str) -> Path:
    """The file of an ontology that ships with the project: ``"latin_characters"``.

    Looks beside the package (in a checkout) and inside it (in an installed wheel).

    Raises:
        InputError: There is none of this name; the nearest known one is given.
    """
    package = Path(__file__).resolve().parents[1]
    shipped: dict[str, Path] = {}
    for folder in (package.parent / "ontologies", package / "_ontologies"):
        if folder.is_dir():
            for file in sorted(folder.iterdir()):
                if file.suffix in {".ttl", ".nt", ".owl", ".trig"}:
                    shipped.setdefault(file.stem, file)
                    shipped.setdefault(file.name, file)
    if name in shipped:
        return shipped[name]
    close = nearest(name, shipped)
    known_names = ", ".join(sorted({file.stem for file in shipped.values()})) or "none"
    raise InputError(
        f"no ontology called {name!r} ships with kgzsl",
        remedy=f"did you mean {close[0]!r}?" if close else f"there are: {known_names}",
    )


def _is_there(file: Path) -> bool:
    """Whether a file is there, compressed or not."""
    return file.is_file() or (file.suffix == ".gz" and file.with_suffix("").is_file())


def _data_dir_or(given: str | PathLike[str] | None) -> Path:
    return data_dir() if given is None else Path(given)


def _with_graph(loaded: Dataset, graph: str) -> Dataset:
    from dataclasses import replace

    return replace(loaded, graph_source=graph)


def _absent(entry: Known, base: Path) -> InputError:
    wanted = " and ".join(entry.needs) if entry.needs else "the file itself"
    if entry.or_needs:
        wanted += f" (or {', '.join(entry.or_needs)})"
    places = " or ".join(str(base / place) for place in entry.places)
    return InputError(
        f"the data set {entry.name!r} ({entry.about}) is not there: looked for {wanted} in {places}"
        if entry.needs
        else f"the data set {entry.name!r} ({entry.about}) is not there: looked for {places}",
        remedy="put it there, or set KGZSL_DATA to the folder that holds it",
    )


def _from_path(text: str, options: Mapping[str, Any]) -> Dataset:
    path = Path(text).expanduser()
    if not path.exists():
        close = nearest(text, known())
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"known: {', '.join(names())}"
        raise InputError(f"{text!r} is neither a known data set nor a file or folder", remedy=hint)
    reader = _reader_for(path)
    return checked_call(reader, text, options, path)


def _reader_for(path: Path) -> Callable[..., Dataset]:
    from kgzsl.datasets.imnet import is_imnet, read_imnet
    from kgzsl.datasets.kg_facts import is_table, read_unsplit
    from kgzsl.datasets.kg_ilpc import is_ilpc, read_ilpc_folder
    from kgzsl.datasets.kg_packed import is_packed_triples, read_packed_triples
    from kgzsl.datasets.kg_rdf import is_rdf
    from kgzsl.datasets.kg_tasks import read_tasks_folder
    from kgzsl.datasets.kg_tsv import find_part, read_tsv_folder
    from kgzsl.datasets.packed import is_packed, read_packed
    from kgzsl.datasets.pair_folder import is_pair_folder, read_pair_folder

    if path.is_file():
        if path.suffix == ".npz":
            return ImageFeatures.from_npz
        if is_table(path) or is_rdf(path):
            return read_unsplit
        if path.name.endswith("_splits.mat") or path.name == "res101.mat":
            return lambda file, **options: ImageFeatures.from_xlsa17(Path(file).parent, **options)
        raise InputError(
            "do not know how to read this file as a data set",
            file=path,
            remedy="give an .npz file, an RDF file or a table of facts, or a folder",
        )
    if is_packed(path):
        return read_packed
    if is_imnet(path) and not (path / "res101.mat").is_file():
        return read_imnet
    if is_pair_folder(path):
        return read_pair_folder
    if is_packed_triples(path):
        return read_packed_triples
    if any((path / f"{name}.mat").is_file() for name in ("att_splits", "sent_splits", "binaryAtt_splits", "res101")):
        return ImageFeatures.from_xlsa17
    if any((path / f"{name}_tasks.json{end}").is_file() for name in ("train", "test") for end in ("", ".gz")):
        return read_tasks_folder
    if is_ilpc(path):
        return read_ilpc_folder
    if find_part(path, "train") is not None:
        return read_tsv_folder
    raise InputError(
        "do not know how to read this folder as a data set",
        file=path,
        remedy="it should hold a packed data set, or res101.mat and att_splits.mat, or train_pairs.txt and "
        "features.npz, or train_tasks.json, or train.txt and test.txt",
    )
