"""What users hand over, in every usual form, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from kgzsl.errors import InputError
from kgzsl.tasks.image_classification._inputs import as_candidates, as_features, as_labels, nearest_of_many

NAMES = ("ant", "bee", "cow")
SEEN = np.array([True, True, False])


@pytest.mark.parametrize(
    "given",
    [
        np.array([[1, 2], [3, 4]]),
        np.array([[1, 2], [3, 4]], dtype=np.float64)[:, ::1],
        torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True),
        pd.DataFrame({"a": [1, 3], "b": [2, 4]}),
        [[1, 2], [3, 4]],
        np.array([[1, 2], [3, 4]], dtype=object),
    ],
)
def test_features_of_every_kind_become_float32(given):
    features = as_features(given)
    assert features.dtype == torch.float32
    assert features.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert not features.requires_grad


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([1.0, 2.0], "reshape"),
        ([["a", "b"]], "not a table of numbers"),
        ([[1.0, float("nan")]], "sample 0 have NaN"),
        ([[1.0, 2.0], [float("inf"), 0.0]], "sample 1 have NaN or infinite"),
        ([[1.0, 2.0, 3.0]], "3 dimensions, the model was fitted on 2"),
    ],
)
def test_bad_features_are_refused(given, words):
    with pytest.raises(InputError, match=words):
        as_features(given, dim=2)


@pytest.mark.parametrize("given", [["bee", "ant"], np.array(["bee", "ant"]), pd.Series(["bee", "ant"])])
def test_labels_by_name(given):
    labels, integers = as_labels(given, NAMES, count=2)
    assert labels.tolist() == [1, 0]
    assert not integers


@pytest.mark.parametrize("given", [[1, 0], torch.tensor([1, 0]), pd.Series([1, 0]), np.array([1, 0], dtype=np.uint8)])
def test_labels_by_number(given):
    labels, integers = as_labels(given, NAMES, count=2)
    assert labels.tolist() == [1, 0]
    assert integers


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["bee", "cat"], r"no prior: 'cat'; nearest to it: 'ant'|no prior: 'cat'"),
        ([0, 3], "label 3 of sample 1 is outside the class list 0..2"),
        ([0], "for 2 samples"),
        ([0.5, 1.0], "real numbers"),
    ],
)
def test_bad_labels_are_refused(given, words):
    with pytest.raises(InputError, match=words):
        as_labels(given, NAMES, count=2)


def test_candidates():
    assert as_candidates("all", NAMES, SEEN).tolist() == [0, 1, 2]
    assert as_candidates("seen", NAMES, SEEN).tolist() == [0, 1]
    assert as_candidates("unseen", NAMES, SEEN).tolist() == [2]
    assert as_candidates(["cow", "ant"], NAMES, SEEN).tolist() == [2, 0]
    assert as_candidates(np.array([2, 0]), NAMES, SEEN).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("every", "'every' is not known"),
        (["cwo"], "did you mean 'cow'"),
        ([7], "candidate 7"),
        (["unsen"], "did you mean 'unseen'"),
        (["xyzzyx"], "its classes are 'ant', 'bee', 'cow'; or give 'all'"),
        ([], "empty"),
        (["cow", "cow"], "twice"),
    ],
)
def test_bad_candidates_are_refused(given, words):
    with pytest.raises(InputError, match=words):
        as_candidates(given, NAMES, SEEN)


def test_among_very_many_open_pairs_those_that_share_a_word_are_near():
    beyond = [f"state{state} thing{thing}" for state in range(150) for thing in range(150)]
    with pytest.raises(InputError, match=r"did you mean 'state7 thing140'.*'open' takes every pair"):
        as_candidates(["statte7 thing140"], NAMES, SEEN, beyond)
    with pytest.raises(InputError, match="give 'all', 'unseen', 'seen', 'open' or a list of classes"):
        as_candidates("every", NAMES, SEEN, beyond)


def test_no_unseen_class_is_told():
    with pytest.raises(InputError, match="no unseen class"):
        as_candidates("unseen", NAMES, np.ones(3, dtype=bool))


def test_of_very_many_names_those_that_share_a_word_are_searched():
    few = ["wet cup", "wetcup"]
    assert nearest_of_many("wet cupp", few) == ["wet cup", "wetcup"]
    many = [*(f"{number:05}" for number in range(20_000)), *few]
    assert nearest_of_many("wet cupp", many) == ["wet cup"]
