import numpy as np
import pytest
import torch

from kgzsl import InputError
from kgzsl.classifiers import ESZSL, ViewWeighted
from kgzsl.classifiers.view_weights import views_of
from kgzsl.knowledge.class_priors import ClassPriors

NAMES = tuple(f"c{one}" for one in range(30))
SEEN, UNSEEN = NAMES[:22], NAMES[22:]


@pytest.fixture(scope="module")
def world():
    """Features follow from two views; three more views are noise."""
    random = np.random.default_rng(0)
    told = [random.normal(size=(30, 8)) for _ in range(2)]
    noise = [random.normal(size=(30, 8)) for _ in range(3)]
    map_ = random.normal(size=(16, 24))
    centres = np.concatenate(told, axis=1) @ map_

    def draw(names, count):
        rows = np.repeat([NAMES.index(name) for name in names], count)
        x = centres[rows] + 2.0 * random.normal(size=(len(rows), 24))
        return x.astype(np.float32), np.array(NAMES)[rows]

    views = [["shape", 8], ["junk 1", 8], ["habitat", 8], ["junk 2", 8], ["junk 3", 8]]
    matrix = np.concatenate([told[0], noise[0], told[1], noise[1], noise[2]], axis=1)
    return ClassPriors(NAMES, matrix, {"views": views}), draw(SEEN, 15), draw(UNSEEN, 15)


def test_noise_views_are_muted_and_that_beats_equal_weights(world):
    priors, train, test = world
    learnt = ViewWeighted().fit(*train, priors)
    weights = dict(zip(learnt.views_, learnt.weights_.tolist(), strict=True))
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["shape"] + weights["habitat"] > 0.65  # two of five would be 0.4
    equal = ViewWeighted(folds=0).fit(*train, priors)
    assert torch.allclose(equal.weights_, torch.full((5,), 0.2, dtype=torch.float64))
    right = [np.mean(model.predict(test[0], UNSEEN) == test[1]) for model in (learnt, equal)]
    assert right[0] > right[1] + 0.05


def test_contributions_sum_to_the_score(world):
    priors, train, test = world
    model = ViewWeighted().fit(*train, priors)
    for candidates in ("all", list(UNSEEN[:3])):
        parts = model.contributions(test[0], candidates)
        assert parts.shape[2] == 5
        assert torch.allclose(parts.sum(dim=2), model.decision_function(test[0], candidates), atol=1e-4)
    spread = model.contributions(test[0], "all").std(dim=1).mean(dim=0)
    assert spread[[0, 2]].min() > spread[[1, 3, 4]].max()  # the views that count are those that move the score


def test_one_view_is_eszsl_with_ridge_weights_per_sample_and_class(world):
    priors, train, test = world
    whole = ViewWeighted({"all": 40}, gamma=0.01, lam=0.1).fit(*train, priors)
    peer = ESZSL(gamma=0.01 * len(train[0]), lam=0.1 * len(SEEN)).fit(*train, priors)
    ours, theirs = (model.decision_function(test[0]) for model in (whole, peer))
    ratio = ours / theirs
    assert torch.allclose(ratio, ratio.mean().expand_as(ratio), rtol=1e-3)


def test_views_of_priors_put_side_by_side(world):
    priors = world[0]
    side = ClassPriors(NAMES, priors.matrix[:, :3], {"encoder": "att"}) | ClassPriors(NAMES, priors.matrix[:, :5], {})
    assert views_of(side) == {"att": 3, "given": 5}
    with pytest.raises(InputError, match="no views"):
        views_of(ClassPriors(NAMES, priors.matrix))


def test_a_class_is_added_and_bad_options_are_refused(world):
    priors, train, test = world
    model = ViewWeighted().fit(*train, priors.align(NAMES[:-1]))
    model.add_class(NAMES[-1], priors[NAMES[-1]])
    whole = ViewWeighted().fit(*train, priors)
    assert torch.allclose(model.decision_function(test[0]), whole.decision_function(test[0]), atol=1e-4)
    again = ViewWeighted().load_state_dict(whole.state_dict())
    assert torch.equal(again.contributions(test[0]), whole.contributions(test[0]))
    for options in ({"gamma": 0}, {"lam": -1}, {"folds": 1}, {"views": {"x": 3}}):
        with pytest.raises(InputError):
            ViewWeighted(**options).fit(*train, priors)
