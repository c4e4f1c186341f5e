from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.datasets import ImageFeatures
from kgzsl.errors import InputError

LABELS = np.array(["cat", "dog", "cat", "emu", "dog", "cat", "cat", "cat"])
FEATURES = np.arange(16, dtype=np.float64).reshape(8, 2)


def test_labels_may_be_names_and_the_split_is_made_here() -> None:
    data = ImageFeatures.from_arrays(FEATURES, LABELS, unseen=["emu"], test_fraction=0.4)
    assert data.class_names == ("cat", "dog", "emu")
    assert data.test_unseen_loc.tolist() == [3]
    # 40 % of five cats are two; 40 % of two dogs round to one.
    counts = np.bincount(data.labels[data.test_seen_loc].numpy(), minlength=3)
    assert counts.tolist() == [2, 1, 0]
    everything = torch.cat([data.trainval_loc, data.test_seen_loc, data.test_unseen_loc]).sort().values
    assert everything.tolist() == list(range(8))
    assert any("drawn with seed 0" in note for note in data.notes)


def test_a_class_with_one_row_keeps_it_for_training() -> None:
    data = ImageFeatures.from_arrays(FEATURES[:4], np.array([0, 1, 1, 2]), class_names=["a", "b", "c"], unseen=[2])
    assert 0 in data.trainval_loc.tolist()


def test_given_parts_of_the_split_are_completed() -> None:
    data = ImageFeatures.from_arrays(FEATURES, LABELS, unseen=["emu"], trainval_loc=[0, 1])
    assert data.test_seen_loc.tolist() == [2, 4, 5, 6, 7]
    data = ImageFeatures.from_arrays(FEATURES, LABELS, unseen=["emu"], test_seen_loc=[0, 1])
    assert data.trainval_loc.tolist() == [2, 4, 5, 6, 7]


def test_tensors_and_whole_floats_are_taken() -> None:
    data = ImageFeatures.from_arrays(
        torch.from_numpy(FEATURES), np.array([0.0, 1, 0, 2, 1, 0, 0, 0]), class_names=["a", "b", "c"], unseen=["c"]
    )
    assert data.labels.tolist() == [0, 1, 0, 2, 1, 0, 0, 0]


def test_bad_arrays_are_refused() -> None:
    with pytest.raises(InputError, match=r"labels, row 3: the label 'emu' is outside the list of 2 classes"):
        ImageFeatures.from_arrays(FEATURES, LABELS, class_names=["cat", "dog"], unseen=["dog"])
    with pytest.raises(InputError, match=r"'emo' is no class name; did you mean 'emu'"):
        ImageFeatures.from_arrays(FEATURES, LABELS, unseen=["emo"])
    with pytest.raises(InputError, match="class_names is missing"):
        ImageFeatures.from_arrays(FEATURES, np.zeros(8, dtype=int), unseen=[0])
    with pytest.raises(InputError, match="labels: holds float64 values"):
        ImageFeatures.from_arrays(FEATURES, np.full(8, 0.5), class_names=["a"], unseen=[])
    with pytest.raises(InputError, match="features: holds <U3 values"):
        ImageFeatures.from_arrays(LABELS, LABELS, unseen=["emu"])
    with pytest.raises(InputError, match=r"att: the shape is \(2, 5\) for 3 classes"):
        ImageFeatures.from_arrays(FEATURES, LABELS, unseen=["emu"], priors={"att": np.zeros((2, 5))})
    with pytest.raises(InputError, match=r"test_fraction must lie in \[0, 1\)"):
        ImageFeatures.from_arrays(FEATURES, LABELS, unseen=["emu"], test_fraction=1.0)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((1, 1, 4), "none (20% of each class are less than one row), so that S, U and H cannot be measured"),
        ((10, 2, 4), "20% of each class, none of 1 of the 2 classes, which have too few rows, drawn with seed 0"),
        ((10, 5, 4), "20% of each class, drawn with seed 0"),
    ],
)
def test_the_note_says_how_many_rows_are_kept_for_the_test(rows: tuple[int, ...], words: str) -> None:
    labels = np.repeat(np.array(["cat", "dog", "emu"]), rows)
    features = np.arange(2.0 * len(labels)).reshape(-1, 2)
    data = ImageFeatures.from_arrays(features, labels, unseen=["emu"])
    assert data.notes == (f"test rows of seen classes: {words}",)
    assert ("none (" in words) == (len(data.test_seen_loc) == 0)


@pytest.mark.parametrize("absent", [None, np.nan, float("nan")])
def test_a_row_without_a_label_is_no_class_of_that_name(absent: object) -> None:
    """None and NaN beside names would be the classes 'None' and 'nan'."""
    labels = [*LABELS[:5], absent, *LABELS[6:]]
    for given in (labels, np.array(labels, dtype=object)):
        with pytest.raises(InputError, match="labels, row 5: there is no label; leave such rows out"):
            ImageFeatures.from_arrays(FEATURES, given, unseen=["emu"])


def test_pandas_labels_without_one_are_refused_too() -> None:
    pandas = pytest.importorskip("pandas")
    labels = pandas.Series([*LABELS[:5], None, *LABELS[6:]], dtype="string", index=range(10, 18))
    with pytest.raises(InputError, match="labels, row 5: there is no label"):
        ImageFeatures.from_arrays(FEATURES, labels, unseen=["emu"])


def test_one_name_is_no_list_of_unseen_classes() -> None:
    with pytest.raises(InputError, match="unseen is 'emu'; give a list of class names"):
        ImageFeatures.from_arrays(FEATURES, LABELS, unseen="emu")
