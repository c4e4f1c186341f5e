from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kgzsl.datasets import ImageFeatures
from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors


def build(toy: dict[str, Any], **changes: Any) -> ImageFeatures:
    names = tuple(toy["class_names"].tolist())
    values = {
        "features": toy["features"],
        "labels": toy["labels"],
        "class_names": names,
        "seen": [0, 1, 2],
        "unseen": [3],
        "trainval_loc": toy["trainval_loc"],
        "test_seen_loc": toy["test_seen_loc"],
        "test_unseen_loc": toy["test_unseen_loc"],
        "priors": {"att": ClassPriors(names, toy["att"])},
        "name": "toy",
    }
    return ImageFeatures(**(values | changes))


def test_holds_the_data_as_documented(toy: dict[str, Any]) -> None:
    data = build(toy)
    assert data.features.dtype == torch.float32
    assert data.labels.dtype == torch.int64
    assert (data.num_classes, data.dim) == (4, 2)
    assert data.seen_names == ["horse", "zebra", "killer whale"]
    assert data.unseen_names == ["blue whale"]
    assert "3 seen + 1 unseen" in repr(data)


def test_train_gives_training_rows_and_their_class_names(toy: dict[str, Any]) -> None:
    features, names = build(toy).train
    assert features[:, 0].tolist() == [0, 1, 3, 4, 6, 7]
    assert names.tolist() == ["horse", "horse", "zebra", "zebra", "killer whale", "killer whale"]


def test_names_and_numbers_of_classes_are_inverse(toy: dict[str, Any]) -> None:
    data = build(toy)
    labels = torch.tensor([3, 0, 2])
    assert data.class_index(data.name_of(labels).tolist()).tolist() == [3, 0, 2]
    assert data.name_of(1) == "zebra"
    with pytest.raises(InputError, match="did you mean 'zebra'"):
        data.class_index(["zebrra"])


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("one dimension", {"features": np.zeros(12)}, r"toy.*features.*shape is \(12,\)"),
    ("too few labels", {"labels": np.zeros(11, dtype=int)}, r"labels.*\(11,\) labels for 12 rows"),
    ("label too large", {"labels": np.array([0] * 11 + [4])}, r"labels, row 11: the label 4 is outside the list of 4"),
    ("negative label", {"labels": np.array([-1] + [0] * 11)}, r"labels, row 0: the label -1 is outside"),
    ("names twice", {"class_names": ("a", "b", "a", "c"), "priors": {}}, r"class_names.*'a' occurs more than once"),
    ("empty name", {"class_names": ("a", "b", " ", "c"), "priors": {}}, r"class_names.*name of class 2 is empty"),
    ("seen and unseen", {"unseen": [2, 3]}, r"'killer whale' is both seen and unseen"),
    ("on no side", {"seen": [0, 1]}, r"'killer whale' is neither seen nor unseen"),
    ("class out of range", {"unseen": [3, 4]}, r"unseen, entry 1: 4 is out of range: there are 4 classes"),
    (
        "row out of range",
        {"test_seen_loc": [2, 5, 12]},
        r"test_seen_loc, entry 2: 12 is out of range: there are 12 rows",
    ),
    ("negative row", {"trainval_loc": [-1, 0, 3, 6]}, r"trainval_loc, entry 0: -1 is out of range"),
    ("row twice", {"trainval_loc": [0, 0, 3, 6]}, r"trainval_loc: 0 occurs more than once"),
    ("overlap", {"test_seen_loc": [2, 5, 7]}, r"test_seen_loc: row 7 is in trainval_loc too"),
    (
        "unseen class in training",
        {"trainval_loc": [0, 3, 6, 9], "test_unseen_loc": [10, 11]},
        r"trainval_loc: row 9 is of the unseen class 'blue whale'",
    ),
    (
        "seen class in the unseen test",
        {"test_unseen_loc": [9, 8], "test_seen_loc": [2, 5]},
        r"test_unseen_loc: row 8 is of the seen class 'killer whale'",
    ),
    ("seen without rows", {"trainval_loc": [0, 1, 3, 4]}, r"the seen class 'killer whale' has no training row"),
    ("half a validation split", {"train_loc": [0]}, r"val_loc: only one of train_loc and val_loc"),
    ("validation splits images", {"train_loc": [0, 3], "val_loc": [1, 6]}, r"'horse' is in both train_loc and val_loc"),
    ("unseen in validation", {"train_loc": [0], "val_loc": [3, 10]}, r"val_loc: row 10 is of the unseen class"),
    ("class info too short", {"class_info": {"wnid": ("n1",)}}, r"wnid: 1 entries for 4 classes"),
]


@pytest.mark.parametrize(("changes", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_contradictions_are_refused_by_name_and_place(
    toy: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build(toy, **changes)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bad_numbers_are_named_by_row_and_column(toy: dict[str, Any], value: float) -> None:
    toy["features"][7, 1] = value
    toy["features"][9, 0] = value
    with pytest.raises(InputError, match=r"2 row\(s\) hold NaN or infinite values; the first is row 7 \(column 1"):
        build(toy)


def test_priors_of_other_classes_are_refused(toy: dict[str, Any]) -> None:
    priors = {"att": ClassPriors(("a", "b"), np.zeros((2, 3), dtype=np.float32))}
    with pytest.raises(InputError, match=r"priors\['att'\].*2 names"):
        build(toy, priors=priors)


def test_subset_keeps_rows_splits_and_priors_of_its_classes(toy: dict[str, Any]) -> None:
    part = build(toy).subset(["blue whale", "horse"])
    assert part.class_names == ("blue whale", "horse")
    assert part.features[:, 0].tolist() == [0, 1, 2, 9, 10, 11]
    assert part.labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert (part.seen.tolist(), part.unseen.tolist()) == ([1], [0])
    assert part.features[part.trainval_loc, 0].tolist() == [0, 1]
    assert part.features[part.test_unseen_loc, 0].tolist() == [9, 10, 11]
    assert part.priors["att"].matrix.tolist() == [[9, 10, 11], [0, 1, 2]]
    with pytest.raises(InputError, match="named twice"):
        build(toy).subset(["horse", "horse"])


def test_validation_split_holds_training_rows_only(toy: dict[str, Any]) -> None:
    data = build(toy)
    split = data.validation_split(seed=0, fraction=0.34)
    trained = set(data.features[data.trainval_loc, 0].tolist())
    assert set(split.features[:, 0].tolist()) == trained
    assert split.class_names == ("horse", "zebra", "killer whale")
    assert len(split.unseen) == 1
    assert len(split.seen) == 2
    # Of each of the two classes that stay seen, one of two training rows is a test row.
    assert len(split.trainval_loc) == 2
    assert len(split.test_seen_loc) == 2
    for row, label in zip(split.features[:, 0].tolist(), split.labels.tolist(), strict=True):
        assert split.class_names[label] == data.class_names[int(row) // 3]
    assert split.priors["att"].matrix.tolist() == toy["att"][:3].tolist()


def test_parts_of_the_seen_classes_are_disjoint_and_all_of_them(toy: dict[str, Any]) -> None:
    names = [f"class{i}" for i in range(9)]
    features, labels = np.arange(36, dtype=np.float32)[:, None], np.repeat(np.arange(9), 4)
    data = ImageFeatures.from_arrays(features, labels, class_names=names, unseen=names[-2:])
    held = [data.validation_split(5, part=(place, 3)).unseen_names for place in range(3)]
    assert [len(one) for one in held] == [3, 2, 2]
    assert sorted(name for one in held for name in one) == names[:7]
    assert held != [data.validation_split(6, part=(place, 3)).unseen_names for place in range(3)]
    assert "part 1 of 3" in data.validation_split(5, part=(0, 3)).notes[0]
    for wrong in ((3, 3), (0, 4), (0, 1)):
        with pytest.raises(InputError, match="there is no part"):
            data.validation_split(5, part=wrong)


def test_validation_split_cannot_depend_on_test_rows(toy: dict[str, Any]) -> None:
    before = build(toy).validation_split(seed=3)
    is_test = np.concatenate([toy["test_seen_loc"], toy["test_unseen_loc"]])
    toy["features"][is_test] = -77.0
    after = build(toy).validation_split(seed=3)
    assert torch.equal(before.features, after.features)
    assert torch.equal(before.labels, after.labels)
    assert not bool((after.features == -77).any())
    # A copy, not a view: the tensor behind it holds nothing else.
    assert after.features.untyped_storage().nbytes() == after.features.nbytes


def test_validation_split_uses_the_published_classes_without_test_rows(toy: dict[str, Any]) -> None:
    # As published, train_loc and val_loc cover test_seen rows (2, 5, 8) as well.
    data = build(toy, train_loc=[0, 1, 2, 6, 7, 8], val_loc=[3, 4, 5])
    split = data.validation_split(seed=0)
    assert [split.class_names[i] for i in split.unseen.tolist()] == ["zebra"]
    assert split.features[split.test_unseen_loc, 0].tolist() == [3, 4]
    assert "1 validation classes that ship" in split.notes[0]
    drawn = {tuple(data.validation_split(seed=s, shipped=False).unseen.tolist()) for s in range(20)}
    assert len(drawn) > 1


def test_validation_split_is_repeatable_and_checked(toy: dict[str, Any]) -> None:
    data = build(toy)
    one, two = data.validation_split(seed=5), data.validation_split(seed=5)
    assert torch.equal(one.trainval_loc, two.trainval_loc)
    assert one.unseen.tolist() == two.unseen.tolist()
    with pytest.raises(InputError, match=r"between 0 and 1, not 1\.5"):
        data.validation_split(fraction=1.5)
    with pytest.raises(InputError, match="only 2 seen classes"):
        data.subset(["horse", "zebra", "blue whale"]).validation_split()


def test_with_priors_aligns_and_to_moves_everything(toy: dict[str, Any]) -> None:
    data = build(toy)
    names = tuple(reversed(data.class_names))
    more = data.with_priors(w2v=ClassPriors(names, np.eye(4, dtype=np.float32)))
    assert more.priors["w2v"].matrix[0].tolist() == [0, 0, 0, 1]
    assert set(more.priors) == {"att", "w2v"}
    moved = data.to("cpu")
    assert torch.equal(moved.features, data.features)
    assert moved.val_loc is None
