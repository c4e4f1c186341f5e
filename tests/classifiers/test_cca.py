"""Multi-view CCA: classical CCA for two views, and invariances."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.classifiers import MultiViewCCA
from kgzsl.errors import InputError


@pytest.fixture
def views() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    shared = generator.normal(size=(400, 2))
    return [
        np.concatenate([shared + noise * generator.normal(size=(400, 2)), generator.normal(size=(400, width))], axis=1)
        @ generator.normal(size=(2 + width, 2 + width))
        for noise, width in ((0.3, 3), (0.5, 2), (0.4, 1))
    ]


def classical(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Canonical correlations: singular values of the product of orthonormal bases of both centred views."""
    bases = [np.linalg.qr(table - table.mean(0))[0] for table in (first, second)]
    return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)


def test_two_views_give_the_classical_correlations(views) -> None:
    model = MultiViewCCA(ridge=1e-12).fit(views[:2])
    np.testing.assert_allclose(model.correlations_[:4].numpy(), classical(*views[:2]), atol=1e-6)
    left, right = (model.transform(view, place) for place, view in enumerate(views[:2]))
    for column in range(2):
        found = np.corrcoef(left[:, column], right[:, column])[0, 1]
        assert found == pytest.approx(float(model.correlations_[column]), abs=1e-6)


def test_what_three_views_share_comes_first(views) -> None:
    model = MultiViewCCA(ridge=1e-6).fit(views)
    assert (model.correlations_[:2] > 0.7).all()
    assert (model.correlations_[2:] < 0.3).all()


def test_a_linear_change_of_a_view_changes_nothing(views) -> None:
    changed = [views[0] @ np.random.default_rng(3).normal(size=(5, 5)) + 7, *views[1:]]
    first, second = (MultiViewCCA(2, ridge=1e-12).fit(tables) for tables in (views, changed))
    torch.testing.assert_close(first.correlations_, second.correlations_, atol=1e-6, rtol=0)
    one, two = first.transform(views[0], 0), second.transform(changed[0], 0)
    torch.testing.assert_close(one.abs(), two.abs(), atol=1e-5, rtol=1e-4)  # eigenvectors have no sign


def test_the_power_weighs_directions_by_their_correlation(views) -> None:
    plain, weighed = (MultiViewCCA(power=power).fit(views) for power in (0.0, 4.0))
    share = (1 + 2 * plain.correlations_[:2]) / 3  # rho / V of three views
    expected = plain.transform(views[1], 1)[:, :2] * share**4
    torch.testing.assert_close(weighed.transform(views[1], 1)[:, :2], expected)
    assert (weighed.weights_.diff() <= 0).all()
    assert (plain.weights_ == 1).all()


def test_more_dimensions_than_samples_are_held_by_the_ridge(views) -> None:
    model = MultiViewCCA(dim=2).fit([view[:4] for view in views])
    assert torch.isfinite(model.transform(views[0], 0)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: MultiViewCCA().fit(v[:1]), "1 views"),
        (lambda v: MultiViewCCA().fit([v[0], v[1][:9]]), "views of 400, 9 rows"),
        (lambda v: MultiViewCCA(dim=0).fit(v), "dim is 0"),
        (lambda v: MultiViewCCA(ridge=0).fit(v), "ridge is 0"),
        (lambda v: MultiViewCCA().transform(v[0], 0), "not fitted"),
        (lambda v: MultiViewCCA().fit(v).transform(v[0], 1), "5 columns where 4"),
    ],
)
def test_bad_input(views, call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(views)
