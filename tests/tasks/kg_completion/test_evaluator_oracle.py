"""The same scores, ranked by PyKEEN's evaluator: the same figures."""

from __future__ import annotations

import pytest
import torch

from kgzsl.tasks.kg_completion.candidate_rules import make_rule
from kgzsl.tasks.kg_completion.evaluation import evaluate


@pytest.mark.slow
def test_filtered_realistic_ranks_on_both_sides_are_those_of_pykeen(kg):
    pytest.importorskip("pykeen")
    from pykeen.evaluation import RankBasedEvaluator
    from pykeen.evaluation.evaluator import create_sparse_positive_filter_, filter_scores_

    random = torch.Generator().manual_seed(0)
    # Scores from few values, so that ties abound; one table for each relation and side.
    tables = {
        (relation, side): torch.randint(6, (kg.num_entities, kg.num_entities), generator=random).double() / 3
        for relation in range(kg.num_relations)
        for side in ("tail", "head")
    }
    found = evaluate(
        kg, kg.test, lambda relation, anchors, side: tables[relation, side][anchors], [make_rule("all", kg)]
    )
    evaluator = RankBasedEvaluator(filtered=True)
    every = torch.cat([kg.train, kg.valid, kg.test])
    rows = torch.arange(len(kg.test))
    for side, column in (("tail", 2), ("head", 0)):
        scores = torch.stack([tables[r, side][h if side == "tail" else t] for h, r, t in kg.test.tolist()])
        true = scores[rows, kg.test[:, column]]
        positives, _ = create_sparse_positive_filter_(
            hrt_batch=kg.test, all_pos_triples=every, relation_filter=None, filter_col=column
        )
        filtered = filter_scores_(scores=scores.clone(), filter_batch=positives)
        filtered[rows, kg.test[:, column]] = true
        evaluator.process_scores_(hrt_batch=kg.test, target=side, scores=filtered, true_scores=true[:, None])
    result = evaluator.finalize()
    flat = found.metrics({"all": "kgc."})
    assert flat["kgc.mrr"] == pytest.approx(result.get_metric("both.realistic.inverse_harmonic_mean_rank"), abs=1e-6)
    for k in (1, 3, 5, 10):
        assert flat[f"kgc.hits@{k}"] == pytest.approx(result.get_metric(f"both.realistic.hits_at_{k}"), abs=1e-6)
