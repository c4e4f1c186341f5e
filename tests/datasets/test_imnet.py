"""OntoZSL's layout of ImNet-A and ImNet-O, in a folder small enough to count by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgzsl import datasets
from kgzsl.datasets import ImageFeatures
from kgzsl.errors import InputError

from .conftest import write_lines, write_v5, write_v73

# Numbers count from 1 and are places in the whole of ImageNet: the set's classes are 3, 1 | 5, 2.
WNIDS = ["n00000001", "n00000002", "n00000003", "n00000004", "n00000005"]
WORDS = ["red fox, Vulpes vulpes", "fox", "bee", "ant, emmet", "fox, dodger"]
COUNTS = {"ILSVRC2012_train": {3: 4, 1: 3}, "ILSVRC2012_val": {3: 2, 1: 1}, "ILSVRC2011": {5: 3, 2: 2}}
Writer = Callable[[Path, dict[str, Any]], None]


def archive(base: Path, *, write: Writer = write_v5, beside: bool = True) -> Path:
    """The archive as published: features and split.mat once, ``beside`` the folder of the set or in it."""
    folder = base / "ImageNet" / "ImNet_A"
    write_lines(folder / "seen.txt", "n00000003", "n00000001")
    (folder / "unseen.txt").write_text("n00000005\nn00000002", encoding="utf-8")  # no line end: the last class counts
    common = folder.parent if beside else folder
    write(common / "split.mat", {"allwnids": WNIDS, "allwords": WORDS})
    for part, classes in COUNTS.items():
        (common / "Res101_Features" / part).mkdir(parents=True)
        for number, count in classes.items():
            rows = 10 * number + np.arange(count)[:, None] + np.zeros((1, 6))
            rows[:, 0] = list(COUNTS).index(part)
            write(common / "Res101_Features" / part / f"{number}.mat", {"features": rows})
    return folder


@pytest.mark.parametrize("write", [write_v5, write_v73], ids=["v5", "v7.3"])
@pytest.mark.parametrize("beside", [True, False])
def test_every_row_is_of_its_class_and_part(tmp_path: Path, write: Writer, beside: bool) -> None:
    data = ImageFeatures.from_imnet(archive(tmp_path, write=write, beside=beside))
    assert data.name == "ImNet_A"
    assert data.class_names == ("bee", "red fox", "fox (n00000005)", "fox (n00000002)")
    assert data.seen_names == ["bee", "red fox"]
    assert data.unseen_names == ["fox (n00000005)", "fox (n00000002)"]
    assert data.class_info["wnid"] == ("n00000003", "n00000001", "n00000005", "n00000002")
    assert data.class_info["synset_words"][1] == "red fox, Vulpes vulpes"
    number = np.array([3, 1, 5, 2])
    parts = (data.trainval_loc, data.test_seen_loc, data.test_unseen_loc)
    for place, (rows, classes) in enumerate(zip(parts, COUNTS.values(), strict=True)):
        features = np.asarray(data.features[rows])
        assert (features[:, 0] == place).all()
        assert (features[:, 1] // 10 == number[data.labels[rows]]).all()
        assert {n: int((number[data.labels[rows]] == n).sum()) for n in classes} == classes
    assert len(data.labels) == sum(len(rows) for rows in parts) == 15


def test_some_rows_of_each_class_will_do(tmp_path: Path) -> None:
    data = ImageFeatures.from_imnet(archive(tmp_path), images_per_class=2, name="few")
    assert data.name == "few"
    assert [len(rows) for rows in (data.trainval_loc, data.test_seen_loc, data.test_unseen_loc)] == [4, 3, 4]
    with pytest.raises(InputError, match="images_per_class is 0"):
        ImageFeatures.from_imnet(tmp_path / "ImageNet" / "ImNet_A", images_per_class=0)


def test_vectors_of_words_and_of_the_ontology_are_priors(tmp_path: Path) -> None:
    folder = archive(tmp_path)
    write_v5(folder.parent / "w2v.mat", {"w2v": np.arange(10.0).reshape(5, 2), "wnids": WNIDS[::-1]})
    (folder / "onto_file" / "embeddings").mkdir(parents=True)
    write_v5(folder / "onto_file" / "embeddings" / "o2v-450-text12.mat", {"o2v": np.arange(15.0).reshape(5, 3)})
    data = ImageFeatures.from_imnet(folder)
    assert data.priors["w2v"].matrix[:, 0].tolist() == [4, 8, 0, 6]  # rows 3, 1, 5, 2 from the end
    assert data.priors["o2v"].matrix[:, 0].tolist() == [6, 0, 12, 3]
    assert data.priors["o2v"].names == data.class_names
    write_v5(folder.parent / "w2v.mat", {"w2v": np.zeros((2, 2)), "wnids": WNIDS[:2]})
    data = ImageFeatures.from_imnet(folder)
    assert list(data.priors) == ["o2v"]
    assert "w2v.mat has no vector of 2 classes (n00000003 ...)" in data.notes[0]


def test_it_goes_by_its_name_and_by_its_path(tmp_path: Path) -> None:
    folder = archive(tmp_path)
    named = datasets.load("imnet_a", tmp_path)
    assert isinstance(named, ImageFeatures)
    assert named.name == "imnet_a"
    assert datasets.load(folder).class_names == named.class_names  # type: ignore[union-attr]
    assert datasets.status("imnet_a", tmp_path).state == "here"
    (folder.parent / "split.mat").unlink()
    with pytest.raises(InputError, match=r"looked for res101\.mat and att_splits\.mat \(or seen\.txt"):
        datasets.load("imnet_a", tmp_path)
    with pytest.raises(InputError, match="has no option 'fold'"):
        archive(tmp_path / "again")
        datasets.load("imnet_a", tmp_path / "again", fold=1)


def test_the_graph_of_the_set_knows_its_classes_by_number_where_names_fail(tmp_path: Path) -> None:
    from kgzsl.recipe import ImageRecipe, Recipe
    from kgzsl.tasks._knowledge import read_sources

    data = ImageFeatures.from_imnet(archive(tmp_path))
    lines = [f"<urn:zoo#{wnid}> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <urn:zoo#animal> ." for wnid in WNIDS]
    (tmp_path / "zoo.nt").write_text("\n".join(lines), encoding="utf-8")
    plain = {
        "task": "image_classification",
        "dataset": "x",
        "priors": ["attributes"],
        "graph": str(tmp_path / "zoo.nt"),
    }
    recipe = Recipe.build(plain)
    assert isinstance(recipe, ImageRecipe)
    source, _ = read_sources(recipe, data.class_names, other_names=data.class_info)
    assert source.called == data.class_info["wnid"]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: write_lines(folder / "seen.txt", "n00000009"), r"seen\.txt, line 1: 'n00000009' is no class"),
        (lambda folder: write_lines(folder / "seen.txt", "n00000001", "n00000001"), "line 2.*is listed twice"),
        (lambda folder: write_lines(folder / "seen.txt", "n00000001", "n00000005"), "n00000005 is seen and unseen"),
        (lambda folder: write_lines(folder / "unseen.txt", ""), "there is no class in it"),
        (lambda folder: (folder / "unseen.txt").write_bytes(b"\xff\xfe"), r"unseen\.txt: this is not UTF-8 text"),
        (lambda folder: (folder / "unseen.txt").unlink(), r"unseen\.txt: there is no such file"),
        (lambda folder: (folder.parent / "split.mat").unlink(), r"there is no split\.mat here or in the folder above"),
        (lambda folder: write_v5(folder.parent / "split.mat", {"allwnids": WNIDS}), "the list 'allwords' is missing"),
        (
            lambda folder: (folder.parent / "Res101_Features" / "ILSVRC2011" / "5.mat").unlink(),
            r"5\.mat: the features of n00000005 are missing",
        ),
        (
            lambda folder: write_v5(
                folder.parent / "Res101_Features" / "ILSVRC2011" / "5.mat", {"features": np.ones((6, 3))}
            ),
            r"n00000005 have the shape \[6, 3\]; store \[n, 6\]",
        ),
        (
            lambda folder: write_v5(
                folder.parent / "Res101_Features" / "ILSVRC2011" / "5.mat", {"features": np.full((2, 6), np.nan)}
            ),
            "NaN or infinite values",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_file(tmp_path: Path, harm: Callable[[Path], object], words: str) -> None:
    folder = archive(tmp_path)
    harm(folder)
    with pytest.raises(InputError, match=words):
        ImageFeatures.from_imnet(folder)
