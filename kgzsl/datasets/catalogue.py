"""The data sets that go by a name: what they are, where they lie, how they are read."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kgzsl.datasets._options import checked_call
from kgzsl.datasets.imnet import read_imnet
from kgzsl.datasets.kg_ilpc import ILPC_FILES, read_ilpc_folder
from kgzsl.datasets.kg_tasks import read_tasks_folder
from kgzsl.datasets.kg_tsv import read_tsv_folder
from kgzsl.datasets.npz import read_npz
from kgzsl.datasets.registry import Dataset, Known
from kgzsl.datasets.xlsa17 import read_xlsa17

__all__ = ["CATALOGUE"]

_SPLITS = "att_splits.mat"
_AWA_GRAPH = ("kg/awa/KG-AwA.ttl",)
_NELL_SCHEMA = ("kg/nell_schema/Onto-NELL.owl", "kg/nell_schema/Schema-NELL.ttl")


def _embedded(name: str, task: str, about: str) -> Known:
    """A data set made by the function ``name`` of the module ``kgzsl.datasets.name``, imported on use."""

    def read(**options: Any) -> Dataset:
        function: Callable[..., Dataset] = getattr(importlib.import_module(f"kgzsl.datasets.{name}"), name)
        return checked_call(function, name, options)

    return Known(name, task, about, (), (), read)


def _npz(name: str, about: str, graph: tuple[str, ...] = ()) -> Known:
    return Known(name, "images", about, (f"images/{name}.npz", f"{name}.npz"), (), read_npz, graph)


def _xlsa17(name: str, about: str, graph: tuple[str, ...] = (), splits: str = _SPLITS) -> Known:
    places = (f"xlsa17/data/{name}", f"images/{name}", name)
    return Known(name, "images", about, places, ("res101.mat", splits), read_xlsa17, graph)


def _imnet(name: str, title: str, about: str) -> Known:
    """As OntoZSL's archive has it, or in the xlsa17 layout, which ``kgzsl pack`` and ``export`` make."""
    folder, graph = title.replace("-", "_"), f"kg/{name}/KG-{title}.ttl"

    def read(place: str | Path, **options: Any) -> Dataset:
        reader = read_xlsa17 if (Path(place) / "res101.mat").is_file() else read_imnet
        return checked_call(reader, name, options, place)

    return Known(
        name,
        "images",
        f"{title} of ImageNet, {about}",
        (f"xlsa17/data/{folder}", f"images/{folder}", folder, f"ImageNet/{folder}"),
        ("res101.mat", _SPLITS),
        read,
        (graph,),
        ("seen.txt", "unseen.txt", "../split.mat"),
    )


def _graph(name: str, about: str, places: tuple[str, ...]) -> Known:
    """A class graph: it is found, fetched and checked like a data set, and read by ``ClassGraph.read``."""
    from kgzsl.knowledge.class_graph import ClassGraph

    return Known(name, "graph", about, places, (), ClassGraph.read)


def _tasks(name: str, about: str, train: str, graph: tuple[str, ...]) -> Known:
    return Known(name, "kg", about, (f"kg/{name}", name), (train,), read_tasks_folder, graph)


def _tsv(
    name: str,
    about: str,
    *,
    folder: str | None = None,
    train: str = "train.txt",
    test: str = "test.txt",
    read: Callable[..., Dataset] = read_tsv_folder,
    graph: tuple[str, ...] = (),
) -> Known:
    folder = folder or name
    return Known(name, "kg", about, (f"kg/{folder}", folder), (train, test), read, graph)


def _read_extended(tests: tuple[str, ...]) -> Callable[..., Dataset]:
    """NELL-Ext and FB-Ext: a graph to train on, and in ``ind`` a graph given at test time with three test files."""

    def read(folder: Path, *, name: str) -> Dataset:
        files = [f"ind/{test}.txt" for test in tests]
        return read_tsv_folder(folder, test=files, support="ind/train.txt", name=name)

    return read


def _nell_995(trained: str, asked: str, about: str) -> Known:
    """NELL-995 as RMPI and GraIL cut it: a folder with a graph to train on, and one with a graph given at test time."""

    def read(folder: Path, *, name: str) -> Dataset:
        parts = {"train": f"{trained}/train", "support": f"{asked}/train"}
        parts |= {part: f"{asked}/{part}" for part in ("valid", "test")}
        return read_tsv_folder(folder, **{part: f"{file}.txt.gz" for part, file in parts.items()}, name=name)

    files = tuple(f"{folder}/{part}.txt.gz" for folder, part in ((trained, "train"), (asked, "train"), (asked, "test")))
    title = f"NELL-995 {trained.removeprefix('nell_')}, inductive, {about}"
    return Known(asked, "kg", title, ("kg/nell_rmpi", "nell_rmpi"), files, read, _NELL_SCHEMA)


def _read_relation_first(folder: Path, *, name: str) -> Dataset:
    """These two collections write the relation before head and tail."""
    return read_tsv_folder(folder, order="rht", name=name)


def _read_wn18rr(folder: Path, *, name: str) -> Dataset:
    """The class of a synset is its part of speech, the last but one part of its name: ``dog.n.01``."""
    from kgzsl.datasets.kg_types import types_by_name

    split = read_tsv_folder(folder, name=name)
    return types_by_name(split, lambda entity: entity.rsplit(".", 2)[1:2] if entity.count(".") > 1 else ())


def _ilpc(size: str) -> Known:
    """Of the challenge's repository, the folder ``data/small`` or ``data/large``."""
    places = (f"kg/ilpc/{size}", f"ilpc2022/data/{size}", f"ilpc/{size}")
    files = tuple(f"{stem}.txt" for stem in ILPC_FILES.values())
    return Known(f"ilpc_{size}", "kg", f"ILPC 2022, {size}, inductive", places, files, read_ilpc_folder)


_ENTRIES = (
    _embedded("latin_characters", "images", "about 540 Latin letters drawn from fonts, 80 of them never shown"),
    _embedded("latin_compositions", "images", "422 Latin letters as pairs, base form and mark, 60 of them never shown"),
    _embedded("geography", "kg", "countries of the world, with some relations held out whole"),
    _npz("flo", "Oxford Flowers-102, MobileNetV2 features, official split"),
    _npz("awa1_handcrafted", "Animals with Attributes 1, hand-crafted features, official split", _AWA_GRAPH),
    _npz("cifar100", "CIFAR-100, MobileNetV2 features; the backbone saw related classes"),
    _npz("miniimagenet", "mini-ImageNet, MobileNetV2 features; the backbone saw the unseen classes"),
    _xlsa17("AWA1", "Animals with Attributes 1, ResNet-101 features, proposed split", _AWA_GRAPH),
    _xlsa17("AWA2", "Animals with Attributes 2, ResNet-101 features, proposed split", _AWA_GRAPH),
    _xlsa17("CUB", "Caltech-UCSD Birds, ResNet-101 features, proposed split"),
    _xlsa17("SUN", "SUN attributes, ResNet-101 features, proposed split"),
    _xlsa17("FLO", "Oxford Flowers-102, ResNet-101 features"),
    _xlsa17("APY", "aPascal and aYahoo, ResNet-101 features, proposed split"),
    _imnet("imnet_a", "ImNet-A", "28 seen and 52 unseen classes of animals"),
    _imnet("imnet_o", "ImNet-O", "10 seen and 25 unseen classes of things"),
    _graph("kzsl_awa", "class graph of AwA in the KZSL collection", _AWA_GRAPH),
    _graph("kzsl_imnet_a", "class graph of ImNet-A in the KZSL collection", ("kg/imnet_a/KG-ImNet-A.ttl",)),
    _graph("kzsl_imnet_o", "class graph of ImNet-O in the KZSL collection", ("kg/imnet_o/KG-ImNet-O.ttl",)),
    _graph("kzsl_nell", "schema of NELL in the KZSL collection", ("kg/nell_schema/Schema-NELL.ttl",)),
    _graph("kzsl_wiki", "schema of Wiki-ZS in the KZSL collection", ("kg/wiki_zs/schema/Schema-Wiki.ttl",)),
    _tasks("nell_zs", "NELL-ZS, 139 seen, 10 validation and 32 unseen relations", "train_tasks.json.gz", _NELL_SCHEMA),
    _tasks(
        "wiki_zs",
        "Wiki-ZS, with 58 of 469 training relations",
        "train_tasks_partial.json.gz",
        ("kg/wiki_zs/schema/Onto-Wiki.owl.gz", "kg/wiki_zs/schema/Schema-Wiki.ttl"),
    ),
    _tsv(
        "nell_ext",
        "NELL-Ext, fully inductive, all three test files",
        test="ind/test1.txt",
        read=_read_extended(("test1", "test2", "test3")),
        graph=_NELL_SCHEMA,
    ),
    *(
        _tsv(
            f"{folder}_{kind}",
            f"{title}, fully inductive, {what}",
            folder=folder,
            test=f"ind/{test}.txt",
            read=_read_extended((test,)),
            graph=graph,
        )
        for folder, title, graph in (("nell_ext", "NELL-Ext", _NELL_SCHEMA), ("fb_ext", "FB-Ext", ()))
        for kind, test, what in (
            ("ent", "test1", "unseen entities"),
            ("rel", "test2", "unseen relations"),
            ("both", "test3", "unseen entities and relations"),
        )
    ),
    *(_nell_995(f"nell_v{version}", f"nell_v{version}_ind", "unseen entities") for version in (1, 2, 3, 4)),
    *(
        _nell_995(f"nell_v{trained}", f"nell_v{trained}_ind_v3_{kind}", f"unseen entities and {about}")
        for trained, kind, about in (
            (1, "semi", "some unseen relations"),
            (1, "fully", "unseen relations"),
            (2, "semi", "some unseen relations"),
            (2, "fully", "unseen relations"),
            (4, "122", "some unseen relations"),
            (4, "57", "unseen relations"),
        )
    ),
    *(
        _tsv(f"ingram_{name.lower()}", f"InGram {name}, inductive", folder=f"ingram/{name}", train="train.txt.gz")
        for name in ("NL-0", "NL-75", "NL-100", "WK-25", "WK-75", "WK-100")
    ),
    *(_ilpc(size) for size in ("small", "large")),
    _tsv("codex_s", "CoDEx-S, ordinary completion"),
    _tsv(
        "wn18rr",
        "WN18RR, ordinary completion, readable names",
        folder="wn18rr/text",
        train="train.txt.gz",
        read=_read_wn18rr,
    ),
    _tsv("umls", "UMLS, ordinary completion"),
    _tsv("nations", "Nations, ordinary completion", read=_read_relation_first),
    _tsv("kinship", "Kinship, ordinary completion", read=_read_relation_first),
)

CATALOGUE: Mapping[str, Known] = {entry.name: entry for entry in _ENTRIES}
