"""A run's scores, put together as a result: figures, table, verdicts, and what a report draws."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kgzsl import generators
from kgzsl.tasks.image_classification.protocol import ScoreCard
from kgzsl.tasks.image_classification.selection import Choice
from kgzsl.tasks.result import ResultRow, RunResult, judge, summarise_seeds

if TYPE_CHECKING:
    from kgzsl.tasks.image_classification.pipeline import ImageRun

__all__ = ["assemble", "peak_memory_mb"]

COLUMNS = ["zsl.top1", "gzsl.unseen", "gzsl.seen", "gzsl.harmonic", "gzsl.ausuc"]
OPEN_COLUMNS = ["open.top1", "open.harmonic", "open.ausuc"]
RETRIEVAL_COLUMNS = ["retrieval.recall@1", "retrieval.nmi"]
HEADLINES = ["zsl.top1", "gzsl.harmonic"]
_MAP_CLASSES, _MAP_POINTS = 12, 40


def assemble(run: ImageRun, cards: Mapping[str, ScoreCard], choices: Mapping[str, Choice]) -> RunResult:
    """The result of a run.

    Args:
        run: The run; its test labels have been used.
        cards: ``"<seed>/generator"``, ``"<seed>/eszsl"``, ``"<seed>/shuffled.generator"`` ... to figures.
        choices: What was chosen for ``"generator"`` and ``"eszsl"``.
    """
    picks = _picks(run, choices)
    per_seed = [_figures(run, seed, cards, picks) for seed in run.seeds]
    columns = [
        *COLUMNS,
        *(OPEN_COLUMNS if run.pairs is not None and run.pairs.pairs else ()),
        *(RETRIEVAL_COLUMNS if run.recipe.protocol.retrieval else ()),
    ]
    result = RunResult(
        task="image_classification",
        dataset=run.data_name,
        recipe=run.recipe.to_dict(),
        per_seed=per_seed,
        rows=_rows(run, picks),
        columns=columns,
        headlines=HEADLINES,
        selection={**run.protocol.describe(_told(run, choices, picks)), **_unlabelled(run)},
        history=run.history,
        priors=run.priors,
        model=run.fitted_model(),
        graph=run.graph,
        seen=run.seen_names,
        unseen=run.unseen_names,
        warnings=[*_stamp(run), *run.notes, *dict.fromkeys(run.warnings), *_kept_model(run, picks)],
    ).refresh()
    result.verdicts = _verdicts(run, per_seed, picks)
    first = cards[f"{run.seeds[0]}/{picks['gzsl']}"]
    zsl_first = cards[f"{run.seeds[0]}/{picks['zsl']}"]
    if first.absent:
        names = ", ".join(run.protocol.class_names[i] for i in first.absent)
        result.warnings.append(f"classes without test images are left out of the averages: {names}")
    result.arrays = {
        "curve.seen": 100 * first.curve.seen,
        "curve.unseen": 100 * first.curve.unseen,
        "confusion": zsl_first.confusion,
    }
    result.names = {"confusion": run.unseen_names}
    _add_map(run, result, zsl_first)
    result.predictions = _predictions(run, cards, picks)
    result.seconds = {**run.stages.seconds, "total": time.perf_counter() - run.start}
    result.peak_memory_mb = peak_memory_mb()
    return result


def peak_memory_mb() -> float:
    """Highest resident memory of this process so far, in MB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0 * 1024.0 if sys.platform == "darwin" else 1024.0)


def _unlabelled(run: ImageRun) -> dict[str, Any]:
    """What was looked at, beside the rest of the selection; nothing for an inductive run."""
    spec = run.recipe.unlabeled
    if spec is None or run.unlabelled is None:
        return {}
    return {
        "unlabelled": {
            "source": spec.source,
            "kind": "known" if spec.kind_known else "unknown",
            "rows": {kind: len(rows) for kind, rows in run.unlabelled.items()},
        }
    }


def _stamp(run: ImageRun) -> list[str]:
    spec = run.recipe.unlabeled
    if spec is None or run.unlabelled is None:
        return []
    count = max(len(rows) for rows in run.unlabelled.values())
    whose = "test rows" if spec.is_test else f"rows of {spec.source}"
    lines = [
        f"TRANSDUCTIVE: the method looked at {count:,} {whose} without their labels; its figures are no match "
        "for those of inductive methods"
    ]
    generator = run.recipe.generator
    if spec.is_test and spec.kind_known and generator is not None and generators.takes_unlabeled(generator.name):
        lines.append(
            f"{generator.name} was told which test rows are of unseen classes, as published; U, S and H have used that "
            "too (unlabeled: {source: test, kind: unknown} tells nobody)"
        )
    return lines


def _kept_model(run: ImageRun, picks: Mapping[str, str]) -> list[str]:
    """Where ESZSL answers for the method: which of the two is kept."""
    if not any(pick.startswith("eszsl") for pick in picks.values()):
        return []
    return [
        f"ESZSL answers here, but the model that is kept for kgzsl predict and explain is {_own_name(run)}; for one of "
        "ESZSL run the recipe with generator: null and classifier: eszsl"
    ]


def _picks(run: ImageRun, choices: Mapping[str, Choice]) -> dict[str, str]:
    """Which method answers in each setting: the recipe's, or the better one on validation classes."""
    picks = {"zsl": "generator", "gzsl": "generator"}
    if _best(run):
        for setting, metric in (("zsl", "zsl.top1"), ("gzsl", "gzsl.harmonic")):
            figures = {name: (choices[name].figures or {}).get(metric, -1.0) for name in ("generator", "eszsl")}
            picks[setting] = max(figures, key=lambda name: figures[name])
    if picks["gzsl"] == "eszsl":
        picks["gzsl"] = "eszsl_calibrated"  # its figure was that with the best bias, so it answers with that bias
    return picks


def _best(run: ImageRun) -> bool:
    """Whether the answer is the better one of the method and ESZSL."""
    return run.recipe.answer == "best" and run.wants_eszsl


def _calibrated(run: ImageRun) -> bool:
    """Whether the method's rival in H is ESZSL with the bias that was chosen for it, and not ESZSL without one.

    Where a bias or a gate settles for the method between seen and unseen classes, nothing else would be fair.
    """
    return run.recipe.classifier.favours and run.protocol.validation != "none"


def _answer(cards: Mapping[str, ScoreCard], seed: int, prefix: str, picks: Mapping[str, str]) -> dict[str, float]:
    of_zsl = cards[f"{seed}/{prefix}{picks['zsl']}"].metrics
    of_gzsl = cards[f"{seed}/{prefix}{picks['gzsl']}"].metrics
    return {
        **{name: value for name, value in of_zsl.items() if name.startswith(("zsl.", "retrieval."))},
        **{name: value for name, value in of_gzsl.items() if not name.startswith(("zsl.", "retrieval."))},
    }


def _figures(run: ImageRun, seed: int, cards: Mapping[str, ScoreCard], picks: Mapping[str, str]) -> dict[str, Any]:
    figures: dict[str, Any] = {"seed": seed, **_answer(cards, seed, "", picks)}

    def put(prefix: str, values: Mapping[str, float]) -> None:
        figures.update({prefix + name: value for name, value in values.items()})

    if "chance" in run.recipe.controls:
        put("control.chance.", {**run.protocol.chance(), **run.protocol.retrieval.get(f"{seed}/chance", {})})
    put("control.features.", run.protocol.retrieval.get(f"{seed}/features", {}))
    if run.pairs is not None and run.pairs.pairs:
        figures["open.pairs"] = len(run.pairs.compositions.classes) + len(run.pairs.pairs)
        if run.pairs.no_ruling is None:
            figures["open.ruled_out"] = len(run.pairs.ruled_out)
    if f"{seed}/shuffled.{picks['zsl']}" in cards:
        put("control.shuffled.", _answer(cards, seed, "shuffled.", picks))
    others = {
        "generator": "generator.",
        "eszsl": "control.baseline.",
        "eszsl_calibrated": "control.baseline_calibrated.",
        "shuffled.eszsl": "control.shuffled_baseline.",
    }
    for name, prefix in others.items():
        if f"{seed}/{name}" in cards:
            put(prefix, cards[f"{seed}/{name}"].metrics)
    return figures


def _method_name(run: ImageRun, pick: str) -> str:
    if pick.startswith("eszsl"):
        return "ESZSL"
    return _own_name(run)


def _own_name(run: ImageRun) -> str:
    """The recipe's method, whatever answers in its place."""
    spec = run.recipe.classifier
    parts = [] if run.recipe.generator is None else [run.recipe.generator.name]
    own = "ESZSL" if run.recipe.is_eszsl else spec.name
    return " + ".join([*parts, own, *([spec.prior_head] if spec.prior_head else [])])


def _rows(run: ImageRun, picks: Mapping[str, str]) -> list[ResultRow]:
    zsl, gzsl = _method_name(run, picks["zsl"]), _method_name(run, picks["gzsl"])
    best = _best(run)
    note = "selected on held-out seen classes"
    if run.protocol.oracle:
        note = "ORACLE: selected on test labels"
    elif run.protocol.validation == "none":
        note = "nothing was selected"
    if run.recipe.unlabeled is not None:
        note = f"TRANSDUCTIVE; {note}"
    rows = []
    if best:
        picked = zsl if zsl == gzsl else f"T1: {zsl}, H: {gzsl}"
        rows.append(ResultRow("best on validation", "method", note=f"{picked}; {note}"))
        rows.append(ResultRow(_method_name(run, "generator"), "method", prefix="generator."))
    else:
        rows.append(ResultRow(zsl, "method", note=note))
    if run.wants_eszsl:
        rows.append(ResultRow("ESZSL", "baseline", prefix="control.baseline."))
        if _calibrated(run) or picks["gzsl"] == "eszsl_calibrated":
            own = run.recipe.classifier.calibrated
            note = "bias as the method's" if own else "with the bias it was chosen with"
            rows.append(ResultRow("ESZSL, calibrated", "baseline", prefix="control.baseline_calibrated.", note=note))
    if "shuffled" in run.recipe.controls:
        rows.append(ResultRow("shuffled ontology", "control", prefix="control.shuffled.", note="same settings"))
        if run.wants_eszsl:
            rows.append(ResultRow("ESZSL, shuffled ontology", "control", prefix="control.shuffled_baseline."))
    if run.recipe.protocol.retrieval:
        rows.append(ResultRow("features as they are", "control", prefix="control.features."))
    if "chance" in run.recipe.controls:
        rows.append(ResultRow("chance", "control", prefix="control.chance.", note="exact"))
    return rows


def _verdicts(run: ImageRun, per_seed: list[dict[str, Any]], picks: Mapping[str, str]) -> list[str]:
    """Failures first. The answer is judged against chance and the shuffled ontology, the generator against ESZSL."""
    metrics = summarise_seeds(per_seed)
    best = _best(run)
    name = "the answer" if best else _method_name(run, picks["zsl"])
    own = {"control.shuffled.": "the shuffled ontology", "control.chance.": "chance"}
    lines = judge(metrics, HEADLINES, own, method=name)
    if run.recipe.protocol.retrieval:
        lines += judge(metrics, RETRIEVAL_COLUMNS, {"control.features.": "the features as they are"}, method=name)
    if run.wants_eszsl:
        prefix = "generator."
        as_method = {key.removeprefix(prefix): value for key, value in metrics.items() if key.startswith(prefix)}
        baselines = {key: value for key, value in metrics.items() if key.startswith("control.baseline")}
        plain = {"control.baseline.": "ESZSL"}
        in_h = {"control.baseline_calibrated.": "calibrated ESZSL"} if _calibrated(run) else plain
        for headline, rivals in zip(HEADLINES, (plain, in_h), strict=True):
            lines += judge({**as_method, **baselines}, [headline], rivals, method=_method_name(run, "generator"))
    if run.recipe.unlabeled is not None:
        # A comparison across settings says something only where the method loses in spite of what it looked at.
        lines = [line for line in lines if "ESZSL" not in line or " beats " not in line]
        lines = [f"{line} (inductive)" if "ESZSL" in line else line for line in lines]
    lines.sort(key=lambda line: " beats " in line)
    if run.protocol.oracle:
        lines.insert(0, "ORACLE SELECTION: settings were chosen on test labels; these figures are no fair estimate")
    return lines


def _told(run: ImageRun, choices: Mapping[str, Choice], picks: Mapping[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {name: choice.to_dict() for name, choice in choices.items()}
    if _best(run):
        told["answer"] = dict(picks)
    return told


def _predictions(run: ImageRun, cards: Mapping[str, ScoreCard], picks: Mapping[str, str]) -> dict[str, list[Any]]:
    names = np.asarray(run.protocol.class_names)
    rows_unseen, rows_seen = run.protocol.test_rows
    table: dict[str, list[Any]] = {
        key: [] for key in ("seed", "row", "kind", "true", "predicted", "predicted_among_unseen")
    }
    for seed in run.seeds:
        gzsl, zsl = cards[f"{seed}/{picks['gzsl']}"], cards[f"{seed}/{picks['zsl']}"]
        count = len(gzsl.true)
        table["seed"].extend([seed] * count)
        table["row"].extend(np.concatenate([rows_unseen, rows_seen]).tolist())
        table["kind"].extend(["unseen"] * len(rows_unseen) + ["seen"] * len(rows_seen))
        table["true"].extend(names[gzsl.true].tolist())
        table["predicted"].extend(names[gzsl.gzsl_predicted].tolist())
        table["predicted_among_unseen"].extend(names[zsl.zsl_predicted].tolist() + [""] * len(rows_seen))
    return table


def _add_map(run: ImageRun, result: RunResult, card: ScoreCard) -> None:
    """Real and synthetic features of some unseen classes in 2-D: the two first principal components of both."""
    model = result.model
    if model is None or model.generator_ is None:
        return
    features = run.protocol.test_features[0].cpu()
    true = torch.from_numpy(card.true[: len(features)])
    parts, synthetic, label = [], [], []
    shown = run.protocol.unseen[:_MAP_CLASSES]
    for place, number in enumerate(shown.tolist()):
        real = features[true == number][:_MAP_POINTS]
        made = model.synthesise(run.protocol.class_names[number], _MAP_POINTS).cpu()
        parts += [real, made]
        synthetic += [False] * len(real) + [True] * len(made)
        label += [place] * (len(real) + len(made))
    points = torch.cat(parts).to(torch.float64)
    if len(points) < 3 or points.shape[1] < 2:
        return
    # An exact decomposition of a few hundred points: torch.pca_lowrank would draw from the global random state.
    centred = points - points.mean(dim=0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    result.arrays["map.xy"] = (centred @ axes[:2].T).to(torch.float32).numpy()
    result.arrays["map.synthetic"] = np.array(synthetic)
    result.arrays["map.class"] = np.array(label, dtype=np.int64)
    result.names["map"] = [run.protocol.class_names[i] for i in shown]
