"""The audit: each check finds what is planted, and nothing in a graph that is in order."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from kgzsl import ClassGraph
from kgzsl.errors import InputError
from kgzsl.knowledge import label_lists
from kgzsl.knowledge.audit import Audit, audit
from kgzsl.knowledge.label_lists import LabelList, _trained_on, read_labels
from kgzsl.knowledge.sources import read_wordnet

from .sources.conftest import write_wordnet

TREE = [
    ("cat", "subClassOf", "animal"),
    ("dog", "subClassOf", "animal"),
    ("hen", "subClassOf", "animal"),
    ("oak", "subClassOf", "plant"),
]
LABELS = {name: name for name in ("cat", "dog", "hen", "oak", "animal", "plant")}


def found(report: Audit) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.items for finding in report.findings}


def graph(*more: tuple[str, str, str], labels: dict[str, str] | None = None) -> ClassGraph:
    return ClassGraph.from_triples([*TREE, *more], labels={**LABELS, **(labels or {})})


def test_a_graph_in_order_has_no_finding() -> None:
    report = audit(graph(), seen=["cat", "dog"], unseen=["hen"])
    assert report.findings == ()
    assert set(report.checked) == {
        "missing", "no-text", "no-edges", "near-duplicates", "wnid", "cycles", "disjoint-ancestors", "no-path-to-seen",
    }  # fmt: skip
    assert report.lines()[-1].startswith("in order: missing, no-text")


def test_missing_and_ambiguous_classes() -> None:
    report = audit(graph(labels={"bat1": "bat", "bat2": "bat"}), ["cat", "dgo", "bat"])
    items = [finding.items for finding in report.findings if finding.kind == "missing"]
    assert items == [("dgo (nearest: dog)",), ("bat (bat1, bat2)",)]


def test_no_text_and_no_edges() -> None:
    bare = ClassGraph.from_triples([*TREE, ("stone", "disjointWith", "cat"), ("x1", "r", "x1")], labels=LABELS)
    report = found(audit(bare, ["cat", "stone", "x1"]))
    assert report["no-text"] == ("stone", "x1")
    # A disjointness and a loop are no link to anything.
    assert report["no-edges"] == ("stone", "x1")


@pytest.mark.parametrize(
    ("first", "second", "near"),
    [
        ("polar bear", "Polar_Bear", True),
        ("polar bear", "bear, polar", True),
        ("polar bears", "polar bear", True),
        ("chimpanzee", "chimpanze", True),
        ("flamingo", "flamengo", True),
        ("cat", "bat", False),
        ("horse", "house", False),
        ("class 10001", "class 10002", False),
        ("blue whale", "humpback whale", False),
    ],
)
def test_near_duplicates(first: str, second: str, near: bool) -> None:
    made = ClassGraph.from_triples(
        [("a", "r", "c"), ("b", "r", "c")], labels={"a": first, "b": second, "c": "xylophone"}
    )
    assert ("near-duplicates" in found(audit(made))) == near
    same = ClassGraph.from_triples([("a", "sameAs", "b")], labels={"a": first, "b": second})
    assert "near-duplicates" not in found(audit(same))


def test_wnids(tmp_path: Path) -> None:
    reference = read_wordnet(write_wordnet(tmp_path / "dict"))
    made = ClassGraph.from_triples(
        [
            ("x:n02084071", "subClassOf", "x:n02083346"),
            ("x:n02158846", "subClassOf", "x:n00001740"),
            ("x:n99999999", "subClassOf", "x:n00001740"),
            ("x:n02084071", "sameAs", "y:02158846-n"),
        ],
        labels={"x:n02084071": "Domestic-Dog, hound", "x:n02158846": "banner"},
    )
    names = ["x:n02084071", "x:n02158846", "x:n99999999"]
    items = [finding.items for finding in audit(made, names, wordnet=reference).findings if finding.kind == "wnid"]
    assert items == [
        ("x:n02084071 = y:02158846-n",),
        ("x:n99999999",),
        ("x:n02158846: 'banner' here, 'flag' in WordNet 3.0",),
    ]


def test_cycles() -> None:
    made = graph(("animal", "subClassOf", "being"), ("being", "subClassOf", "animal"), ("oak", "subClassOf", "oak"))
    assert set(found(audit(made))["cycles"]) == {"animal > being", "oak above itself"}


def test_disjoint_ancestors() -> None:
    made = graph(("animal", "disjointWith", "plant"), ("sponge", "subClassOf", "oak"), ("sponge", "subClassOf", "cat"))
    assert found(audit(made, ["sponge", "cat", "oak"]))["disjoint-ancestors"] == ("sponge: below animal and plant",)
    # Below a class and disjoint with it.
    odd = graph(("cat", "disjointWith", "animal"))
    assert found(audit(odd, ["cat", "dog"]))["disjoint-ancestors"] == ("cat: below cat and animal",)


def test_unseen_without_a_path() -> None:
    report = found(audit(graph(), seen=["cat", "dog"], unseen=["hen", "oak"]))
    assert report["no-path-to-seen"] == ("oak",)
    # A statement that they differ is no path.
    assert "no-path-to-seen" in found(audit(graph(("oak", "disjointWith", "cat")), seen=["cat"], unseen=["oak"]))
    assert "no-path-to-seen" not in found(audit(graph(("oak", "near", "cat")), seen=["cat"], unseen=["oak"]))


def test_backbone(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("# what it was trained on\nn02123045 tabby, tabby cat\nn01514668\tcock, Hen\nrocking chair\n")
    made = ClassGraph.from_triples(
        [("x:n02123045", "r", "y"), ("hen", "r", "y"), ("z", "r", "y"), ("oak", "r", "y")],
        labels={"z": "seat, Rocking-Chair", "hen": "hen"},
    )
    labels = read_labels(path)
    assert labels.size == 3
    report = audit(made, seen=["oak"], unseen=["n02123045", "hen", "z"], labels=labels)
    assert found(report)["in-backbone"] == ("n02123045", "hen (n01514668)", "z (rocking chair)")
    assert report.serious
    # Seen classes may be known to it.
    assert "in-backbone" not in found(audit(made, seen=["hen"], unseen=["oak"], labels=labels))


def test_named_lists_come_from_packages_that_ship_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "timm" / "data" / "_info").mkdir(parents=True)
    (tmp_path / "timm" / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    (tmp_path / "timm" / "data" / "_info" / "imagenet_synsets.txt").write_text("n02084071\nn02123045\n")
    (tmp_path / "timm" / "data" / "_info" / "imagenet_synset_to_lemma.txt").write_text("n02084071\tdog, domestic dog\n")
    (tmp_path / "torchvision" / "models").mkdir(parents=True)
    (tmp_path / "torchvision" / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    (tmp_path / "torchvision" / "models" / "_meta.py").write_text('_IMAGENET_CATEGORIES = [\n    "tench",\n]\n')

    def only(package: str | None) -> None:
        def find_spec(name: str) -> ModuleSpec | None:
            origin = str(tmp_path / name / "__init__.py")
            return ModuleSpec(name, None, origin=origin) if name == package else None

        finder = types.SimpleNamespace(find_spec=find_spec)
        monkeypatch.setattr(sys.modules["kgzsl.knowledge.label_lists"], "importlib", types.SimpleNamespace(util=finder))

    only("timm")
    labels = read_labels("ImageNet-1k")
    assert (labels.size, labels.find(["Domestic Dog"]), labels.find(["n02123045"])) == (2, "n02084071", "n02123045")
    only("torchvision")
    assert read_labels("imagenet-1k").find(["Tench"]) == "tench"
    with pytest.raises(InputError, match="no installed package ships the labels of imagenet-22k"):
        read_labels("imagenet-22k")
    only(None)
    with pytest.raises(InputError, match="no installed package ships"):
        read_labels("imagenet-1k")
    with pytest.raises(InputError, match="did you mean 'imagenet-1k'"):
        read_labels("imagenet1k")


@pytest.mark.parametrize(
    ("name", "lists", "texts"),
    [
        ("resnet101", ["imagenet-1k"], False),
        ("wide_resnet50_2", ["imagenet-1k"], False),
        ("resnet50.a1_in1k", ["imagenet-1k"], False),
        ("timm/vit_base_patch16_224.augreg_in21k_ft_in1k", ["imagenet-22k", "imagenet-1k"], False),
        ("convnext_base.clip_laion2b_augreg_ft_in12k_in1k", ["imagenet-12k", "imagenet-1k"], True),
        ("resmlp_12_224.fb_in1k", ["imagenet-1k"], False),
        ("vit_base_patch16_clip_224.openai", [], True),
        ("clip", [], True),
        ("vit_small_patch14_dinov2.lvd142m", [], True),
        ("mynet", [], False),
    ],
)
def test_backbones_and_what_they_saw(name: str, lists: list[str], texts: bool) -> None:
    assert _trained_on(name) == (lists, texts)


def test_a_backbone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = LabelList("imagenet-1k", "here", 1, frozenset({"n02123045"}), {"tabby": "n02123045"})
    two = LabelList("imagenet-22k", "there", 2, frozenset({"n02123045", "n12268246"}), {"oak": "n12268246"})
    monkeypatch.setattr(label_lists, "_shipped", {"imagenet-1k": one, "imagenet-22k": two}.__getitem__)
    both = read_labels("vit_tiny_patch16_224.augreg_in21k_ft_in1k")
    assert (both.size, both.find(["oak"]), both.find(["tabby"])) == (2, "n12268246", "n02123045")
    made = graph(("oak", "near", "cat"))
    assert found(audit(made, seen=["cat"], unseen=["oak"], labels=both))["in-backbone"] == ("oak (n12268246)",)
    assert "in-backbone" not in found(audit(made, seen=["cat"], unseen=["oak"], labels=read_labels("resnet101")))
    with pytest.raises(InputError, match="which classes it saw is not known"):
        read_labels("vit_base_patch16_clip_224.openai")
    with pytest.raises(InputError, match="no known backbone"):
        read_labels("mynet")


def test_labels_in_json_and_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    path.write_text(json.dumps({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}))
    assert read_labels(path).find(["goldfish"]) == "n01443537"
    path.write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        read_labels(path)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match="empty"):
        read_labels(tmp_path / "empty.txt")


def test_awa_is_audited_in_full(data: Callable[[str], Path]) -> None:
    """Known of KG-AwA: its schema says that whole branches are disjoint, and its split is connected."""
    folder = data("kg/awa")
    made = ClassGraph.read(folder / "KG-AwA.ttl")
    classes = json.loads((folder / "awa2-split.json").read_text())
    report = audit(made, seen=classes["train"], unseen=classes["test"])
    assert "missing" not in found(report)
    assert "no-path-to-seen" not in found(report)
