import numpy as np
import pytest
import torch

from kgzsl import InputError
from kgzsl.classifiers import ESZSL, GaussianPrototypes, ViewWeighted
from kgzsl.classifiers.view_weights import views_of
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.tasks.image_classification.metrics import seen_unseen_curve

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


def test_each_view_is_brought_to_the_spread_it_has_where_seen_classes_play_unseen_ones(world):
    """A view alone, unweighed, on each fold: its scores about their mean over the fold's classes, 1 after scaling."""
    priors, (x, y), _ = world
    model = ViewWeighted(folds=4).fit(x, y, priors)
    order = np.random.default_rng(0).permutation(22)
    at = 0
    for view, width in priors.made["views"]:
        block = ClassPriors(NAMES, priors.matrix[:, at : at + width])
        at += width
        spread = []
        for out in (order[fold::4] for fold in range(4)):
            held = np.isin(y, np.array(NAMES)[out])
            alone = ViewWeighted({view: width}, folds=0).fit(x[~held], y[~held], block)
            table = alone.decision_function(x[held], [NAMES[row] for row in out])
            spread.append((table - table.mean(dim=1, keepdim=True)).flatten())
        place = model.views_.index(view)
        assert float(model.scales_[place]) == pytest.approx(float(torch.cat(spread).square().mean().sqrt()), rel=1e-3)
        whole = ViewWeighted({view: width}, folds=0).fit(x, y, block).decision_function(x[:50])
        part = model.contributions(x[:50])[..., place] * float(model.scales_[place] / model.weights_[place])
        torch.testing.assert_close(part, whole, rtol=1e-3, atol=1e-3)
    assert float(model.scales_.max() / model.scales_.min()) > 1.02


def test_one_view_tells_unseen_classes_as_gaussian_prototypes_do(world):
    priors, train, test = world
    for power in (1.0, 0.5):
        whole = ViewWeighted({"all": 40}, gamma=0.7, lam=0.2, power=power).fit(*train, priors)
        options = {"ridge": 0.2, "shrinkage": 0.7, "mean_error": 0.0, "power": power}
        peer = GaussianPrototypes(**options).fit(*train, priors)
        ours, theirs = (model.decision_function(test[0], "unseen") for model in (whole, peer))
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def wide_priors(seed: int):
    """82 seen and 20 unseen classes; 600 columns whose rows differ little, and 200 that say nothing of features."""
    random = np.random.default_rng(seed)
    names = tuple(f"c{one:03d}" for one in range(102))
    latent = random.normal(size=(102, 8))
    told = latent @ random.normal(size=(8, 600)) / 8**0.5 + 2.0 + 0.3 * random.normal(size=(102, 600))
    junk = 2.0 + random.normal(size=(102, 200))
    centres = latent @ random.normal(size=(8, 64)) + 3.0

    def draw(classes, count):
        rows = np.repeat(list(classes), count)
        return centres[rows] + 1.5 * random.normal(size=(len(rows), 64)), np.array(names)[rows]

    priors = ClassPriors(names, np.concatenate([told, junk], axis=1), {"views": [["told", 600], ["junk", 200]]})
    return priors, draw(range(82), 12), draw(range(82), 4), draw(range(82, 102), 12)


def figures(model, seen, unseen):
    """Accuracy among unseen classes, and the best harmonic mean over biases among all, in 0..1."""
    among = model.classes_[82:].tolist()
    table = model.decision_function(np.concatenate([unseen[0], seen[0]])).numpy()
    place = {name: at for at, name in enumerate(model.classes_.tolist())}
    truth = np.array([place[name] for name in np.concatenate([unseen[1], seen[1]])])
    harmonic = seen_unseen_curve(table, truth, np.arange(82)).best_bias()[1]
    return float(np.mean(model.predict(unseen[0], among) == unseen[1])), harmonic


def test_a_good_and_a_useless_view_wider_than_the_classes_are_many():
    for seed in range(2):
        priors, train, seen, unseen = wide_priors(seed)
        model = ViewWeighted().fit(*train, priors)
        assert dict(zip(model.views_, model.weights_.tolist(), strict=True))["told"] > 0.8
        right, harmonic = figures(model, seen, unseen)
        assert right > 0.9
        assert harmonic > 0.8
        # The useless view alone loses much where nobody mutes it.
        even, _ = figures(ViewWeighted(folds=0).fit(*train, priors), seen, unseen)
        assert even < right - 0.1
        # A bilinear map of priors that keep what all classes share, its ridge in units of whole rows.
        good = ClassPriors(priors.names, priors.matrix[:, :600])
        flattened = figures(ESZSL(gamma=0.01 * 984, lam=0.1 * 82).fit(*train, good), seen, unseen)
        assert flattened[0] < right - 0.3
        assert flattened[1] < harmonic - 0.5


def test_what_all_classes_share_and_the_units_of_a_view_change_nothing(world):
    priors, train, test = world
    moved = priors.matrix.astype(np.float64)
    moved[:, :8] = 50.0 * (moved[:, :8] + 3.0)
    model = ViewWeighted(normalise="none").fit(*train, priors)
    other = ViewWeighted(normalise="none").fit(*train, ClassPriors(NAMES, moved, priors.made))
    torch.testing.assert_close(other.weights_, model.weights_, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(other.decision_function(test[0]), model.decision_function(test[0]), rtol=1e-2, atol=1e-2)


def test_a_view_that_is_the_same_for_all_classes_says_nothing(world):
    priors, train, test = world
    flat = np.concatenate([priors.matrix[:, :8], np.ones((30, 5))], axis=1)
    model = ViewWeighted({"shape": 8, "flat": 5}).fit(*train, ClassPriors(NAMES, flat))
    parts = model.contributions(test[0])
    assert torch.isfinite(parts).all()
    assert parts[..., 1].abs().max() == 0
    assert parts[..., 0].std() > 0


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
    for options in ({"gamma": 0}, {"lam": -1}, {"power": 0}, {"folds": 1}, {"views": {"x": 3}}):
        with pytest.raises(InputError):
            ViewWeighted(**options).fit(*train, priors)
