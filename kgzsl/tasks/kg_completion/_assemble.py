"""Ranks put together as a result: figures, table, verdicts, predictions, and what a report draws."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from kgzsl.tasks.image_classification._assemble import peak_memory_mb
from kgzsl.tasks.kg_completion.confidence_check import ConfidenceCheck
from kgzsl.tasks.kg_completion.evaluation import Evaluation
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter
from kgzsl.tasks.kg_completion.relation_completer import RelationCompleter
from kgzsl.tasks.result import ResultRow, RunResult

if TYPE_CHECKING:
    from kgzsl.tasks.kg_completion.pipeline import CompletionRun
    from kgzsl.tasks.kg_completion.ranker_run import RankerRun

    AnyRun: TypeAlias = CompletionRun | RankerRun

__all__ = ["assemble"]

_HEADLINE = ["kgc.mrr"]
_MAP_RELATIONS, _MAP_POINTS = 12, 40
_PREFIXES = {
    "method": "",
    "generator": "control.generator.",
    "ridge": "control.baseline.",
    "nearest_prior": "control.nearest_prior.",
    "mean_prototype": "control.mean_prototype.",
    "link_overlap": "control.link_overlap.",
    "popularity": "control.popularity.",
    "rules": "control.rules.",
    "shuffled.method": "control.shuffled.",
    "shuffled.ridge": "control.shuffled_baseline.",
}


def assemble(run: AnyRun, found: Mapping[str, Evaluation]) -> RunResult:
    """The result of a run.

    Args:
        run: The run; its test triples have been used.
        found: ``"<seed>/method"``, ``"<seed>/ridge"``, ``"<seed>/shuffled.method"`` ... to ranks.
    """
    rules = run.protocol.rules
    names = {rule.name: "kgc." if place == 0 else f"kgc.{rule.name}." for place, rule in enumerate(rules)}
    checked = _checked(run)
    per_seed: list[dict[str, Any]] = []
    for seed in run.seeds:
        figures: dict[str, Any] = {"seed": seed}
        for name, prefix in _PREFIXES.items():
            if f"{seed}/{name}" in found:
                metrics = found[f"{seed}/{name}"].metrics(names)
                figures.update({prefix + metric: value for metric, value in metrics.items()})
        if "chance" in run.recipe.controls:
            chance = found[f"{seed}/method"].chance(names)
            figures.update({f"control.chance.{metric}": value for metric, value in chance.items()})
        if checked is not None and seed == run.seeds[0]:
            figures.update(checked.metrics())
        per_seed.append(figures)
    columns = ["kgc.mrr", "kgc.hits@1", "kgc.hits@5", "kgc.hits@10", "kgc.linked.mrr", "kgc.unlinked.mrr"]
    columns += [f"{prefix}mrr" for prefix in list(names.values())[1:]]
    first = found[f"{run.seeds[0]}/method"]
    if first.drawn is not None:
        columns += ["kgc.drawn.mrr", "kgc.drawn.hits@10", "kgc.drawn.auc_pr"]
    if len(first.worst):
        columns.insert(1, "kgc.worst_ties.mrr")
    if first.many_unlisted and bool(first.listed.any()):
        columns.insert(1, "kgc.listed.mrr")
    result = RunResult(
        task="kg_completion",
        dataset=run.data_name,
        recipe=run.recipe.to_dict(),
        per_seed=per_seed,
        rows=_rows(run, found),
        columns=columns,
        headlines=_HEADLINE,
        selection=run.protocol.describe(run.chosen),
        history=run.history,
        predictions=_predictions(run, found),
        priors=run.priors,
        model=run.model,
        graph=run.graph,
        seen=run.seen_names,
        unseen=run.unseen_names,
        contradictions=run.contradicting.rows(),
        labels=run.labels,
        warnings=[
            *run.notes,
            *dict.fromkeys(run.warnings),
            *_warnings(run, first),
            *([] if checked is None else [checked.line()]),
        ],
    ).refresh()
    ours, theirs = (result.metrics.get(f"{prefix}kgc.mrr", 0.0) for prefix in ("", _PREFIXES["link_overlap"]))
    if not run.recipe.inductive and theirs > ours:
        result.warnings.append(
            "link overlap, which needs no training, ranks better here: ranker: link_overlap takes it"
        )
    if first.many_unlisted:
        result.verdicts.insert(0, _unlisted(first))
    if run.protocol.oracle:
        result.verdicts.insert(
            0, "ORACLE SELECTION: settings were chosen on test triples; these figures are no fair estimate"
        )
    _add_map(run, result, first)
    result.seconds = {**run.seconds, "total": time.perf_counter() - run.start}
    result.peak_memory_mb = peak_memory_mb()
    return result


def _checked(run: AnyRun) -> ConfidenceCheck | None:
    """How far the confidences of the model that is kept, the first seed's, are off; None where it has none."""
    if not isinstance(run.model, ProposingCompleter):
        return None
    run.log("checking confidences")
    begun = time.perf_counter()
    checked = run.protocol.check_confidences(run.model, run.graph)
    run.seconds["confidences"] = time.perf_counter() - begun
    return checked


def _rows(run: AnyRun, found: Mapping[str, Evaluation]) -> list[ResultRow]:
    first = run.seeds[0]
    generator = run.recipe.generator
    rule = run.protocol.rules[0]
    note = f"among {rule.note}; {'tails' if run.protocol.sides == 'tail' else 'heads and tails'}"
    if run.protocol.oracle:
        note += "; ORACLE: selected on test triples"
    ranker = run.recipe.ranker
    method = "ridge" if generator is None else generator.name
    if run.recipe.relation_network is not None:
        method = f"{run.recipe.relation_network.name} over the schema"
    if ranker is not None:
        told = str(ranker.options.get("model", "complex")) if run.recipe.ordinary else ranker.name
    rows = [ResultRow(method if ranker is None else told, "method", note=note)]
    broken = "shuffled triples" if run.recipe.ordinary else "shuffled ontology"
    others = [
        ("generator", method, "baseline", "pair features"),
        ("link_overlap", "link overlap", "control", "training-free"),
        ("ridge", "ridge (closed form)", "baseline", "same pair features"),
        ("nearest_prior", "nearest seen relation", "baseline", "same pair features"),
        ("mean_prototype", "mean prototype", "control", "one prototype for all relations"),
        ("popularity", "popularity", "control", "how often an entity is such an answer in training"),
        ("rules", "rules alone", "control", "what the schema entails and forbids"),
        ("shuffled.method", broken, "control", "same settings"),
        ("shuffled.ridge", "ridge, shuffled ontology", "control", ""),
    ]
    for name, label, role, remark in others:
        if f"{first}/{name}" in found:
            rows.append(ResultRow(label, role, prefix=_PREFIXES[name], note=remark))
    if "chance" in run.recipe.controls:
        rows.append(ResultRow("chance", "control", prefix="control.chance.", note="exact"))
    return rows


def _warnings(run: AnyRun, first: Evaluation) -> list[str]:
    lines = []
    missing = int((~first.scorable).sum())
    if missing:
        lines.append(f"{missing} of {len(first.scorable)} queries could not be scored; they rank as by chance")
    lines += [
        f"{first.outside[rule.name]} true answers are no candidates by the rule {rule.name!r}; they are ranked too"
        for rule in run.protocol.rules
        if first.outside.get(rule.name)
    ]
    if first.drawn is not None:
        lines.append(drawn_note(run.protocol.negatives or 0, len(run.entities)))
    if run.protocol.rules[0].name == "type" and not (run.recipe.ordinary or run.recipe.inductive):
        lines.append("the published candidate rule looks at the types of test answers; the other columns do not")
    return lines


def drawn_note(negatives: int, entities: int) -> str:
    """What a reader must know about ranks among so many drawn entities."""
    few = ", which come again and again," if negatives >= entities else ""
    return (
        f"kgc.drawn: among {negatives} of {entities:,} entities{few} drawn for each query; answers of other test "
        "triples are not left out there; AUC-PR puts the scores of all queries into one pool"
    )


def _unlisted(first: Evaluation) -> str:
    missing, all_of_them = int((~first.listed).sum()), len(first.listed)
    return (
        f"UNLISTED ANSWERS: {missing} of {all_of_them} true answers are not among their relation's candidates and were "
        "put there to be ranked, which flatters every figure; kgc.listed.mrr is that of the other queries"
    )


def _predictions(run: AnyRun, found: Mapping[str, Evaluation]) -> dict[str, list[Any]]:
    keys = ("seed", "relation", "asked", "head", "tail", "rank", "candidates", "linked", "best")
    table: dict[str, list[Any]] = {key: [] for key in keys}
    rule = run.protocol.rules[0].name
    for seed in run.seeds:
        one = found[f"{seed}/method"]
        given = [run.entities[i] for i in one.anchor.tolist()]
        true = [run.entities[i] for i in one.truth.tolist()]
        asks_tail = one.tail_asked.tolist()
        table["seed"] += [seed] * len(given)
        table["relation"] += [run.relations[i] for i in one.relation.tolist()]
        table["asked"] += ["tail" if asks else "head" for asks in asks_tail]
        table["head"] += [a if asks else b for a, b, asks in zip(given, true, asks_tail, strict=True)]
        table["tail"] += [b if asks else a for a, b, asks in zip(given, true, asks_tail, strict=True)]
        table["rank"] += one.ranks[rule].tolist()
        table["candidates"] += one.counts[rule].tolist()
        table["linked"] += one.linked.tolist()
        table["best"] += [" | ".join(run.entities[i] for i in row if i >= 0) for row in one.best[:, :5].tolist()]
    return table


def _add_map(run: AnyRun, result: RunResult, found: Evaluation) -> None:
    """Real and generated pair features of some unseen relations in 2-D: first principal components of both."""
    model = run.model
    if not isinstance(model, RelationCompleter) or model.generator_ is None:
        return
    parts: list[Tensor] = []
    synthetic: list[bool] = []
    label: list[int] = []
    shown: list[str] = []
    for relation in torch.unique(found.relation).tolist()[:_MAP_RELATIONS]:
        rows = torch.nonzero((found.relation == relation) & found.tail_asked).flatten()[:_MAP_POINTS]
        real = model.features_.pairs(found.anchor[rows], found.truth[rows], model._prior_rows[relation]).cpu()
        made = model.prototypes(relation, _MAP_POINTS).cpu()
        parts += [real, made]
        synthetic += [False] * len(real) + [True] * len(made)
        label += [len(shown)] * (len(real) + len(made))
        shown.append(run.relations[relation])
    points = torch.cat(parts).to(torch.float64)
    if len(points) < 3:
        return
    centred = points - points.mean(dim=0)
    # Exact, on a few hundred points: torch.pca_lowrank would draw from the global random state.
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    result.arrays["map.xy"] = (centred @ axes[:2].T).to(torch.float32).numpy()
    result.arrays["map.synthetic"] = torch.tensor(synthetic).numpy()
    result.arrays["map.class"] = torch.tensor(label).numpy()
    result.names["map"] = shown
