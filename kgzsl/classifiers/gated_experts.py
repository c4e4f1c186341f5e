"""An expert for seen classes and one for unseen classes, made into one by a gate that a validation fold has taught."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from kgzsl._options import check_choice, check_count
from kgzsl.classifiers._inputs import class_mask, float_matrix, plain
from kgzsl.classifiers.evidential_gate import EvidentialGate
from kgzsl.classifiers.gating import SMOOTHINGS, CosmoGate, calibrated_stacking, check_temperatures
from kgzsl.errors import InputError

__all__ = ["Calibration", "GatedExperts", "calibrate"]

_GATES = ("none", "stacking", "cosmo", "evidential", "auto")


class Calibration(NamedTuple):
    """The best bias on unseen classes for some scores, and what it reaches there; accuracies are in [0, 1].

    Args:
        bias: Added to the scores of unseen classes: the middle of the best plateau that lies nearest to 0.
        seen: Per-class accuracy on rows of seen classes, among all classes.
        unseen: The same on rows of unseen classes.
        harmonic: Their harmonic mean: what was made as large as possible.
        area: Under seen against unseen accuracy over all biases (AUSUC).
    """

    bias: float
    seen: float
    unseen: float
    harmonic: float
    area: float


def calibrate(scores: Any, labels: Any, unseen_mask: Any) -> Calibration:
    """Choose the bias of calibrated stacking exactly, trying every bias at which an answer changes.

    Chao et al., "An Empirical Study and Analysis of Generalized Zero-Shot Learning" (ECCV 2016). Give validation rows:
    on test rows this is an oracle.

    Args:
        scores: [N, C], finite.
        labels: int [N], columns of ``scores``.
        unseen_mask: bool [C].

    Raises:
        InputError: Rows of one kind only, or shapes that do not fit.
    """
    mask = class_mask(unseen_mask).cpu().numpy()
    table = float_matrix(scores, "scores", columns=len(mask), dtype=torch.float64).cpu().numpy()
    truth = _columns(labels, len(table), len(mask))
    new = mask[truth]
    if new.all() or not new.any():
        raise InputError("calibration needs rows of seen and of unseen classes", remedy="hold some seen classes out")
    known, novel = np.flatnonzero(~mask), np.flatnonzero(mask)
    best_known, best_novel = known[table[:, known].argmax(axis=1)], novel[table[:, novel].argmax(axis=1)]
    line = np.arange(len(table))
    flip = table[line, best_known] - table[line, best_novel]
    kinds = np.where(new, len(np.unique(truth[new])), len(np.unique(truth[~new])))
    weight = 1.0 / (np.bincount(truth)[truth] * kinds)
    points, index = np.unique(flip, return_inverse=True)
    lost = np.bincount(index, weights=np.where(~new & (best_known == truth), weight, 0.0), minlength=len(points))
    won = np.bincount(index, weights=np.where(new & (best_novel == truth), weight, 0.0), minlength=len(points))
    seen = np.concatenate([lost[::-1].cumsum()[::-1], [0.0]])
    unseen = np.concatenate([[0.0], won.cumsum()])
    margin = max(1.0, float(np.abs(points).max()) * 1e-3)
    bias = np.concatenate([[points[0] - margin], points[:-1] + np.diff(points) / 2, [points[-1] + margin]])
    total = seen + unseen
    harmonic = np.divide(2 * seen * unseen, total, out=np.zeros_like(total), where=total > 0)
    best = np.flatnonzero(harmonic >= harmonic.max() - 1e-12)
    at = best[np.abs(bias[best]).argmin()]
    area = float(((seen[1:] + seen[:-1]) / 2 * np.diff(unseen)).sum())
    return Calibration(float(bias[at]), float(seen[at]), float(unseen[at]), float(harmonic[at]), area)


class GatedExperts:
    """One table of scores from two experts' tables, by a rule that was fitted on a validation fold.

    Args:
        gate: ``"none"`` puts the experts' scores side by side; ``"stacking"`` adds a bias to unseen classes
            (:func:`calibrate`); ``"cosmo"`` mixes by P(unseen | x) with adaptive confidence smoothing
            (:class:`CosmoGate`) and then adds a bias; ``"evidential"`` fuses the experts' opinions
            (:class:`EvidentialGate`), without a bias; ``"auto"`` takes whichever of stacking and COSMO, and of the
            experts' raw or log-softmax scores, has the largest harmonic mean on the fold.
        smoothing: Of COSMO: ``"adaptive"``, ``"constant"`` or ``"none"``.
        share: Whether the experts' scores are made log-probabilities over their own classes first, so that experts of
            different scales can stand side by side; ``"auto"`` tries both. COSMO and the evidential rule always do so.
            Scores that hardly differ (ESZSL's) are first brought to a deviation of 1 over the classes on the fold: a
            softmax of them would be near uniform, and hang on the number of classes alone.
        top: Of :class:`CosmoGate`.
        temperatures: Of :class:`CosmoGate`.

    Attributes:
        gate_: The rule that is used: ``"none"``, ``"stacking"``, ``"cosmo"`` or ``"evidential"``.
        share_: Whether log-probabilities are used.
        bias_: Added to the (log-)scores of unseen classes.
        units_: What the two experts' scores are divided by where they become probabilities; 1 where they differ enough.
        figures_: What each rule that was tried reaches on the fold: rule -> :class:`Calibration` (at its bias).

    Raises:
        InputError: An unknown rule, or an option out of range.
    """

    gate_: str
    share_: bool
    bias_: float
    units_: tuple[float, float]

    def __init__(
        self,
        gate: str = "cosmo",
        smoothing: str = "adaptive",
        share: bool | str = "auto",
        top: int = 3,
        temperatures: Sequence[float] = (1.0, 3.0),
    ) -> None:
        check_choice(gate, "gate", _GATES)
        check_choice(smoothing, "smoothing", SMOOTHINGS)
        if not isinstance(share, bool | np.bool_) and not (isinstance(share, str) and share == "auto"):
            raise InputError(f"share is {share!r}", remedy="choose True, False or auto")
        check_count(top, "top")
        check_temperatures(temperatures)
        self.gate = gate
        self.smoothing = smoothing
        self.share = share
        self.top = top
        self.temperatures = tuple(temperatures)

    def fit(self, seen_scores: Any, zero_shot_scores: Any, labels: Any, unseen_mask: Any) -> GatedExperts:
        """Fit the rule where some seen classes play the unseen ones.

        Neither expert may have been trained on these rows, and the zero-shot expert on none of the classes that play
        the unseen ones. The bias after COSMO is chosen on gates that did not see the row they judge (two folds).

        Args:
            seen_scores: [N, C] of the seen expert; columns of unseen classes are not looked at.
            zero_shot_scores: [N, C] of the zero-shot expert; columns of seen classes are not looked at.
            labels: int [N], columns.
            unseen_mask: bool [C], the classes that play the unseen ones.

        Raises:
            InputError: Rows of one kind only, or shapes that do not fit.
        """
        seen, novel, mask = _tables(seen_scores, zero_shot_scores, unseen_mask)
        truth = _columns(labels, len(seen), len(mask))
        raw = seen, novel
        self.units_ = _unit(seen[:, ~mask]), _unit(novel[:, mask])
        seen, novel = seen / self.units_[0], novel / self.units_[1]
        shares = (False, True) if self.share == "auto" else (bool(self.share),)
        self.figures_: dict[str, Calibration] = {}
        rules: dict[str, tuple[str, bool]] = {}
        if self.gate in ("none", "stacking", "auto"):
            for share in shares:
                name = "stacking" + (" of log-probabilities" if share else "")
                rules[name] = ("stacking", share)
                self.figures_[name] = calibrate(
                    _side_by_side(*((seen, novel) if share else raw), mask, share), truth, mask
                )
        if self.gate in ("cosmo", "auto"):
            is_unseen = mask.cpu().numpy()[truth]
            self.cosmo_ = self._new_gate().fit(seen, novel, mask, is_unseen)
            judged = self._out_of_fold(seen, novel, mask, truth, is_unseen)
            rules["cosmo"] = ("cosmo", True)
            self.figures_["cosmo"] = calibrate(judged, truth, mask)
        if self.gate == "evidential":
            self.evidential_ = EvidentialGate().fit(*raw, mask, truth)
            rules["evidential"] = ("evidential", True)
            self.figures_["evidential"] = _as_it_is(self.evidential_.mix(*raw, mask), truth, mask)
        best = max(self.figures_, key=lambda name: self.figures_[name].harmonic)
        self.gate_, self.share_ = rules[best]
        self.bias_ = self.figures_[best].bias
        if self.gate == "none":
            self.gate_, self.bias_, self.share_ = "none", 0.0, self.share != "auto" and bool(self.share)
        return self

    def combine(self, seen_scores: Any, zero_shot_scores: Any, unseen_mask: Any) -> Tensor:
        """Scores float32 [N, C] of both groups of classes together; the best one is the answer.

        The classes, and how many there are of each group, may be others than in the fold.
        """
        if not hasattr(self, "gate_"):
            raise InputError("these GatedExperts are not fitted", remedy="call fit with a validation fold first")
        seen, novel, mask = self._asked(seen_scores, zero_shot_scores, unseen_mask)
        if self.gate_ == "cosmo":
            table = _log(self.cosmo_.mix(seen, novel, mask, smoothing=self.smoothing))
        elif self.gate_ == "evidential":
            table = _log(self.evidential_.mix(seen, novel, mask))
        else:
            table = _side_by_side(seen, novel, mask, self.share_)
        return calibrated_stacking(table, mask, self.bias_)

    def predict_unseen(self, seen_scores: Any, zero_shot_scores: Any, unseen_mask: Any) -> Tensor:
        """P(unseen | x), [N]: the gate's own, else the share of unseen classes in a softmax over the combination."""
        table = self.combine(seen_scores, zero_shot_scores, unseen_mask)
        if self.gate_ in ("cosmo", "evidential"):
            gate = self.cosmo_ if self.gate_ == "cosmo" else self.evidential_
            return gate.predict_unseen(*self._asked(seen_scores, zero_shot_scores, unseen_mask))
        return table.softmax(dim=1)[:, class_mask(unseen_mask).to(table.device)].sum(dim=1)

    def uncertainty(self, seen_scores: Any, zero_shot_scores: Any, unseen_mask: Any) -> Tensor:
        """How much the experts together do not know of each row, float32 [N], in (0, 1): see :class:`EvidentialGate`.

        Raises:
            InputError: Another rule than ``"evidential"``: the others tell shares, and no doubt beside them.
        """
        if not hasattr(self, "evidential_") or self.gate_ != "evidential":
            raise InputError("this gate tells no uncertainty", remedy='fit GatedExperts("evidential")')
        return self.evidential_.uncertainty(*_tables(seen_scores, zero_shot_scores, unseen_mask))

    def _asked(self, seen: Any, zero_shot: Any, unseen_mask: Any) -> tuple[Tensor, Tensor, Tensor]:
        """The two tables as the rule takes them, and the mask."""
        first, second, mask = _tables(seen, zero_shot, unseen_mask)
        if self.gate_ == "cosmo" or (self.share_ and self.gate_ != "evidential"):
            return first / self.units_[0], second / self.units_[1], mask
        return first, second, mask

    def state_dict(self) -> dict[str, Any]:
        """What was fitted, as tensors and plain values."""
        if not hasattr(self, "gate_"):
            raise InputError("these GatedExperts are not fitted", remedy="call fit first")
        state: dict[str, Any] = {"gate": self.gate_, "share": self.share_, "bias": self.bias_}
        if self.units_ != (1.0, 1.0):
            state["unit_seen"], state["unit_unseen"] = self.units_
        if self.gate_ == "cosmo":
            state |= {"mean": self.cosmo_.mean_, "scale": self.cosmo_.scale_, "weights": self.cosmo_.weights_}
        if self.gate_ == "evidential":
            state |= {"weights": self.evidential_.weights_, "units": self.evidential_.units_}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> GatedExperts:
        """Take over what :meth:`state_dict` gave."""
        self.gate_, self.share_, self.bias_ = str(state["gate"]), bool(state["share"]), float(state["bias"])
        self.units_ = float(state.get("unit_seen", 1.0)), float(state.get("unit_unseen", 1.0))
        if self.gate_ == "cosmo":
            self.cosmo_ = self._new_gate()
            self.cosmo_.mean_, self.cosmo_.scale_ = state["mean"], state["scale"]
            self.cosmo_.weights_ = state["weights"]
        if self.gate_ == "evidential":
            self.evidential_ = EvidentialGate()
            # Through JSON these come back in single precision.
            self.evidential_.weights_, self.evidential_.units_ = state["weights"].double(), state["units"].double()
        return self

    def _new_gate(self) -> CosmoGate:
        return CosmoGate(self.top, self.temperatures)

    def _out_of_fold(self, seen: Tensor, novel: Tensor, mask: Tensor, truth: np.ndarray, new: np.ndarray) -> Tensor:
        """Log of the mixture for each row, by a gate fitted on the other half of the rows of every class."""
        order = np.argsort(truth, kind="stable")
        half = np.zeros(len(truth), dtype=bool)
        half[order[::2]] = True  # every second row of each class
        result = torch.empty_like(seen)
        for part in (half, ~half):
            rows, others = torch.from_numpy(part), torch.from_numpy(~part)
            both = new[~part].any() and not new[~part].all()
            gate = self._new_gate().fit(seen[others], novel[others], mask, new[~part]) if both else self.cosmo_
            if part.any():
                result[rows] = _log(gate.mix(seen[rows], novel[rows], mask, smoothing=self.smoothing))
        return result


def _as_it_is(table: Tensor, truth: np.ndarray, mask: Tensor) -> Calibration:
    """What scores reach without a bias."""
    right = (table.argmax(dim=1).cpu().numpy() == truth).astype(float)
    counts = np.bincount(truth, minlength=len(mask))
    by_class = np.bincount(truth, weights=right, minlength=len(mask)) / np.maximum(counts, 1)
    new = mask.cpu().numpy()
    seen, unseen = (float(by_class[kind & (counts > 0)].mean()) for kind in (~new, new))
    harmonic = 2 * seen * unseen / (seen + unseen) if seen + unseen else 0.0
    return Calibration(0.0, seen, unseen, harmonic, calibrate(table, truth, mask).area)


def _tables(seen: Any, zero_shot: Any, unseen_mask: Any) -> tuple[Tensor, Tensor, Tensor]:
    mask = class_mask(unseen_mask)
    if bool(mask.all()) or not bool(mask.any()):
        raise InputError("a gate needs seen and unseen classes", remedy="leave the gate out for one group of classes")
    tables = []
    for scores, other, name in ((seen, mask, "seen_scores"), (zero_shot, ~mask, "zero_shot_scores")):
        scores = scores if isinstance(scores, Tensor) else torch.as_tensor(plain(scores))
        # An expert may say -inf, or anything, about classes that are not its own.
        tables.append(float_matrix(scores.masked_fill(other.to(scores.device), 0.0), name, columns=len(mask)))
    if len(tables[0]) != len(tables[1]):
        raise InputError(f"{len(tables[0])} rows of the seen expert for {len(tables[1])} of the zero-shot expert")
    return tables[0], tables[1].to(tables[0].device), mask.to(tables[0].device)


def _unit(own: Tensor) -> float:
    """The deviation of an expert's scores over its own classes, the mean of all rows; 1 where it is that or more."""
    deviation = float(own.std(dim=1, correction=0).mean())
    return min(1.0, deviation) if deviation > 1e-9 else 1.0


def _side_by_side(seen: Tensor, novel: Tensor, mask: Tensor, share: bool) -> Tensor:
    if share:
        seen = seen.masked_fill(mask, -torch.inf).log_softmax(dim=1)
        novel = novel.masked_fill(~mask, -torch.inf).log_softmax(dim=1)
    return torch.where(mask, novel, seen)


def _log(shares: Tensor) -> Tensor:
    return shares.clamp_min(torch.finfo(shares.dtype).tiny).log()


def _columns(labels: Any, rows: int, classes: int) -> np.ndarray:
    truth = plain(labels)
    if truth.shape != (rows,) or truth.dtype.kind not in "iu":
        raise InputError(
            f"labels of the shape {truth.shape} for {rows} rows", remedy="give the column of each row's class"
        )
    if truth.min() < 0 or truth.max() >= classes:
        raise InputError(f"a label lies outside 0..{classes - 1}", remedy="labels are columns of the scores")
    return truth.astype(np.int64)
