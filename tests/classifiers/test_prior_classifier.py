"""What every classifier that answers from priors promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.classifiers import PriorClassifier, classifiers, make
from kgzsl.engine import load_tree, save_tree
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors

NAMES = tuple(f"class {i}" for i in range(22))
# Each with the options that suit 200 rows of 12 numbers.
OPTIONS = {
    "ale": {"lr": 0.1, "epochs": 15, "batch_size": 50},
    "compositional": {"dim": 32, "epochs": 60, "batch_size": 50},
    "conse": {"lr": 0.2, "epochs": 15, "batch_size": 50, "top": 8},
    "deep-prototypes": {"networks": 2, "hidden": 64, "epochs": 15, "batch_size": 50},
    "devise": {"lr": 0.1, "epochs": 15, "batch_size": 50},
    "eszsl": {"gamma": 0.1, "lam": 0.1},
    "nearest-prior": {"lam": 0.1},
    "prototypes": {},
    "sae": {"lam": 0.5},
    "sje": {"lr": 0.1, "epochs": 15, "batch_size": 50},
    "views": {"views": {"first": 5, "second": 5}, "gamma": 0.1, "folds": 0},  # folds follow the order of classes
}
CLOSED = ("eszsl", "nearest-prior", "sae")


def test_every_classifier_with_priors_is_tested_here() -> None:
    with_priors = {name for name, cls in classifiers.classes.items() if issubclass(cls, PriorClassifier)}
    assert with_priors - {"clip"} == set(OPTIONS)  # it learns nothing from rows, see tests of its own


@pytest.fixture(params=sorted(OPTIONS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world() -> tuple[np.ndarray, np.ndarray, ClassPriors]:
    """Features that are a linear function of the priors plus noise; classes 20 and 21 have no samples."""
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(22, 10)).astype(np.float32)
    matrix[21] = -matrix[20]  # far apart, so that whoever reads the priors at all tells them apart
    labels = np.repeat(np.arange(20), 10)
    features = matrix[labels] @ mixing() + 0.3 * generator.normal(size=(200, 12))
    return features, np.array(NAMES)[labels], ClassPriors(NAMES, matrix, {"encoder": "drawn"})


def mixing() -> np.ndarray:
    return np.random.default_rng(7).normal(size=(10, 12))


def build(name: str) -> PriorClassifier:
    model = make(name, **OPTIONS[name])
    assert isinstance(model, PriorClassifier)
    return model


def test_classes_without_samples_are_recognised_by_their_priors(world, name: str) -> None:
    features, labels, priors = world
    unseen = np.repeat([20, 21], 40)
    test = priors.matrix[unseen] @ mixing() + 0.3 * np.random.default_rng(9).normal(size=(80, 12))
    model = build(name).fit(features, labels, priors=priors)
    assert (model.predict(test, candidates="unseen") == np.array(NAMES)[unseen]).mean() > 0.95
    assert model.seen_.tolist() == [True] * 20 + [False] * 2
    swapped = ClassPriors(NAMES, priors.matrix[[*range(20), 21, 20]], {})
    wrong = build(name).fit(features, labels, priors=swapped)
    assert (wrong.predict(test, candidates="unseen") == np.array(NAMES)[unseen]).mean() < 0.05


def test_seen_classes_are_recognised(world, name: str) -> None:
    features, labels, priors = world
    right = (build(name).fit(features, labels, priors=priors).predict(features, "seen") == labels).mean()
    # Chance is 0.05; a rank of 10 is little for +-1 and 20 classes.
    assert right > (0.5 if name in ("eszsl", "views") else 0.9)


def test_candidates_in_the_order_asked_for(world, name: str) -> None:
    features, labels, priors = world
    model = build(name).fit(features, labels, priors=priors)
    whole = model.decision_function(features)
    assert whole.dtype == torch.float32
    torch.testing.assert_close(model.decision_function(features, ["class 21", "class 2"]), whole[:, [21, 2]])
    torch.testing.assert_close(model.decision_function(features, "unseen"), whole[:, 20:])
    assert set(model.predict(features, "seen")) <= set(NAMES[:20])


def test_the_order_of_classes_changes_nothing(world, name: str) -> None:
    features, labels, priors = world
    order = np.random.default_rng(1).permutation(22)
    other = ClassPriors(tuple(NAMES[i] for i in order), priors.matrix[order], {})
    first = build(name).fit(features, labels, priors=priors).decision_function(features, NAMES)
    second = build(name).fit(features, labels, priors=other).decision_function(features, NAMES)
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-3)


def test_a_class_added_later_equals_one_that_was_there(world, name: str) -> None:
    features, labels, priors = world
    late = build(name).fit(features, labels, priors=ClassPriors(NAMES[:21], priors.matrix[:21], {}))
    late.add_class("class 21", priors.matrix[21])
    early = build(name).fit(features, labels, priors=priors)
    torch.testing.assert_close(late.decision_function(features), early.decision_function(features))


def test_integer_labels_torch_inputs_and_a_bare_matrix(world, name: str) -> None:
    features, labels, priors = world
    numbers = torch.tensor([NAMES.index(label) for label in labels])
    found = build(name).fit(torch.as_tensor(features), numbers, priors=priors.matrix).predict(features)
    expected = build(name).fit(features, labels, priors=priors).predict(features)
    assert [NAMES[i] for i in found] == expected.tolist()


def test_rows_that_come_out_of_a_network_are_taken_and_nothing_is_learnt_through_them(world, name: str) -> None:
    features, labels, priors = world
    rows = torch.tensor(features, dtype=torch.float32, requires_grad=True)
    model = build(name).fit(rows, labels, priors=priors)
    assert not model.decision_function(rows).requires_grad
    assert rows.grad is None
    with torch.no_grad():
        again = build(name).fit(rows, labels, priors=priors)
    torch.testing.assert_close(again.decision_function(features), model.decision_function(features))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told(world, name: str) -> None:
    features, labels, priors = world
    with pytest.raises(InputError, match="no CUDA GPU"):
        make(name, **OPTIONS[name], device="cuda").fit(features, labels, priors=priors)


def test_a_pandas_frame_is_taken(world, name: str) -> None:
    pandas = pytest.importorskip("pandas")
    features, labels, priors = world
    found = build(name).fit(pandas.DataFrame(features), labels, priors=priors).predict(pandas.DataFrame(features))
    assert found.tolist() == build(name).fit(features, labels, priors=priors).predict(features).tolist()


def test_a_name_does_not_join_numbers_and_turn_them_into_names(world, name: str) -> None:
    features, labels, priors = world
    numbers = [NAMES.index(label) for label in labels]
    model = build(name).fit(features, numbers, priors=priors.matrix)
    with pytest.raises(InputError, match="'new' is of another type than 0"):
        model.add_class("new", priors.matrix[0])
    row = torch.tensor(priors.matrix[0], requires_grad=True)
    assert model.add_class(22, row).predict(features, [22]).tolist() == [22] * 200
    assert model.predict(features).dtype.kind == "i"


@pytest.mark.parametrize("kind", ["O", "U"])
def test_numbers_that_come_as_objects_or_text_are_numbers(world, name: str, kind: str) -> None:
    features, labels, priors = world
    found = build(name).fit(features.astype(kind), labels, priors=priors).predict(features.astype(kind))
    assert found.tolist() == build(name).fit(features, labels, priors=priors).predict(features).tolist()


def test_one_sample_a_class_and_one_seen_class_work(world, name: str) -> None:
    features, labels, priors = world
    for rows in (np.arange(0, 200, 10), np.array([0])):
        scores = build(name).fit(features[rows], labels[rows], priors=priors).decision_function(features)
        assert scores.shape == (200, 22)
        assert torch.isfinite(scores).all()


def test_a_duplicate_prior_gives_equal_scores(world, name: str) -> None:
    features, labels, priors = world
    twin = ClassPriors(NAMES, priors.matrix[[*range(20), 20, 20]], {})
    scores = build(name).fit(features, labels, priors=twin).decision_function(features)
    torch.testing.assert_close(scores[:, 20], scores[:, 21])


def test_state_goes_through_a_file(world, name: str, tmp_path) -> None:
    features, labels, priors = world
    model = build(name).fit(features, labels, priors=priors)
    save_tree(tmp_path / "model.safetensors", model.state_dict())
    back = build(name).load_state_dict(load_tree(tmp_path / "model.safetensors"))
    torch.testing.assert_close(back.decision_function(features, "unseen"), model.decision_function(features, "unseen"))
    assert back.add_class("new", priors.matrix[0]).predict(features, ["new"]).tolist() == ["new"] * 200


@pytest.mark.parametrize("closed", CLOSED)
def test_solving_again_equals_fitting_again(world, closed: str) -> None:
    features, labels, priors = world
    weights = {"gamma": 30.0, "lam": 0.2} if closed == "eszsl" else {"lam": 7.0}
    again = build(closed).fit(features, labels, priors=priors).solve(**weights)
    whole = build(closed).set_params(**weights).fit(features, labels, priors=priors)
    torch.testing.assert_close(again.coef_, whole.coef_)
    assert not torch.allclose(again.coef_, build(closed).fit(features, labels, priors=priors).coef_)


@pytest.mark.parametrize("weighted", ["ale", "conse", "devise", "eszsl", "nearest-prior", "sje"])
def test_sample_weights_of_zero_leave_rows_out(world, weighted: str) -> None:
    features, labels, priors = world
    keep = np.arange(200) % 5 != 0
    labels = np.where(keep, labels, "class 3")  # the others are wrong
    options = OPTIONS[weighted] | ({} if weighted in CLOSED else {"batch_size": 200, "epochs": 30})
    weighed, fewer, plain = (
        make(weighted, **options).fit(features[rows], labels[rows], priors=priors, sample_weight=weights)
        for rows, weights in ((slice(None), keep.astype(float)), (keep, None), (slice(None), None))
    )
    found, expected, other = (m.decision_function(features).numpy() for m in (weighed, fewer, plain))
    assert np.abs(found - expected).max() < 0.3 * np.abs(other - expected).max()


@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf"), "much", None, True])
def test_a_ridge_weight_is_a_positive_number(world, closed: str, weight: object) -> None:
    features, labels, priors = world
    with pytest.raises(InputError, match="lam is"):
        make(closed, lam=weight).fit(features, labels, priors=priors)
    with pytest.raises(InputError, match="lam is"):
        make(closed).fit(features, labels, priors=priors).solve(
            **({"gamma": 1.0} if closed == "eszsl" else {}), lam=weight
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x, y, p: m.fit(x, y), "needs priors"),
        (lambda m, x, y, p: m.set_params(normalise="max").fit(x, y, priors=p), "normalise is 'max'"),
        (lambda m, x, y, p: m.fit(x, np.where(y == "class 3", "class 33", y), priors=p), "did you mean 'class 3'"),
        (lambda m, x, y, p: m.fit(x, y[:5], priors=p), "5 labels for 200 rows"),
        (lambda m, x, y, p: m.fit(np.full_like(x, np.nan), y, priors=p), "NaN"),
        (lambda m, x, y, p: m.fit(x, y, priors=np.full((22, 10), np.nan)), "NaN"),
        (lambda m, x, y, p: m.fit(x, y, priors=p).predict(x[:, :3]), "3 columns where 12"),
        (lambda m, x, y, p: m.fit(x, y, priors=p).predict(x, candidates="new"), "candidates is 'new'"),
        (lambda m, x, y, p: m.fit(x, y, priors=p).predict(x, candidates=[]), "no candidate class"),
        (lambda m, x, y, p: m.fit(x, y, priors=p).add_class("class 1", p.matrix[0]), "there already"),
        (lambda m, x, y, p: m.fit(x, y, priors=p).add_class("new", p.matrix[0, :2]), "2 columns where 10"),
        (lambda m, x, y, p: m.fit(x, y, priors=p).add_class("new", p.matrix[:2]), "one class has 2 rows"),
        (lambda m, x, y, p: m.fit(x, y, priors=p).add_class(7, p.matrix[0]), "7 is of another type than 'class 0'"),
        (lambda m, x, y, p: m.fit(x, y, priors=p).add_class(None, p.matrix[0]), "None is of another type"),
        (lambda m, x, y, p: m.fit(x, [None, *y[1:]], priors=p), "row 0: y has a row without a label"),
        (lambda m, x, y, p: m.fit(x, [3, *y[1:]], priors=p), "y has labels of several types"),
        (lambda m, x, y, p: m.fit(x, y[:, None], priors=p), r"y has shape \(200, 1\)"),
        (lambda m, x, y, p: m.fit(x, y, priors=p).predict(x, candidates=None), "candidates is None"),
        (lambda m, x, y, p: m.fit(x, y, priors=p).predict(x, candidates=[["class 1"]]), "list of candidates has shape"),
        (lambda m, x, y, p: m.fit(x + 1j, y, priors=p), "complex numbers"),
        (lambda m, x, y, p: m.predict(x), "not fitted"),
    ],
)
def test_bad_input(world, name: str, call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(build(name), *world)


class Plain(PriorClassifier):
    """One of a user's own, without options."""

    def fit(self, X, y, priors=None):
        features, rows = self._start(X, y, priors)
        self.coef_ = torch.linalg.lstsq(features, self.priors_[rows]).solution
        return self

    def _scores(self, features, priors):
        return features @ (self.coef_ @ priors.T).float()


def test_one_of_a_users_own_needs_no_options(world) -> None:
    features, labels, priors = world
    model = Plain().fit(features, labels, priors=priors)
    assert (model.predict(features) == labels).mean() > 0.9
    back = Plain().load_state_dict(model.state_dict())
    assert back.decision_function(features).equal(model.decision_function(features))
