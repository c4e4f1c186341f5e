"""The one door to unlabelled rows, ``ZeroShotClassifier.fit(..., unlabeled=X)``: who gets them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgzsl.errors import InputError
from kgzsl.tasks.image_classification import ZeroShotClassifier

HEAD = {"epochs": 10, "lr": 0.03, "batch_size": 64}


def model(classifier: str, *, generator: str | None = "linear", seed: int = 0, **options: Any) -> ZeroShotClassifier:
    return ZeroShotClassifier(
        generator, classifier, classifier_options=options, samples_per_class=20, seed=seed, device="cpu"
    )


@pytest.fixture(scope="module")
def kinds(world) -> dict[str, torch.Tensor]:
    data = world.data
    of_unseen, of_seen = data.features[data.test_unseen_loc], data.features[data.test_seen_loc]
    return {"unseen": of_unseen, "any": torch.cat([of_unseen, of_seen])}


@pytest.fixture(scope="module")
def cascade(world, kinds) -> ZeroShotClassifier:
    return model("cascade", ratio=0.5, options=HEAD).fit(*world.data.train, priors=world.priors, unlabeled=kinds)


def test_a_cascade_with_ratio_zero_is_its_first_stage(world, kinds, cascade) -> None:
    plain = model("softmax", **HEAD).fit(*world.data.train, priors=world.priors)
    none = model("cascade", ratio=0.0, options=HEAD).fit(*world.data.train, priors=world.priors, unlabeled=kinds)
    for candidates in ("unseen", "all", ["class1", "class13"]):
        expected = plain.scores(kinds["any"], candidates)
        np.testing.assert_array_equal(none.scores(kinds["any"], candidates), expected)
        assert not np.allclose(cascade.scores(kinds["any"], candidates), expected)


def test_a_head_inside_is_told_what_a_head_is_told(world, kinds) -> None:
    """Seed, device and the least number of steps: else a cascade would begin with a worse head than softmax alone."""
    train = world.data.train
    plain = model("softmax", seed=3).fit(*train, priors=world.priors)
    none = model("cascade", seed=3, ratio=0.0).fit(*train, priors=world.priors, unlabeled=kinds)
    assert plain._gzsl_head is not None
    assert plain._gzsl_head.classifier.epochs > 25
    np.testing.assert_array_equal(none.scores(kinds["any"]), plain.scores(kinds["any"]))


def test_what_looked_at_unlabelled_rows_is_stamped_and_stays_so(world, cascade, kinds, tmp_path: Path) -> None:
    assert cascade.transductive
    assert not model("softmax", **HEAD).fit(*world.data.train, priors=world.priors).transductive
    cascade.save(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "model.json").read_text())["setting"] == "transductive"
    again = ZeroShotClassifier.load(tmp_path / "model", device="cpu")
    assert again.transductive
    np.testing.assert_allclose(again.scores(kinds["any"]), cascade.scores(kinds["any"]), rtol=1e-5, atol=1e-6)
    again.add_class("class16", prior_row=1.0 - world.attributes[0])  # its heads look at the rows that were kept
    assert again.transductive
    assert "class16" in again.candidates("unseen")
    assert again._zsl_head is not None
    assert len(again._zsl_head.classifier.easy_) == len(kinds["unseen"])


def test_rows_of_unseen_classes_go_to_the_expert_of_those_and_the_others_to_the_expert_of_all(
    world, cascade, kinds
) -> None:
    fewer = {"unseen": kinds["unseen"], "any": kinds["any"][::2]}
    other = model("cascade", ratio=0.5, options=HEAD).fit(*world.data.train, priors=world.priors, unlabeled=fewer)
    np.testing.assert_array_equal(other.scores(kinds["any"], "unseen"), cascade.scores(kinds["any"], "unseen"))
    assert not np.allclose(other.scores(kinds["any"]), cascade.scores(kinds["any"]))
    assert cascade._zsl_head is not None
    assert cascade._gzsl_head is not None
    assert len(cascade._zsl_head.classifier.easy_) == len(kinds["unseen"])
    assert len(cascade._gzsl_head.classifier.easy_) == len(kinds["any"])
    plain = model("cascade", ratio=0.5, options=HEAD)
    plain.fit(*world.data.train, priors=world.priors, unlabeled=kinds["any"])  # nobody knows of which kind they are
    assert plain._zsl_head is not None
    assert len(plain._zsl_head.classifier.easy_) == len(kinds["any"])


def test_self_training_labels_k_rows_of_every_class_in_every_round(world, kinds) -> None:
    found = model("self-training", rounds=3, per_class=2, growth=1, options=HEAD)
    found.fit(*world.data.train, priors=world.priors, unlabeled=kinds)
    for head, classes in ((found._zsl_head, 4), (found._gzsl_head, 16)):
        assert head is not None
        assert [row["pseudo_labels"] for row in head.classifier.history_] == [2 * classes, 3 * classes, 4 * classes]
    assert found.score(kinds["unseen"], truth(world), "unseen") > 0.6  # chance is 0.25


def truth(world) -> np.ndarray:
    return world.data.name_of(world.data.labels[world.data.test_unseen_loc])


def test_multi_view_propagation_needs_no_generator_and_answers_unlabelled_rows_as_it_left_them(
    world, kinds, tmp_path: Path
) -> None:
    both = world.priors | world.priors.normalised("l2")
    found = model("multi-view", generator=None, neighbours=5).fit(*world.data.train, priors=both, unlabeled=kinds)
    assert found.transductive
    head = found._zsl_head
    assert head is not None
    assert head.classifier.classes_.tolist() == found.unseen_
    assert len(head.classifier._maps) == 2  # the parts that were put side by side are views
    scores = found.scores(kinds["unseen"], "unseen")
    np.testing.assert_allclose(scores, head.classifier.scores_, rtol=1e-5)
    assert found.scores(kinds["any"]).shape == (len(kinds["any"]), 16)
    np.testing.assert_allclose(found.scores(kinds["unseen"], ["class14", "class12"]), scores[:, [2, 0]], rtol=1e-6)
    found.save(tmp_path / "model")
    again = ZeroShotClassifier.load(tmp_path / "model", device="cpu")
    for rows in (kinds["any"], kinds["any"] + 0.01):
        np.testing.assert_allclose(again.scores(rows), found.scores(rows), rtol=1e-4, atol=1e-6)


def with_critic(world, name: str, given: object, **options: Any) -> ZeroShotClassifier:
    settings = {"hidden": 32, "batch_size": 40, "lr": 2e-3, "critic_steps": 2, **options}
    made = ZeroShotClassifier(
        name, "gda", generator_options=settings, samples_per_class=20, device="cpu", precision="32-true"
    )
    return made.fit(*world.data.train, priors=world.priors, unlabeled=given)


def test_the_second_critic_pulls_what_is_generated_of_unseen_classes(world) -> None:
    """A shift of the unseen classes that no prior tells: the generator follows it only where it is given the rows."""
    shifted = world.data.features[world.data.test_unseen_loc] + 3.0
    gaps = []
    for given in (None, {"unseen": shifted}):
        made = with_critic(world, "f-vaegan", given, epochs=30)
        mean = torch.cat([made.synthesise(other, 40) for other in made.unseen_]).mean(0)
        gaps.append(float((mean - shifted.mean(0)).norm()))
    assert gaps[1] < 0.7 * gaps[0]


@pytest.mark.parametrize("name", ["f-vaegan", "tf-vaegan"])
@pytest.mark.filterwarnings("ignore::kgzsl.generators.CollapseWarning")
def test_a_generator_with_a_second_critic_is_stamped_and_stays_so(world, kinds, name: str, tmp_path: Path) -> None:
    plain = with_critic(world, name, None, epochs=2)
    assert not plain.transductive
    assert "distance_unlabelled" not in plain.generator_.history.rows[-1]
    made = with_critic(world, name, kinds, epochs=2)
    assert made.transductive
    assert "distance_unlabelled" in made.generator_.history.rows[-1]
    made.save(tmp_path / "model")
    again = ZeroShotClassifier.load(tmp_path / "model", device="cpu")
    assert again.transductive
    assert again.generator_.transductive_
    np.testing.assert_allclose(again.scores(kinds["any"]), made.scores(kinds["any"]), rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore::kgzsl.generators.CollapseWarning")
def test_rows_of_any_class_are_held_against_all_classes(world, kinds, monkeypatch: pytest.MonkeyPatch) -> None:
    from kgzsl.generators import VAEGAN

    asked = []
    whole = VAEGAN.fit

    def fit(self, *arguments, unlabeled=None, unlabeled_priors=None, **options):
        asked.append((len(unlabeled), len(unlabeled_priors)))
        return whole(self, *arguments, unlabeled=unlabeled, unlabeled_priors=unlabeled_priors, **options)

    monkeypatch.setattr(VAEGAN, "fit", fit)
    options = {"hidden": 8, "epochs": 1, "critic_steps": 1}
    for given in (kinds["any"], kinds):
        made = ZeroShotClassifier("f-vaegan", "gda", generator_options=options, samples_per_class=5, device="cpu")
        made.fit(*world.data.train, priors=world.priors, unlabeled=given)
    assert asked == [(len(kinds["any"]), 16), (len(kinds["unseen"]), 4)]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda x, world: (x, np.zeros(len(x))), "something beside them, which may be their labels"),
        (lambda x, world: world.data, "something beside them, which may be their labels"),
        (lambda x, world: {"any": (x, np.zeros(len(x)))}, "whose second half may be labels"),
        (lambda x, world: {"any": x, "labels": np.zeros(len(x))}, "unlabeled says 'labels'.*never labels"),
        (lambda x, world: {}, "unlabeled is empty"),
        (lambda x, world: x[:, :3], "unlabeled: features have 3 dimensions, the model was fitted on 24"),
        (lambda x, world: x[:0], "there are no rows"),
        (lambda x, world: {"unseen": x * np.nan}, "unlabeled, unseen: features of sample 0 have NaN"),
    ],
)
def test_labels_and_broken_rows_are_refused(world, kinds, given, words: str) -> None:
    with pytest.raises(InputError, match=words):
        model("cascade").fit(*world.data.train, priors=world.priors, unlabeled=given(kinds["any"], world))


def test_rows_that_nothing_looks_at_are_refused_and_so_is_a_look_at_none(world, kinds) -> None:
    train = world.data.train
    with pytest.raises(InputError, match="neither the generator 'linear' nor the classifier 'softmax'"):
        model("softmax").fit(*train, priors=world.priors, unlabeled=kinds)
    for name in ("cascade", "self-training"):
        with pytest.raises(InputError, match=r"there are none; give fit\(\.\.\., unlabeled=X\)"):
            model(name).fit(*train, priors=world.priors)
    with pytest.raises(InputError, match="prior head 'multi-view'"):
        model("cascade").set_params(prior_head="multi-view").fit(*train, priors=world.priors, unlabeled=kinds)
    with pytest.raises(InputError, match="there is no such class"):
        rows = world.data.features
        model("cascade").fit(rows, world.data.name_of(world.data.labels), world.priors, unlabeled=kinds)
