"""The protocol: the door opens once, selection sees no test row, chance is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from kgzsl.errors import InputError
from kgzsl.tasks.image_classification import run
from kgzsl.tasks.image_classification.protocol import ImageProtocol, TestScores


def random_scores(protocol: ImageProtocol, seed: int = 0) -> TestScores:
    random = np.random.default_rng(seed)
    of_unseen, of_seen = protocol.test_features
    classes = len(protocol.class_names)
    return TestScores(
        random.normal(size=(len(of_unseen), len(protocol.unseen))).astype(np.float32),
        random.normal(size=(len(of_unseen), classes)).astype(np.float32),
        random.normal(size=(len(of_seen), classes)).astype(np.float32),
    )


def test_the_door_opens_once(world):
    protocol = ImageProtocol(world.data)
    scores = random_scores(protocol)
    cards = protocol.final_score({"a": scores, "b": scores})
    assert cards["a"].metrics == cards["b"].metrics
    with pytest.raises(RuntimeError, match="used already"):
        protocol.final_score({"a": scores})


def test_selection_holds_training_rows_of_seen_classes_only(world):
    protocol = ImageProtocol(world.data)
    selection = protocol.selection_data()
    assert selection is not None
    assert set(selection.class_names) == set(world.data.seen_names)
    trained = {tuple(row) for row in world.data.rows(world.data.trainval_loc)[0].tolist()}
    assert {tuple(row) for row in selection.features.tolist()} <= trained
    told = protocol.describe({"epochs": 3})
    assert told["by"] == "held-out-classes"
    assert told["setting"] == "inductive"
    assert told["oracle"] is False
    assert told["classes"] == selection.unseen_names
    assert told["chosen"] == {"epochs": 3}


def test_nothing_to_select_on_without_validation(world):
    protocol = ImageProtocol(world.data, validation="none")
    assert protocol.selection_data() is None
    assert protocol.describe()["classes"] == []


def test_an_oracle_must_be_asked_for_and_is_stamped(world):
    assert not ImageProtocol(world.data).oracle
    oracle = ImageProtocol(world.data, validation="oracle")
    assert oracle.describe()["oracle"] is True
    assert oracle.selection_data() is world.data


def test_perfect_scores_are_perfect(world):
    data = world.data
    protocol = ImageProtocol(data)
    eye = np.eye(data.num_classes, dtype=np.float32)
    of_unseen = data.labels[data.test_unseen_loc].numpy()
    of_seen = data.labels[data.test_seen_loc].numpy()
    scores = TestScores(eye[of_unseen][:, protocol.unseen], eye[of_unseen], eye[of_seen])
    card = protocol.final_score({"perfect": scores})["perfect"]
    for name in ("zsl.top1", "zsl.overall", "gzsl.seen", "gzsl.unseen", "gzsl.harmonic", "zsl.hit@2"):
        assert card.metrics[name] == pytest.approx(100.0)
    assert card.metrics["gzsl.ausuc"] == pytest.approx(1.0)
    assert (card.confusion == np.diag(card.confusion.diagonal())).all()


def test_the_bias_moves_answers_between_seen_and_unseen(world):
    scores = random_scores(ImageProtocol(world.data))
    all_unseen = ImageProtocol(world.data).final_score({"x": replace(scores, unseen_bias=1e6)})["x"]
    assert all_unseen.metrics["gzsl.seen"] == 0.0
    all_seen = ImageProtocol(world.data).final_score({"x": replace(scores, unseen_bias=-1e6)})["x"]
    assert all_seen.metrics["gzsl.unseen"] == 0.0
    assert all_seen.metrics["gzsl.ausuc"] == all_unseen.metrics["gzsl.ausuc"]
    for bias, far in ((np.inf, all_unseen), (-np.inf, all_seen)):
        card = ImageProtocol(world.data).final_score({"x": replace(scores, unseen_bias=bias)})["x"]
        assert card.metrics == far.metrics
        assert (card.gzsl_predicted == far.gzsl_predicted).all()
    # among unseen classes alone, the bias changes nothing
    assert all_seen.metrics["zsl.top1"] == all_unseen.metrics["zsl.top1"]


def test_chance_is_what_a_guesser_gets(world):
    protocol = ImageProtocol(world.data)
    chance = protocol.chance()
    assert chance["zsl.top1"] == 25.0  # 4 unseen classes
    assert chance["gzsl.harmonic"] == 100.0 / 16
    assert chance["gzsl.ausuc"] == pytest.approx(1 / (2 * 12 * 4))
    assert chance["zsl.hit@2"] == 50.0
    reached = [
        ImageProtocol(world.data).final_score({"x": random_scores(protocol, seed)})["x"].metrics for seed in range(60)
    ]
    for name, value in chance.items():
        found = [one[name] for one in reached]
        margin = 4 * np.std(found) / np.sqrt(len(found))
        if name == "gzsl.harmonic":
            continue  # the harmonic mean of two noisy figures is below that of their means
        assert np.mean(found) == pytest.approx(value, abs=margin), name


def test_classes_without_test_rows_are_reported(world):
    data = world.data
    last = int(data.unseen[-1])
    kept = data.test_unseen_loc[data.labels[data.test_unseen_loc] != last]
    protocol = ImageProtocol(replace(data, test_unseen_loc=kept))
    assert protocol.final_score({"x": random_scores(protocol)})["x"].absent == (last,)


def test_bad_requests_are_refused(world):
    with pytest.raises(InputError, match=r"'test'.*held-out-classes"):
        ImageProtocol(world.data, validation="test")


def test_the_protocol_does_not_hand_out_test_labels(world):
    protocol = ImageProtocol(world.data)
    public = [getattr(protocol, name) for name in dir(protocol) if not name.startswith("_")]
    assert all(value is not world.data for value in public)
    _, labels = protocol.train
    assert set(labels.tolist()) == set(world.data.seen.tolist())
    assert all(isinstance(part, torch.Tensor) and part.dtype == torch.float32 for part in protocol.test_features)


def few_rows(world, kept: int):
    """The world with ``kept`` training rows of each seen class."""
    data = world.data
    labels = data.labels[data.trainval_loc]
    rows = [data.trainval_loc[labels == label][:kept] for label in data.seen]
    return replace(data, trainval_loc=torch.cat(rows))


def test_one_training_row_a_class_leaves_nothing_to_validate_on(world, small_recipe):
    settings = ("generator=linear", "classifier={name: gda, unseen_bias: validation}", "controls=[chance]")
    with pytest.raises(InputError, match=r"no row of a seen class to validate on: each of the 10 seen classes") as told:
        run(small_recipe(*settings), data=few_rows(world, 1), progress=False)
    assert "validation: none" in str(told.value)
    # What it says to do is enough.
    plain = ("protocol.validation=none", "classifier={name: eszsl, unseen_bias: 0.1}", "generator=null")
    found = run(small_recipe(*plain, "controls=[chance]"), data=few_rows(world, 1), progress=False)
    assert np.isfinite(found.metrics["gzsl.harmonic"])
    assert ImageProtocol(few_rows(world, 2)).selection_data() is not None


@pytest.mark.parametrize("kind", ["seen", "unseen"])
def test_a_test_split_without_rows_of_one_kind_is_refused_before_anything_runs(world, kind: str):
    data = replace(world.data, **{f"test_{kind}_loc": torch.zeros(0, dtype=torch.int64)})
    with pytest.raises(InputError, match=f"no test row of {kind} classes.*give"):
        ImageProtocol(data)
