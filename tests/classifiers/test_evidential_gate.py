"""Evidential fusion of two experts: Dempster's rule, what the fold teaches, and what the uncertainty is good for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from kgzsl.classifiers import EvidentialGate, EvidentialHead, GatedExperts, SoftmaxClassifier, fuse
from kgzsl.classifiers.evidential import Opinion, opinion_from_evidence
from kgzsl.errors import InputError

MASK = torch.tensor([False] * 6 + [True] * 4)


def fold(seed: int, rows: int = 400, mask: torch.Tensor = MASK) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Experts that are sure on their own rows, and on the other's say something at random."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, len(mask), (rows,), generator=generator)
    seen, novel = (torch.randn(rows, len(mask), generator=generator) for _ in range(2))
    line, unseen = torch.arange(rows), mask[truth]
    seen[line, truth] += torch.where(unseen, 0.0, 4.0)
    novel[line, truth] += torch.where(unseen, 4.0, 0.0)
    return 7 * seen + 3, novel / 9, truth.numpy()


@pytest.fixture(scope="module")
def gate() -> EvidentialGate:
    seen, novel, truth = fold(0)
    return EvidentialGate().fit(seen, novel, MASK, truth)


def test_the_fusion_is_dempsters(gate: EvidentialGate) -> None:
    """Opinions over disjoint classes: all belief of one contradicts all belief of the other."""
    seen, novel, _ = fold(1)
    one, two = gate.opinions(seen, novel, MASK)
    assert not one.belief[:, MASK].any()
    assert not two.belief[:, ~MASK].any()
    for pair in ([one, two], [two, one]):
        both = fuse(pair)
        torch.testing.assert_close(gate.mix(seen, novel, MASK).double(), both.probabilities, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(gate.uncertainty(seen, novel, MASK).double(), both.uncertainty, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(gate.predict_unseen(seen, novel, MASK), gate.mix(seen, novel, MASK)[:, MASK].sum(1))
    torch.testing.assert_close(gate.mix(seen, novel, MASK).sum(1), torch.ones(400))
    r = [1 / opinion.uncertainty - 1 for opinion in (one, two)]
    torch.testing.assert_close(1 / both.uncertainty, 1 + r[0] + r[1])


def test_evidence_over_classes_that_are_not_shared_adds_up() -> None:
    amounts = torch.rand(30, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 8
    mask = torch.tensor([True, False, True, False, False])
    both = fuse([opinion_from_evidence(amounts * mask), opinion_from_evidence(amounts * ~mask)])
    whole = opinion_from_evidence(amounts)
    torch.testing.assert_close(both.belief, whole.belief)
    torch.testing.assert_close(both.uncertainty, whole.uncertainty)


def test_an_expert_without_evidence_is_neutral(gate: EvidentialGate) -> None:
    seen, novel, _ = fold(2)
    mute = EvidentialGate()
    mute.weights_, mute.units_ = gate.weights_.clone(), gate.units_
    mute.weights_[1, 1:] = torch.tensor([0.0, 0.0, 0.0, -80.0])
    one, two = mute.opinions(seen, novel, MASK)
    torch.testing.assert_close(two.uncertainty, torch.ones(400, dtype=torch.float64))
    torch.testing.assert_close(mute.uncertainty(seen, novel, MASK).double(), one.uncertainty, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(mute.mix(seen, novel, MASK).double(), one.probabilities, atol=1e-5, rtol=1e-4)


def test_agreement_lowers_the_uncertainty(gate: EvidentialGate) -> None:
    seen, novel, _ = fold(3)
    one, two = gate.opinions(seen, novel, MASK)
    assert (fuse([one, one]).uncertainty <= one.uncertainty).all()
    assert (gate.uncertainty(seen, novel, MASK) < torch.minimum(one.uncertainty, two.uncertainty) + 1e-6).all()


def test_what_each_expert_says_of_its_classes_keeps_its_order_and_ignores_the_others_scores(
    gate: EvidentialGate,
) -> None:
    seen, novel, _ = fold(4)
    mixed = gate.mix(seen, novel, MASK)
    for table, own in ((seen, ~MASK), (novel, MASK)):
        assert torch.equal(mixed[:, own].argsort(1), table[:, own].argsort(1))
    changed = gate.mix(seen.masked_fill(MASK, 1e6), novel.masked_fill(~MASK, -1e6), MASK)
    assert torch.equal(changed, mixed)


def test_units_and_the_order_and_number_of_rows_of_a_class_change_nothing() -> None:
    seen, novel, truth = fold(5)
    gate = EvidentialGate().fit(seen, novel, MASK, truth)
    rows = np.concatenate([np.arange(400), np.flatnonzero(truth == 2)])[::-1].copy()
    other = EvidentialGate().fit(100 * seen[rows] - 5, novel[rows], MASK, truth[rows])
    fresh, unseen_fresh, _ = fold(6)
    torch.testing.assert_close(
        other.mix(100 * fresh - 5, unseen_fresh, MASK), gate.mix(fresh, unseen_fresh, MASK), atol=0.02, rtol=0.1
    )


@pytest.mark.parametrize(
    "often", [lambda truth: truth == 2, lambda truth: MASK.numpy()[truth]], ids=["one class", "one kind"]
)
def test_classes_and_kinds_weigh_alike_however_often_they_come(often) -> None:
    """Without the penalty nothing is left that goes by the rows: thirty times as many change nothing."""
    seen, novel, truth = fold(5)
    rows = np.concatenate([np.arange(400), np.tile(np.flatnonzero(often(truth)), 29)])
    gate = EvidentialGate(l2=0.0).fit(seen, novel, MASK, truth)
    other = EvidentialGate(l2=0.0).fit(seen[rows], novel[rows], MASK, truth[rows])
    fresh, unseen_fresh, _ = fold(6)
    torch.testing.assert_close(
        other.mix(fresh, unseen_fresh, MASK), gate.mix(fresh, unseen_fresh, MASK), atol=2e-3, rtol=0
    )


def test_what_is_fitted_is_best_where_both_kinds_count_a_half_and_their_classes_alike() -> None:
    """``log S - log alpha_y`` is minus the log of the fused opinion's projected probability of the class."""
    seen, novel, truth = fold(5)
    gate = EvidentialGate(l2=0.0).fit(seen, novel, MASK, truth)
    fitted = gate.weights_.clone()

    def loss(place: int, step: float) -> float:
        gate.weights_ = fitted.clone()
        gate.weights_.view(-1)[place] += step
        missed = -gate.mix(seen, novel, MASK).double()[torch.arange(400), torch.as_tensor(truth)].log().numpy()
        by_class = np.array([missed[truth == label].mean() for label in range(10)])
        return float(by_class[~MASK.numpy()].mean() + by_class[MASK.numpy()].mean()) / 2

    slopes = [(loss(place, 0.01) - loss(place, -0.01)) / 0.02 for place in range(fitted.numel())]
    assert max(map(abs, slopes)) < 2e-4


def test_more_classes_at_the_test_leave_the_uncertainty_comparable(gate: EvidentialGate) -> None:
    """r is evidence for each class: an answer as sure as another is as certain among more classes."""
    mask = torch.tensor([False] * 60 + [True] * 40)
    generator = torch.Generator().manual_seed(0)
    known = {}
    for size, wide in ((10, MASK), (100, mask)):
        seen, novel = (torch.randn(500, size, generator=generator) for _ in range(2))
        seen[:, 0] += 6.0
        known[size] = gate.uncertainty(7 * seen + 3, novel / 9, wide)
    assert abs(float(known[10].median() - known[100].median())) < 0.15


def harmonic(table: torch.Tensor, truth: np.ndarray) -> float:
    right = (table.argmax(1).numpy() == truth).astype(float)
    by_class = np.array([right[truth == c].mean() for c in range(len(MASK))])
    seen, unseen = by_class[~MASK.numpy()].mean(), by_class[MASK.numpy()].mean()
    return float(2 * seen * unseen / (seen + unseen))


def test_the_gate_is_better_than_the_experts_side_by_side_on_other_rows() -> None:
    gains = []
    for seed in range(4):
        train, (seen, novel, truth) = fold(seed), fold(seed + 100)
        plain, gated = (GatedExperts(rule).fit(*train, MASK) for rule in ("none", "evidential"))
        assert gated.bias_ == 0.0
        assert gated.figures_["evidential"].harmonic > 0.8
        gains.append(
            harmonic(gated.combine(seen, novel, MASK), truth) - harmonic(plain.combine(seen, novel, MASK), truth)
        )
    assert np.mean(gains) > 0.2


def test_the_fused_uncertainty_grows_where_neither_expert_knows(gate: EvidentialGate) -> None:
    seen, novel, _ = fold(7)
    noise = torch.Generator().manual_seed(1)
    nothing = (torch.randn(400, 10, generator=noise) for _ in range(2))
    lost = gate.uncertainty(7 * next(nothing) + 3, next(nothing) / 9, MASK)
    known = gate.uncertainty(seen, novel, MASK)
    assert roc_auc_score(np.repeat([0, 1], 400), torch.cat([known, lost])) > 0.8


def test_two_views_that_know_seen_classes_alone_tell_unseen_ones_by_their_fused_uncertainty() -> None:
    """CREST's own case: both paths speak of the same classes."""
    gains = []
    for seed in range(4):
        generator = np.random.default_rng(seed)
        centres = 1.5 * generator.normal(size=(15, 16))
        known, new = np.repeat(np.arange(10), 25), np.repeat(np.arange(10, 15), 25)
        train, test, unseen = (centres[r] + generator.normal(size=(len(r), 16)) for r in (known, known, new))
        rows, kind = np.concatenate([test, unseen]), np.repeat([0, 1], [len(test), len(unseen)])
        halves = slice(0, 8), slice(8, 16)
        heads = [EvidentialHead(batch_size=64).fit(train[:, half], known) for half in halves]
        both = fuse([head.opinion(rows[:, half]) for head, half in zip(heads, halves, strict=True)])
        largest = SoftmaxClassifier(lr=0.01, epochs=60, batch_size=64).fit(train, known).predict_proba(rows).max(1)
        gains.append(roc_auc_score(kind, both.uncertainty) - roc_auc_score(kind, -largest))
    assert np.mean(gains) > 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, z, y: EvidentialGate().fit(s, z, MASK, y * 0), "of one kind"),
        (lambda s, z, y: EvidentialGate().fit(s, z, MASK | True, y), "seen and unseen classes"),
        (lambda s, z, y: EvidentialGate().fit(s * torch.nan, z, MASK, y), "seen_scores holds NaN"),
        (lambda s, z, y: EvidentialGate().mix(s, z, MASK), "EvidentialGate is not fitted"),
        (lambda s, z, y: GatedExperts("cosmo").fit(s, z, y, MASK).uncertainty(s, z, MASK), "tells no uncertainty"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(*fold(0))


def test_one_class_of_each_kind() -> None:
    mask = torch.tensor([False, True])
    seen, novel, truth = fold(0, 60, mask)
    found = EvidentialGate().fit(seen, novel, mask, truth)
    assert torch.isfinite(found.mix(seen, novel, mask)).all()
    assert isinstance(found.opinions(seen, novel, mask)[0], Opinion)
