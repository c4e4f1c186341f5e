"""The estimator: it completes what it never saw, keeps what was best, and comes back from disk unchanged."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.generators.base import FeatureGenerator
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.kg_completion import RelationCompleter, load_completer
from kgzsl.tasks.kg_completion.candidate_rules import make_rule
from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter
from kgzsl.tasks.kg_completion.inductive.rankers import inductive_rankers
from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter
from kgzsl.tasks.kg_completion.protocol import CompletionProtocol

PAIRS = {"dim": 16, "link_dim": 16, "steps": 60, "batch_size": 16, "queries": 12, "corrupted": 16, "support": 4}


class Copier(FeatureGenerator):
    """A generator for tests: gives the features of the seen class with the nearest prior, a little shaken."""

    def __init__(self, noise: float = 0.01) -> None:
        self.noise = noise

    def fit(self, features, labels, priors, *, classifier=None, engine=None, callback=None, callback_every_epochs=None):
        self.priors = priors.clone()
        self.means = torch.stack([features[labels == c].mean(0) for c in range(len(priors))])
        self.got = (features.clone(), labels.clone())
        for done in (1, 2, 3):
            self.done = done
            if callback is not None and (callback_every_epochs is not None or done == 3):
                callback(self, done)
        return self

    def sample(self, prior_rows, n, *, generator=None):
        nearest = torch.cdist(prior_rows, self.priors).argmin(1)
        rows = self.means[nearest].repeat_interleave(n, 0)
        noise = self.noise * torch.randn(rows.shape, generator=generator)
        return rows + noise, torch.arange(len(prior_rows)).repeat_interleave(n)

    def state_dict(self):
        return {"priors": self.priors, "means": self.means, "done": self.done}

    def load_state_dict(self, state):
        self.priors, self.means, self.done = state["priors"], state["means"], state["done"]
        return self


def fit(kg, priors, generator=None, **options):
    model = RelationCompleter(generator, pairs=PAIRS, device="cpu", precision="32-true")
    return model.fit(kg, priors, **options)


@pytest.fixture
def model(kg, priors):
    return fit(kg, priors)


def mrr(model, kg):
    return (
        CompletionProtocol(kg, [make_rule("all", kg)]).final_score({"m": model.scorer})["m"].metrics({"all": ""})["mrr"]
    )


@pytest.mark.parametrize("generator", [None, Copier()])
def test_completes_relations_that_it_never_saw(kg, priors, generator):
    right = mrr(fit(kg, priors, generator), kg)
    # Chance is (1/36) sum of 1 / middle place, about 0.055.
    assert right > 0.35


def test_what_is_said_about_a_relation_decides_its_answers(kg, priors):
    """Described as a relation between people, "resides in" is answered with people."""
    other = priors.matrix.copy()
    other[priors.names.index("residesIn")] = [1, 0, 0, 0.95, 0, 0]

    def kinds(model):
        return "".join(model.complete("residesIn", head=f"p{i}", k=1)[0].tail[0] for i in range(10))

    assert kinds(fit(kg, priors)).count("c") >= 9
    assert kinds(fit(kg, ClassPriors(priors.names, other))).count("p") >= 9


def test_the_generator_gets_pairs_with_their_relation_hidden(kg, priors):
    model = fit(kg, priors, Copier())
    features, labels = model.generator_.got
    expected, relation = model.features_.training_pairs()
    torch.testing.assert_close(features, expected)
    assert torch.equal(labels, relation)
    assert len(torch.unique(labels)) == len(model.seen_) == 7


def test_complete_ranks_by_score_and_leaves_known_triples_out(model, kg):
    rows = model.complete("residesIn", head="p3", k=5)
    assert [row.score for row in rows] == sorted((row.score for row in rows), reverse=True)
    assert {(row.head, row.relation) for row in rows} == {("p3", "residesIn")}
    assert rows[0].tail == "c3"
    assert "c3" not in [row.tail for row in model.complete("livesIn", head="p3", k=30)]
    assert "c3" in [row.tail for row in model.complete("livesIn", head="p3", k=36, known=True)]


def test_complete_for_a_tail_for_a_pair_and_for_all_pairs(model):
    heads = model.complete("residesIn", tail="c3", k=3)
    assert {row.tail for row in heads} == {"c3"}
    one = model.complete("residesIn", head="p3", tail="c3")
    assert len(one) == 1
    every = model.complete("residesIn", k=7)
    assert len(every) == 7
    assert every[0].score >= one[0].score
    # The best of all pairs is the best of its own head.
    assert model.complete("residesIn", head=every[0].head, k=1)[0] == pytest.approx(every[0])
    # A chunk at a time gives the same.
    model.features_.memory_budget = 1
    again = model.complete("residesIn", k=7)
    assert [row.score for row in again] == pytest.approx([row.score for row in every])


def test_candidates_limit_the_answers(model):
    rows = model.complete("residesIn", head="p3", candidates=["c1", "c2"])
    assert {row.tail for row in rows} == {"c1", "c2"}


def test_bad_questions_name_the_nearest(model):
    with pytest.raises(InputError, match="no relation is called 'residesAt'; did you mean 'residesIn'"):
        model.complete("residesAt", head="p3")
    with pytest.raises(InputError, match="no entity is called 'p99'"):
        model.complete("residesIn", head="p99")
    with pytest.raises(InputError, match="candidates='cities' is not known"):
        model.complete("residesIn", head="p3", candidates="cities")


def test_a_relation_without_a_prior_is_named(kg, priors):
    short = ClassPriors(priors.names[:-1], priors.matrix[:-1])
    with pytest.raises(InputError, match="nationOf"):
        fit(kg, short)


def test_the_best_on_validation_is_kept(kg, priors):
    told = iter([0.1, 0.5, 0.2, 0.3, 0.9, 0.4, 0.1, 0.1])
    model = fit(kg, priors, Copier(), validate=lambda scorer: next(told), every=(20, 1))
    # Pair features at 20, 40 and 60 steps gave 0.1, 0.5, 0.2; the generator at 1, 2, 3 epochs 0.3, 0.9, 0.4.
    assert model.chosen_ == {
        "steps": 40, "pairs.validation.mrr": 0.5, "epochs": 2, "generator.validation.mrr": 0.9,
    }  # fmt: skip
    assert model.generator_.done == 2
    shorter = RelationCompleter(None, pairs={**PAIRS, "steps": 40}, device="cpu", precision="32-true").fit(kg, priors)
    for name, value in shorter.features_.encoder.state_dict().items():
        torch.testing.assert_close(value, model.features_.encoder.state_dict()[name])


def test_a_resumed_fit_finds_the_best_of_before(kg, priors, tmp_path):
    def engine(resume):
        return Engine(device="cpu", precision="32-true", progress=False, checkpoint=tmp_path, resume=resume)

    told = iter([0.1, 0.5, 0.2])
    first = fit(kg, priors, validate=lambda scorer: next(told), every=(20, 1), engine=engine(False))
    # The run was finished, so nothing is looked at again; what was best then still is.
    again = fit(kg, priors, validate=lambda scorer: pytest.fail("asked again"), every=(20, 1), engine=engine(True))
    assert again.chosen_ == first.chosen_ == {"steps": 40, "pairs.validation.mrr": 0.5}
    assert torch.equal(again.scores("residesIn", torch.arange(5)), first.scores("residesIn", torch.arange(5)))


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(kg, priors):
    one, two = fit(kg, priors), fit(kg, priors)
    anchors = torch.arange(5)
    assert torch.equal(one.scores("residesIn", anchors), two.scores("residesIn", anchors))
    other = RelationCompleter(None, pairs=PAIRS, seed=1, device="cpu", precision="32-true").fit(kg, priors)
    assert not torch.equal(one.scores("residesIn", anchors), other.scores("residesIn", anchors))


def test_renaming_entities_changes_no_rank(kg, priors):
    """Ids carry no meaning: the evaluation of the same model on renamed entities is the same."""
    model = fit(kg, priors)
    order = torch.from_numpy(np.random.default_rng(0).permutation(kg.num_entities))
    place = torch.argsort(order)

    def renamed(relation, anchors, side):
        return model.scores(relation, order[anchors], side=side)[:, order]

    from dataclasses import replace

    def moved(triples):
        return torch.stack([place[triples[:, 0]], triples[:, 1], place[triples[:, 2]]], dim=1)

    other = replace(
        kg, entities=tuple(kg.entities[i] for i in order.tolist()), train=moved(kg.train), test=moved(kg.test)
    )
    one = CompletionProtocol(kg, [make_rule("all", kg)]).final_score({"m": model.scorer})["m"]
    two = CompletionProtocol(other, [make_rule("all", other)]).final_score({"m": renamed})["m"]
    assert sorted(one.ranks["all"].tolist()) == sorted(two.ranks["all"].tolist())


@pytest.mark.parametrize("generator", [None, "wgan"])
def test_another_numbering_of_the_entities_changes_no_answer(kg, priors, generator):
    """Training draws entities by name: the same facts, numbered and ordered otherwise, teach the same."""
    from dataclasses import replace

    order = torch.from_numpy(np.random.default_rng(0).permutation(kg.num_entities))
    place = torch.argsort(order)
    train = torch.stack([place[kg.train[:, 0]], kg.train[:, 1], place[kg.train[:, 2]]], dim=1).flip(0)
    other = replace(kg, entities=tuple(kg.entities[i] for i in order.tolist()), train=train)
    options = None if generator is None else {"hidden": 8, "epochs": 2, "batch_size": 16}

    def scores(data):
        model = RelationCompleter(
            generator, generator_options=options, pairs=PAIRS, seed=0, device="cpu", precision="32-true"
        ).fit(data, priors)
        return model.scores("residesIn", torch.tensor([data.entities.index("p3"), data.entities.index("p5")]))

    torch.testing.assert_close(scores(other)[:, place], scores(kg), atol=1e-4, rtol=1e-3)


def test_saving_and_loading_gives_the_same_answers(model, tmp_path):
    model.save(tmp_path / "model")
    back = RelationCompleter.load(tmp_path / "model", device="cpu")
    assert back.complete("residesIn", head="p3") == model.complete("residesIn", head="p3")
    assert back.seen_ == model.seen_
    assert "residesIn" not in back.seen_


def test_loading_nothing_or_something_else_is_an_input_error(model, tmp_path):
    with pytest.raises(InputError, match="there is no model here"):
        RelationCompleter.load(tmp_path, device="cpu")
    model.save(tmp_path / "model")
    (tmp_path / "model" / "model.json").write_text("{}")
    with pytest.raises(InputError, match="no completion model"):
        RelationCompleter.load(tmp_path / "model", device="cpu")


def test_a_model_of_another_kind_says_how_any_is_loaded(model, tmp_path):
    about = tmp_path / "model" / "model.json"
    for kind in (EvidenceCompleter, EmbeddingCompleter, *inductive_rankers().values()):
        model.save(about.parent)
        form = getattr(kind, "FORMAT", None) or vars(sys.modules[kind.__module__])["FORMAT"]
        about.write_text(json.dumps({"format": form}))
        with pytest.raises(InputError, match=rf"another kind \({form}\); .*load_completer\(folder\) reads any"):
            RelationCompleter.load(about.parent, device="cpu")
        # Which is not said of another version of the same kind.
        about.write_text(json.dumps({"format": form.partition("/")[0] + "/0"}))
        with pytest.raises(InputError, match="of this version of kgzsl; train it again"):
            load_completer(about.parent, device="cpu")
    about.write_text('{"format": "kgzsl.relation_completer/1"}')
    with pytest.raises(InputError, match=r"another kind .*load_completer\(folder\) reads any"):
        EvidenceCompleter.load(about.parent)


def test_saving_before_fitting_is_refused(tmp_path):
    with pytest.raises(InputError, match="not fitted"):
        RelationCompleter(None).save(tmp_path / "model")


def test_unknown_option_is_named():
    with pytest.raises(InputError, match="did you mean 'samples'"):
        RelationCompleter(None).set_params(sample=3)
    with pytest.raises(InputError, match="the argument 'pairs' has no option 'stepps'; did you mean 'steps'"):
        RelationCompleter(pairs={"stepps": 5})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"samples": 1.5}, "samples is 1.5; give a whole number"),
        ({"samples": 0}, "samples is 0"),
        ({"penalty": -1.0}, "penalty is -1.0"),
        ({"penalty": float("nan")}, "penalty is nan"),
        ({"pairs": {"lr": -1}}, "pairs.lr is -1"),
    ],
)
def test_options_out_of_range_are_refused(options, told):
    with pytest.raises(InputError, match=told):
        RelationCompleter(**options)


def test_one_seen_relation_is_too_few(priors):
    lonely = KGSplit.from_names([("p0", "livesIn", "c0")], [], [("p0", "bornIn", "c0")], unseen_relations=["bornIn"])
    with pytest.raises(InputError, match="fewer than two relations have training triples"):
        fit(lonely, priors)


def test_a_score_is_the_mean_over_all_samples(kg, priors):
    model = fit(kg, priors, Copier(noise=0.5))
    anchors = torch.arange(5)
    number = model._relation("residesIn")
    drawn = torch.nn.functional.normalize(model.prototypes("residesIn"), dim=1)
    assert len(drawn) == model.samples == 20
    each = [model.features_.scores(row, anchors, model._prior_rows[number], side="tail") for row in drawn]
    torch.testing.assert_close(model.scores("residesIn", anchors), torch.stack(each).mean(dim=0), atol=1e-5, rtol=1e-4)
    assert float(torch.stack(each).std(dim=0).mean()) > 0.01  # they differ: one is not the mean
