"""Gated experts: the exact bias, the limits of each rule, and that the gate is worth having."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.classifiers import CosmoGate, GatedExperts, calibrate
from kgzsl.engine import load_tree, save_tree
from kgzsl.errors import InputError
from kgzsl.tasks.image_classification.metrics import seen_unseen_curve

MASK = torch.tensor([False] * 6 + [True] * 4)


def fold(seed: int, rows: int = 400, mask: torch.Tensor = MASK) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Experts that are good on their own rows and unsure on the other's; the seen expert's level says nothing."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, len(mask), (rows,), generator=generator)
    seen, novel = (torch.randn(rows, len(mask), generator=generator) for _ in range(2))
    line, unseen = torch.arange(rows), mask[truth]
    seen[line, truth] += torch.where(unseen, 0.0, 4.0)
    novel[line, truth] += torch.where(unseen, 4.0, 0.0)
    seen += torch.randn(rows, 1, generator=generator) * 3  # what says nothing: a level of its own on each row
    return seen + 3, novel, truth.numpy()


def harmonic(table: torch.Tensor, truth: np.ndarray, mask: torch.Tensor = MASK) -> float:
    right = (table.argmax(1).numpy() == truth).astype(float)
    by_class = [right[truth == c].mean() for c in range(len(mask))]
    seen, unseen = (
        np.mean([by_class[c] for c in np.flatnonzero(~mask)]),
        np.mean([by_class[c] for c in np.flatnonzero(mask)]),
    )
    return float(2 * seen * unseen / (seen + unseen))


def test_the_bias_is_the_best_there_is() -> None:
    seen, novel, truth = fold(0)
    table = torch.where(MASK, novel, seen)
    found = calibrate(table, truth, MASK)
    tried = [harmonic(table + bias * MASK, truth) for bias in np.linspace(-25, 25, 4001)]
    assert found.harmonic >= max(tried) - 1e-9
    assert harmonic(table + found.bias * MASK, truth) == pytest.approx(found.harmonic)


def test_it_agrees_with_the_task_s_curve() -> None:
    seen, novel, truth = fold(1)
    table = torch.where(MASK, novel, seen)
    curve = seen_unseen_curve(table.numpy(), truth, np.flatnonzero(~MASK))
    found = calibrate(table, truth, MASK)
    assert found.area == pytest.approx(curve.area)
    assert (found.bias, found.harmonic) == pytest.approx(curve.best_bias())


def test_no_gate_puts_the_experts_side_by_side() -> None:
    seen, novel, truth = fold(0)
    table = GatedExperts("none", share=False).fit(seen, novel, truth, MASK).combine(seen, novel, MASK)
    torch.testing.assert_close(table, torch.where(MASK, novel, seen))


def test_stacking_adds_its_bias_to_unseen_classes() -> None:
    seen, novel, truth = fold(0)
    model = GatedExperts("stacking", share=False).fit(seen, novel, truth, MASK)
    best = calibrate(torch.where(MASK, novel, seen), truth, MASK)
    assert model.bias_ == best.bias != 0
    torch.testing.assert_close(model.combine(seen, novel, MASK), torch.where(MASK, novel, seen) + best.bias * MASK)


def test_log_probabilities_take_out_each_expert_s_level() -> None:
    seen, novel, truth = fold(0)
    model = GatedExperts("stacking", share=True).fit(seen, novel, truth, MASK)
    moved = seen + torch.randn(len(seen), 1, generator=torch.Generator().manual_seed(5)) * 9
    torch.testing.assert_close(
        model.combine(moved, novel - 4, MASK), model.combine(seen, novel, MASK), atol=1e-4, rtol=1e-4
    )
    auto = GatedExperts("stacking").fit(seen, novel, truth, MASK)
    assert auto.share_  # the level says nothing here, and the fold shows it
    assert set(auto.figures_) == {"stacking", "stacking of log-probabilities"}


def test_cosmo_is_the_gate_s_mixture_and_a_bias() -> None:
    seen, novel, truth = fold(0)
    model = GatedExperts("cosmo").fit(seen, novel, truth, MASK)
    gate = CosmoGate().fit(seen, novel, MASK, MASK.numpy()[truth])
    found = (model.combine(seen, novel, MASK) - model.bias_ * MASK).exp()
    torch.testing.assert_close(found, gate.mix(seen, novel, MASK), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model.predict_unseen(seen, novel, MASK), gate.predict_unseen(seen, novel, MASK))


def test_cosmo_s_bias_is_chosen_on_gates_that_did_not_see_the_row() -> None:
    seen, novel, truth = fold(0, 120)
    model = GatedExperts("cosmo").fit(seen, novel, truth, MASK)
    half = np.zeros(120, dtype=bool)
    for label in range(10):  # every second row of each class, counted on from the class before
        rows = np.flatnonzero(truth == label)
        half[rows[(truth < label).sum() % 2 :: 2]] = True
    judged = torch.empty(120, 10)
    for part in (half, ~half):
        gate = CosmoGate().fit(seen[~part], novel[~part], MASK, MASK.numpy()[truth[~part]])
        judged[part] = gate.mix(seen[part], novel[part], MASK).log()
    expected = calibrate(judged, truth, MASK)
    assert tuple(model.figures_["cosmo"]) == pytest.approx(tuple(expected))
    assert model.bias_ == pytest.approx(expected.bias)
    assert model.bias_ != 0
    own = CosmoGate().fit(seen, novel, MASK, MASK.numpy()[truth]).mix(seen, novel, MASK).log()
    assert calibrate(own, truth, MASK).harmonic > expected.harmonic  # a gate flatters the rows that it has learnt from


def test_of_equally_good_biases_the_one_in_the_middle_nearest_to_0_is_taken() -> None:
    """Below 0 the row of the unseen class is wrong, above 10 that of the seen one; at 2 a row that is wrong anyway."""
    mask = [False, False, True]
    table = np.array([[10.0, 0.0, 0.0], [0.0, -9.0, 0.0], [0.0, 2.0, 0.0]])
    found = calibrate(table, [0, 2, 0], mask)  # the last one's class is 0, and class 1 is ahead of it
    assert found.bias == 1.0  # not 6, the middle of 2 and 10
    assert found.harmonic == pytest.approx(2 / 3)
    assert calibrate(table + np.array([0.0, 0.0, 10.0]), [0, 2, 0], mask).bias == -4.0  # of -9 and -4


def test_the_gate_beats_side_by_side_and_stacking_on_other_rows() -> None:
    found = []
    for seed in range(4):
        train, (seen, novel, truth) = fold(seed), fold(seed + 100)
        rules = [GatedExperts(gate, share=False).fit(*train, MASK) for gate in ("none", "stacking", "cosmo", "auto")]
        tables = [rule.combine(seen, novel, MASK) for rule in rules]
        found.append([(harmonic(table, truth), calibrate(table, truth, MASK).area) for table in tables])
    none, stacking, cosmo, auto = np.mean(found, axis=0)
    assert cosmo[0] > stacking[0] + 0.05 > none[0] + 0.1
    assert cosmo[1] > stacking[1] + 0.05
    assert auto[0] > stacking[0] + 0.05


def test_auto_takes_the_rule_that_does_best_on_the_fold() -> None:
    model = GatedExperts("auto").fit(*fold(2), MASK)
    assert set(model.figures_) == {"stacking", "stacking of log-probabilities", "cosmo"}
    best = max(model.figures_.values(), key=lambda figures: figures.harmonic)
    assert model.bias_ == best.bias


def test_other_classes_at_the_test_and_what_experts_say_of_others_classes() -> None:
    mask = torch.tensor([True, False, True, False, False, False, True])
    seen, novel, _ = fold(3, 50, mask)
    for gate in ("none", "stacking", "cosmo"):
        model = GatedExperts(gate).fit(*fold(0), MASK)
        table = model.combine(seen, novel, mask)
        assert table.shape == (50, 7)
        assert torch.isfinite(table).all()
        without = model.combine(seen.masked_fill(mask, -torch.inf), novel.masked_fill(~mask, torch.nan), mask)
        torch.testing.assert_close(without, table)
        order = torch.randperm(7, generator=torch.Generator().manual_seed(0))
        other = model.combine(seen[:, order], novel[:, order], mask[order])
        torch.testing.assert_close(other, table[:, order], atol=1e-5, rtol=1e-5)
        shares = model.predict_unseen(seen, novel, mask)
        assert ((shares >= 0) & (shares <= 1)).all()


@pytest.mark.parametrize("gate", ["stacking", "cosmo"])
def test_state_goes_through_a_file(gate: str, tmp_path) -> None:
    seen, novel, truth = fold(0)
    model = GatedExperts(gate).fit(seen, novel, truth, MASK)
    save_tree(tmp_path / "gate.safetensors", model.state_dict())
    back = GatedExperts(gate).load_state_dict(load_tree(tmp_path / "gate.safetensors"))
    torch.testing.assert_close(back.combine(seen, novel, MASK), model.combine(seen, novel, MASK))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, z, y: GatedExperts("soft").fit(s, z, y, MASK), "gate is 'soft'"),
        (lambda s, z, y: GatedExperts(share="yes").fit(s, z, y, MASK), "share is 'yes'"),
        (lambda s, z, y: GatedExperts().fit(s, z, y, MASK | True), "seen and unseen classes"),
        (lambda s, z, y: GatedExperts("stacking").fit(s, z, y * 0, MASK), "rows of seen and of unseen"),
        (lambda s, z, y: GatedExperts().fit(s, z, y * 0, MASK), "of one kind"),
        (lambda s, z, y: GatedExperts().fit(s, z, y + 9, MASK), r"outside 0\.\.9"),
        (lambda s, z, y: GatedExperts().fit(s, z, y[:3], MASK), "for 400 rows"),
        (lambda s, z, y: GatedExperts().fit(s, z[:3], y, MASK), "3 of the zero-shot expert"),
        (lambda s, z, y: GatedExperts().fit(s * torch.nan, z, y, MASK), "NaN"),
        (lambda s, z, y: GatedExperts().combine(s, z, MASK), "not fitted"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(*fold(0))


@pytest.mark.parametrize("gate", ["stacking", "cosmo", "auto"])
def test_scores_that_hardly_differ_do_not_hang_on_the_number_of_classes(gate: str, tmp_path) -> None:
    """A softmax of ESZSL's scores is near uniform: the number of classes would tell where a row belongs."""
    few, more = MASK, torch.tensor([False] * 20 + [True] * 4)
    small = 0.005
    reached = []
    for scale in (1.0, small):
        seen, novel, truth = fold(0, mask=few)
        found = GatedExperts(gate, share=True).fit(scale * seen, scale * novel, truth, few)
        seen, novel, truth = fold(1, rows=1000, mask=more)
        table = found.combine(scale * seen, scale * novel, more)
        reached.append(harmonic(table, truth, more))
        save_tree(tmp_path / "gate.safetensors", found.state_dict())
        back = GatedExperts(gate).load_state_dict(load_tree(tmp_path / "gate.safetensors"))
        torch.testing.assert_close(back.combine(scale * seen, scale * novel, more), table)
        assert (found.units_ == (1.0, 1.0)) == (scale == 1.0)  # what differs enough stays as it is
    assert reached[0] > 0.5
    assert reached[1] > reached[0] - 0.15
