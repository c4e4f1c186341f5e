"""The table of completion as Markdown."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from kgzsl.benchmarks.kgc_cell import PUBLISHED

__all__ = ["page"]

_HEAD = """# Completion of relations and entities that training never saw

Made by `kgzsl bench kgc-table`; a further call goes on where the last one stopped. Figures are means ± standard
deviations over the seeds that were measured; controls stand in every table.
"""

_ABOUT = {
    "nell_zs": (
        "NELL-ZS: 32 unseen relations. MRR and Hits by the published protocol: tails, filtered, among entities of the "
        "types that the relation's answers have (a rule that looks at the types of test answers). *linked* and "
        "*unlinked*: MRR of the pairs that a known fact links, and of the others. *range* and *all*: MRR among what "
        "rdfs:range allows, and among all entities. Ties at their mean rank."
    ),
    "ingram": (
        "Both sides, filtered, all entities of the inference graph. MRR and Hits with ties at their worst place (the "
        "public code's rule); *honest* is the MRR with ties at their mean rank. *ranking* is processor seconds. "
        "*informed* weighs ULTRA's scores beside what ontology, texts and names say, and checks the weights on facts "
        "given of the inference graph (how it does was chosen on validation triples of the inference graphs of NL-0, "
        "NL-75, NL-100, WK-25 and WK-75); with *facts alone* neither ontology nor texts nor names say anything, so "
        "that what is left is the gain by facts of the graphs themselves; *schema edges* adds to ULTRA's "
        "graph of relations what the schema says of them (but for chains, by which at most three pairs of "
        "relations of these sets are joined); *link overlap* trains nothing."
    ),
    "nell_ext": (
        "Both sides, filtered, all entities; the facts are those of the training graph and of the support graph. The "
        "file of unseen relations between seen entities has twelve triples: its figures say little. *rmpi* has vectors "
        "of relations from schema and text; with *no schema* those of unseen relations are drawn at random. "
        "*popularity*: how often an entity is at that end of the relation's facts."
    ),
    PUBLISHED: (
        "RMPI's protocol: the facts are those of the graph given at test time alone; each end is ranked among 49 "
        "entities that are drawn for it, of which facts and the other end alone are excluded; AUC-PR and AUC-ROC tell "
        "each test triple from one that is corrupted at either end, scores of all relations in one pool (which methods "
        "that score query by query are not made for). Every seed draws anew. Ties at their mean rank."
    ),
}

_COLUMNS = {
    "nell_zs": ("mrr", "hits@1", "hits@5", "hits@10", "linked.mrr", "unlinked.mrr", "range.mrr", "all.mrr"),
    "ingram": ("mrr", "hits@1", "hits@5", "hits@10", "honest.mrr", "ranking_s"),
    "nell_ext": ("mrr", "hits@1", "hits@5", "hits@10", "honest.mrr"),
    PUBLISHED: ("mrr", "hits@1", "hits@5", "hits@10", "auc_pr", "auc_roc"),
}

_ABOUT["fb_ext"] = (
    "FB-Ext, by the protocol of NELL-Ext; its schema is not among the data, so nothing reads one. Link overlap and the "
    "shuffled ontology need one, so popularity and chance are the controls here."
)
_COLUMNS["fb_ext"] = _COLUMNS["nell_ext"]

_ABSENT = {
    "wiki_zs": (
        "no cell: the data lack its candidate files and the triples of 411 of its 469 training relations; 13,377 of "
        "15,710 test triples use entities that no training triple shows (`kgzsl info wiki_zs`)"
    ),
}

_REMARKS = {
    "nell_zs": (
        "*zsgan*, *ontozsl*, *dozsl-gan* and *dozsl-gcn* have what these papers have: text alone with the margin loss "
        "and prototypes of the same relation; a text-aware embedding of the ontology; a disentangled one; that and "
        "a graph network over the schema in place of the generator (lines of their recipes: how-to on reproducing a "
        "paper). All else is as in *wgan*, whose priors are text, axioms in words among it, and attributes. *ridge*, "
        "*nearest seen relation* and *mean prototype* have its pair features; the last has one prototype for all "
        "relations, the mean of the seen ones: what does not beat it has not learned from priors which relation is "
        "asked for. Published "
        "under this protocol, MRR, and Hits@10 in per cent (Geng et al.'s resources for knowledge-driven zero-shot "
        "learning, their table of completion): OntoZSL 0.227, 35.6 with schema and texts, 0.223, 35.1 with the schema "
        "alone, 0.215, 34.5 with texts alone. The logs of HNZSLP, which embeds n-grams of names, end at 0.282, 40.2. "
        "In ZSGAN, OntoZSL and DOZSL pairs are told by embeddings of entities and by neighbourhoods, not by what links "
        "their ends; texts are means of word vectors there; DOZSL's graph network has a graph for each component."
    ),
    f"nell_v1_ind{PUBLISHED}": (
        "NELL-995.v1, seen relations between unseen entities. Published (the authors' README), MRR and Hits@1, 5, 10 "
        "in per cent: RMPI-base 53.43, 48.00, 57.00, 59.50; RMPI-NE 54.05, 49.50, 55.00, 60.50; RMPI-TA 48.97, 44.00, "
        "52.50, 53.00; RMPI-NE-TA, which is *rmpi, no schema* here, 54.24, 50.00, 55.50, 60.50. The graph is small, so "
        "that the true answer is often drawn beside itself. That is a tie: here rank 1.5, which is no hit at 1, in the "
        "public code what an unstable sort makes of it."
    ),
}

_TITLES = {
    "mrr": "MRR", "hits@1": "Hits@1", "hits@5": "Hits@5", "hits@10": "Hits@10", "linked.mrr": "linked",
    "unlinked.mrr": "unlinked", "range.mrr": "range", "all.mrr": "all", "honest.mrr": "honest",
    "ranking_s": "ranking s", "auc_pr": "AUC-PR", "auc_roc": "AUC-ROC",
}  # fmt: skip


def page(rows: Sequence[Mapping[str, Any]], left: Sequence[Mapping[str, Any]]) -> str:
    """The whole page.

    Args:
        rows: Measured cells: ``dataset``, ``method``, ``seed``, and ``figures`` or a ``problem``.
        left: Cells that were not begun.
    """
    parts = [_HEAD]
    told: set[str] = set()
    for dataset in dict.fromkeys(row["dataset"] for row in [*rows, *left]):
        published = dataset.endswith(PUBLISHED)
        kind = PUBLISHED if published else next(kind for kind in _ABOUT if dataset.startswith(kind))
        title = dataset.removesuffix(PUBLISHED) + (", RMPI's protocol" if published else "")
        parts.append(f"## {title}\n")
        if kind not in told:
            parts.append(_ABOUT[kind] + "\n")
            told.add(kind)
        if dataset in _REMARKS:
            parts.append(_REMARKS[dataset] + "\n")
        own = [row for row in rows if row["dataset"] == dataset]
        found = _figures(own)
        parts += [_table(found, _COLUMNS[kind]), _by_ontology(found)]
        remarks = dict.fromkeys(remark for row in own for remark in row.get("remarks", ()))
        parts.append("".join(f"{remark}.\n" for remark in remarks))
        if any(row.get("smaller") for row in own):
            parts.append("**Some cells were made cheap for a trial; these are no results.**\n")
    absent = "".join(f"- {dataset}: {why}\n" for dataset, why in _ABSENT.items())
    parts += ["## Left out\n", _left_out([*rows, *left]) + absent]
    return "\n".join(part for part in parts if part)


_Figures = dict[str, dict[str, dict[int, float]]]


def _figures(rows: Sequence[Mapping[str, Any]]) -> _Figures:
    """Name in the table to column to seed to figure."""
    found: _Figures = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        for name, figures in row.get("figures", {}).items():
            for column, value in figures.items():
                # Several cells of one seed tell the same control.
                found[name][column].setdefault(row["seed"], value)
    return found


def _by_ontology(found: _Figures) -> str:
    """What methods have with the real ontology more than with a shuffled one, seed by seed."""
    told = []
    for column, where in (("mrr", ""), ("range.mrr", " among the range"), ("all.mrr", " among all entities")):
        for name, figures in found.items():
            other = next(
                (found[key] for key in (f"{name}, shuffled", f"{name}, shuffled ontology") if key in found), {}
            )
            both = sorted(figures.get(column, {}).keys() & other.get(column, {}).keys())
            more = [figures[column][seed] - other[column][seed] for seed in both]
            if len(more) > 1:
                told.append(f"{name}{where} {statistics.mean(more):+.3f} ± {statistics.stdev(more):.3f}")
    return (
        f"MRR with the real ontology less that with a shuffled one, seed by seed: {', '.join(told)}.\n" if told else ""
    )


def _table(found: _Figures, columns: Sequence[str]) -> str:
    if not found:
        return "Nothing measured yet.\n"
    used = [column for column in columns if any(column in figures for figures in found.values())]
    lines = [
        "| method | " + " | ".join(_TITLES[column] for column in used) + " | seeds |",
        "| --- " * (len(used) + 2) + "|",
    ]
    for name, figures in sorted(found.items(), key=lambda item: -statistics.mean(item[1]["mrr"].values())):
        cells = [_told([*figures.get(column, {}).values()], 1 if column == "ranking_s" else 3) for column in used]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {len(figures['mrr'])} |")
    return "\n".join(lines) + "\n"


def _told(values: Sequence[float], digits: int) -> str:
    if not values:
        return "–"
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def _left_out(rows: Sequence[Mapping[str, Any]]) -> str:
    reasons: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for row in rows:
        if "problem" in row:
            reasons[row["dataset"], row["method"], row["problem"]].append(row["seed"])
    lines = [
        f"- {dataset}, {method}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}: {why}"
        for (dataset, method, why), seeds in sorted(reasons.items())
    ]
    return "\n".join(lines) + "\n" if lines else ""
