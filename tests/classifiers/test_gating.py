"""COSMO and calibrated stacking: limits, normalisation, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.classifiers.gating import CosmoGate, calibrated_stacking, smooth_and_mix
from kgzsl.errors import InputError

MASK = torch.tensor([False, False, False, True, True])


@pytest.fixture
def experts() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    seen, unseen = torch.rand(50, 5, generator=generator), torch.rand(50, 5, generator=generator)
    seen, unseen = seen.masked_fill(MASK, 0.0), unseen.masked_fill(~MASK, 0.0)
    return seen / seen.sum(1, keepdim=True), unseen / unseen.sum(1, keepdim=True)


@pytest.mark.parametrize("smoothing", ["adaptive", "constant", "none"])
def test_rows_are_distributions(experts, smoothing: str) -> None:
    mixed = smooth_and_mix(
        *experts, torch.rand(50, generator=torch.Generator().manual_seed(1)), MASK, smoothing=smoothing
    )
    assert (mixed >= 0).all()
    torch.testing.assert_close(mixed.sum(1), torch.ones(50))


def test_a_sure_gate_leaves_one_expert(experts) -> None:
    seen, unseen = experts
    all_unseen = smooth_and_mix(seen, unseen, torch.ones(50), MASK)
    assert not all_unseen[:, ~MASK].any()
    torch.testing.assert_close(all_unseen[:, MASK], unseen[:, MASK])
    all_seen = smooth_and_mix(seen, unseen, torch.zeros(50), MASK)
    assert not all_seen[:, MASK].any()
    torch.testing.assert_close(all_seen[:, ~MASK], seen[:, ~MASK])


def test_the_formula_on_one_row() -> None:
    mixed = smooth_and_mix([[0.7, 0.2, 0.1, 0.0, 0.0]], [[0.0, 0.0, 0.0, 0.9, 0.1]], [0.4], MASK)
    unseen = 0.4 * (np.array([0.9, 0.1]) + 0.6 / 2)
    seen = 0.6 * (np.array([0.7, 0.2, 0.1]) + 0.4 / 3)
    expected = np.concatenate([seen, unseen])
    np.testing.assert_allclose(mixed[0], expected / expected.sum(), rtol=1e-6)


def test_constant_smoothing_gives_both_experts_half_the_uniform_mass_whatever_the_gate_says() -> None:
    seen, zero_shot = [[0.7, 0.2, 0.1, 0.0, 0.0]], [[0.0, 0.0, 0.0, 0.9, 0.1]]
    for gate in (0.1, 0.4):
        unseen_part = gate * (np.array([0.9, 0.1]) + 0.5 / 2)
        seen_part = (1 - gate) * (np.array([0.7, 0.2, 0.1]) + 0.5 / 3)
        expected = np.concatenate([seen_part, unseen_part])
        mixed = smooth_and_mix(seen, zero_shot, [gate], MASK, smoothing="constant")
        np.testing.assert_allclose(mixed[0], expected / expected.sum(), rtol=1e-6)
        plain = smooth_and_mix(seen, zero_shot, [gate], MASK, smoothing="none")
        apart = [*(1 - gate) * np.array(seen[0][:3]), *gate * np.array(zero_shot[0][3:])]
        np.testing.assert_allclose(plain[0], apart, rtol=1e-6)


def test_half_a_gate_and_uniform_experts_are_uniform_in_each_group() -> None:
    seen = torch.tensor([[1 / 3, 1 / 3, 1 / 3, 0, 0]])
    unseen = torch.tensor([[0, 0, 0, 0.5, 0.5]])
    mixed = smooth_and_mix(seen, unseen, [0.5], MASK)[0]
    torch.testing.assert_close(mixed[:3], mixed[0].expand(3))
    torch.testing.assert_close(mixed[3:], mixed[3].expand(2))


def test_smoothing_lowers_the_wrong_domains_confidence(experts) -> None:
    seen, unseen = experts
    plain = smooth_and_mix(seen, unseen, torch.full((50,), 0.8), MASK, smoothing="none")
    smoothed = smooth_and_mix(seen, unseen, torch.full((50,), 0.8), MASK)
    spread = [(m[:, ~MASK] / m[:, ~MASK].sum(1, keepdim=True)).max(1).values for m in (plain, smoothed)]
    assert (spread[1] < spread[0]).all()


def test_stacking_limits_and_monotony() -> None:
    scores = torch.randn(80, 5, generator=torch.Generator().manual_seed(2))
    share = [MASK[calibrated_stacking(scores, MASK, bias).argmax(1)].float().mean() for bias in (-9, -1, 0, 1, 9)]
    assert share == sorted(share)
    assert MASK[calibrated_stacking(scores, MASK, float("inf")).argmax(1)].all()
    assert not MASK[calibrated_stacking(scores, MASK, -float("inf")).argmax(1)].any()
    torch.testing.assert_close(calibrated_stacking(scores, MASK, 0.0), scores)


@pytest.mark.parametrize("smoothing", ["adaptive", "none"])
def test_a_hard_gate_is_one_expert_or_the_other_and_trades_monotonically(smoothing: str) -> None:
    """Where the gate is 0 or 1 the answer is an expert's; lowering its threshold never raises the accuracy of seen rows
    and never lowers that of unseen ones, which soft smoothing does not promise."""
    seen, zero_shot, _ = planted(300, 3)
    seen, zero_shot = (t.masked_fill(m, -torch.inf).softmax(1) for t, m in ((seen, MASK), (zero_shot, ~MASK)))
    truth = torch.randint(0, 5, (300,), generator=torch.Generator().manual_seed(4))
    new, gate = MASK[truth], torch.rand(300, generator=torch.Generator().manual_seed(5))
    kept = []
    for threshold in (1.1, 0.8, 0.5, 0.2, -0.1):
        hard = (gate > threshold).float()
        answers = smooth_and_mix(seen, zero_shot, hard, MASK, smoothing=smoothing).argmax(1)
        assert torch.equal(answers, torch.where(hard > 0, zero_shot.argmax(1), seen.argmax(1)))
        right = (answers == truth).float()
        kept.append((float(right[~new].mean()), float(right[new].mean())))
    of_seen, of_unseen = zip(*kept, strict=True)
    assert list(of_seen) == sorted(of_seen, reverse=True)
    assert list(of_unseen) == sorted(of_unseen)
    assert of_unseen[0] == 0.0
    assert of_seen[-1] == 0.0


def planted(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Experts that are sure on their own samples and unsure on the other's."""
    generator = torch.Generator().manual_seed(seed)
    is_unseen = torch.rand(rows, generator=generator) < 0.3
    seen, zero_shot = (torch.randn(rows, 5, generator=generator) for _ in range(2))
    seen[torch.arange(rows), torch.randint(0, 3, (rows,), generator=generator)] += torch.where(is_unseen, 0.0, 6.0)
    zero_shot[torch.arange(rows), torch.randint(3, 5, (rows,), generator=generator)] += torch.where(is_unseen, 6.0, 0.0)
    return seen, zero_shot, is_unseen


def test_the_gate_learns_which_expert_is_sure() -> None:
    seen, zero_shot, is_unseen = planted(400, 0)
    gate = CosmoGate().fit(seen, zero_shot, MASK, is_unseen)
    seen, zero_shot, is_unseen = planted(400, 1)
    found = gate.predict_unseen(seen, zero_shot, MASK)
    assert ((found > 0.5) == is_unseen).float().mean() > 0.9
    mixed = gate.mix(seen, zero_shot, MASK)
    assert (MASK[mixed.argmax(1)] == is_unseen).float().mean() > 0.9


def test_the_ridge_holds_the_gates_weights_down() -> None:
    """At the optimum the penalty's slope is that of the balanced likelihood; much of it leaves a gate of one half."""
    seen, zero_shot, is_unseen = planted(400, 0)
    lengths = []
    for l2 in (1e-3, 1e-2, 1.0):
        gate = CosmoGate(l2=l2).fit(seen, zero_shot, MASK, is_unseen)
        design = (gate._features(seen, zero_shot, MASK) - gate.mean_) / gate.scale_
        missed = gate.predict_unseen(seen, zero_shot, MASK) - is_unseen.float()
        share = is_unseen.float().mean()
        balance = torch.where(is_unseen, 0.5 / share, 0.5 / (1 - share))
        slope = design.T @ (balance * missed) / len(missed)
        torch.testing.assert_close(slope, -2 * l2 * gate.weights_[:-1], atol=1e-3, rtol=0.02)
        lengths.append(float(gate.weights_[:-1].norm()))
    assert lengths[0] > 1.2 * lengths[1] > 1.2**2 * lengths[2]
    flat = CosmoGate(l2=1e6).fit(seen, zero_shot, MASK, is_unseen).predict_unseen(seen, zero_shot, MASK)
    torch.testing.assert_close(flat, torch.full_like(flat, 0.5), atol=1e-3, rtol=0)


def test_the_gate_carries_over_to_other_numbers_of_classes() -> None:
    gate = CosmoGate(top=3).fit(*planted(400, 0)[:2], MASK, planted(400, 0)[2])
    mask = torch.tensor([False, False, True])
    assert gate.predict_unseen(torch.randn(4, 3), torch.randn(4, 3), mask).shape == (4,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, z: smooth_and_mix(s, z, torch.full((50,), 1.5), MASK), r"leaves \[0, 1\]"),
        (lambda s, z: smooth_and_mix(s, z, torch.rand(3), MASK), "3 gate values"),
        (lambda s, z: smooth_and_mix(s, z, torch.rand(50), torch.ones(5, dtype=torch.bool)), "seen and unseen"),
        (lambda s, z: smooth_and_mix(s, z, torch.rand(50), MASK, smoothing="soft"), "smoothing is 'soft'"),
        (lambda s, z: CosmoGate().fit(s, z, MASK, torch.ones(50)), "of one kind"),
    ],
)
def test_bad_input(experts, call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(*experts)
