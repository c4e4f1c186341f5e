"""The protocol: what selection and training may see, and the door that opens once."""

from __future__ import annotations

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule, make_rule
from kgzsl.tasks.kg_completion.evaluation import evaluate
from kgzsl.tasks.kg_completion.protocol import CompletionProtocol
from kgzsl.tasks.ranking import chance_metrics


def protocol(kg, **options):
    return CompletionProtocol(kg, [make_rule("all", kg)], **options)


def constant(relation, anchors, side):
    return torch.zeros(len(anchors), 36)


def truth_teller(kg):
    """Scores every known triple of the whole data set 1."""

    def score(relation, anchors, side):
        table = torch.zeros(len(anchors), kg.num_entities)
        given, asked = (0, 2) if side == "tail" else (2, 0)
        for triples in (kg.train, kg.valid, kg.test):
            for row in triples[triples[:, 1] == relation].tolist():
                for place in (anchors == row[given]).nonzero().flatten().tolist():
                    table[place, row[asked]] = 1
        return table

    return score


def test_training_data_hold_no_test_triple_and_no_held_out_relation(kg):
    made = protocol(kg, fraction=0.3)
    assert len(made.final_kg.test) == len(made.selection_kg.test) == 0
    held_out = made.describe()["classes"]
    assert len(held_out) == 2  # 0.3 of 7, rounded
    used = set(made.selection_kg.names_of(torch.unique(made.selection_kg.train[:, 1])))
    assert not used & set(held_out)
    assert not used & set(kg.names_of(kg.unseen_relations))
    # The final training has them back.
    assert len(made.final_kg.train) == len(kg.train)
    assert made.twice


def test_validation_relations_of_the_data_are_used_and_nothing_is_trained_twice(kg):
    held = kg.with_validation_relations(["knows"])
    made = protocol(held)
    assert made.describe()["classes"] == ["knows"]
    assert not made.twice
    assert torch.equal(made.final_kg.train, held.train)


def test_splits_hold_out_every_seen_relation_once(kg):
    made = protocol(kg, splits=3)
    assert made.twice
    assert made.selects
    assert torch.equal(made.final_kg.train, kg.train)
    asked = [set(queries[:, 1].tolist()) for _, queries in made.parts]
    assert sorted(map(len, asked)) == [2, 2, 3]
    assert set.union(*asked) == set(kg.seen_relations.tolist())
    for (part, _), relations in zip(made.parts, asked, strict=True):
        assert set(torch.unique(part.train[:, 1]).tolist()) == set(kg.seen_relations.tolist()) - relations
        assert len(part.test) == 0
    described = made.describe()
    assert described["classes"] == kg.names_of(kg.seen_relations)
    assert described["queries"] == sum(len(queries) for _, queries in made.parts)


def test_validation_relations_of_the_data_are_one_part_more(kg):
    held = kg.with_validation_relations(["knows"])
    made = protocol(held, splits=2)
    (first, queries), *others = made.parts
    assert first is made.final_kg
    assert held.names_of(torch.unique(queries[:, 1])) == ["knows"]
    assert len(others) == 2
    assert set.union(*(set(asked[:, 1].tolist()) for _, asked in others)) == set(held.seen_relations.tolist())
    for part, asked in others:
        assert not set(asked[:, 1].tolist()) & set(part.train[:, 1].tolist())


def test_where_nothing_may_be_chosen_splits_count_for_nothing_and_too_few_relations_are_told(kg):
    assert protocol(kg, splits=3, validation="none").parts == []
    ((trained, queries),) = protocol(kg, splits=3, validation="oracle").parts
    assert torch.equal(trained.train, kg.train)
    assert set(queries[:, 1].tolist()) == set(kg.unseen_relations.tolist())
    few = KGSplit(
        kg.entities, kg.relations, train=kg.train[torch.isin(kg.train[:, 1], kg.seen_relations[:2])],
        valid=kg.valid, test=kg.test,
    )  # fmt: skip
    with pytest.raises(InputError, match="too few to cut them: 2"):
        protocol(few, splits=2)


def test_a_part_is_validated_on_its_own_queries(kg):
    made = protocol(kg, splits=3)
    for _, queries in made.parts:
        asked = set()

        def scorer(relation, anchors, side, asked=asked):
            asked.add(relation)
            return torch.zeros(len(anchors), kg.num_entities)

        made.validate(scorer, queries=queries)
        assert asked == set(queries[:, 1].tolist())


def test_validation_is_about_held_out_seen_relations_only(kg):
    asked = []

    def spy(relation, anchors, side):
        asked.append(kg.relations[relation])
        return constant(relation, anchors, side)

    made = protocol(kg)
    made.validate(spy)
    assert set(asked) == set(made.describe()["classes"])
    assert not set(asked) & set(kg.names_of(kg.unseen_relations))


def test_oracle_is_stamped_and_looks_at_unseen_relations(kg):
    made = protocol(kg, validation="oracle")
    assert made.describe()["oracle"] is True
    assert set(made.describe()["classes"]) == set(kg.names_of(kg.unseen_relations))


def test_the_door_opens_once(kg):
    made = protocol(kg)
    made.final_score({"constant": constant})
    with pytest.raises(RuntimeError, match="used already"):
        made.final_score({"constant": constant})


def test_constant_scorer_scores_chance_and_the_truth_scores_one(kg):
    made = protocol(kg)
    told: list[tuple[int, int]] = []
    found = made.final_score(
        {"constant": constant, "truth": truth_teller(kg)}, report=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (2 * len(kg.test),) * 2  # progress ends where all is done
    names = {"all": "kgc."}
    flat = found["constant"].metrics(names)
    expected = chance_metrics(found["constant"].counts["all"])
    assert flat["kgc.mrr"] == pytest.approx(expected["mrr"], abs=1e-12)
    assert flat["kgc.mrr"] == found["constant"].chance(names)["kgc.mrr"]
    assert found["truth"].metrics(names)["kgc.mrr"] == 1.0
    assert found["truth"].metrics(names)["kgc.queries"] == 2 * len(kg.test)  # both sides


def test_without_filtering_other_true_answers_count(kg):
    # Land 0 has several people of its nation: asked for heads, the truth-teller ties them all.
    filtered = evaluate(kg, kg.test, truth_teller(kg), [make_rule("all", kg)], sides="both")
    raw = evaluate(kg, kg.test, truth_teller(kg), [make_rule("all", kg)], sides="both", filtered=False)
    assert filtered.ranks["all"].max() == 1
    assert raw.ranks["all"].max() > 1


def test_linked_pairs_are_told_apart(kg):
    found = evaluate(kg, kg.test, constant, [make_rule("all", kg)], sides="tail")
    linked = {kg.relations[r] for r in found.relation[found.linked].tolist()}
    # Everybody resides where they live, by livesIn; no seen relation links people and lands.
    assert linked == {"residesIn"}
    assert int(found.linked.sum()) == 10
    flat = found.metrics({"all": "kgc."})
    assert (flat["kgc.linked.queries"], flat["kgc.unlinked.queries"]) == (10, 10)


def test_triples_of_validation_relations_are_facts_when_the_door_opens(kg):
    held = kg.with_validation_relations(["livesIn", "bornIn"])
    made = protocol(held, sides="tail")
    assert len(made.facts) == len(held.train) + len(held.valid)
    found = made.final_score({"constant": constant})["constant"]
    # Nothing but livesIn and bornIn links people to cities.
    assert int(found.linked.sum()) == 10
    assert int(evaluate(held, held.test, constant, [make_rule("all", held)], sides="tail").linked.sum()) == 0
    # Ordinary validation triples, of relations that training has, are kept for choices alone.
    ordinary = KGSplit.from_names(
        [("a", "r", "b")], [("b", "r", "a")], [("a", "s", "b")], unseen_relations=["s"], name="ordinary"
    )
    assert len(protocol(ordinary, validation="none").facts) == 1


def test_a_scorer_is_asked_once_for_each_anchor_and_never_told_the_truth(kg):
    asked = []

    def spy(relation, anchors, side):
        asked.append((relation, side, tuple(anchors.tolist())))
        return constant(relation, anchors, side)

    evaluate(kg, kg.test, spy, [make_rule("all", kg)], sides="both")
    assert all(len(set(anchors)) == len(anchors) for _, _, anchors in asked)
    assert len(asked) == 4  # two relations, two sides


def test_chunks_change_nothing_and_the_best_are_listed(kg):
    whole = evaluate(kg, kg.test, truth_teller(kg), [make_rule("all", kg)], top=3)
    small = evaluate(kg, kg.test, truth_teller(kg), [make_rule("all", kg)], top=3, budget=1)
    assert torch.equal(whole.ranks["all"], small.ranks["all"])
    assert torch.equal(whole.best[:, 0], whole.truth)


def test_unscorable_queries_count_as_chance_and_show(kg):
    def half(relation, anchors, side):
        return torch.full((len(anchors), kg.num_entities), float("nan") if side == "head" else 0.0)

    found = evaluate(kg, kg.test, half, [make_rule("all", kg)], sides="both")
    flat = found.metrics({"all": "kgc."})
    assert flat["kgc.coverage"] == 0.5
    assert flat["kgc.mrr"] == found.chance({"all": "kgc."})["kgc.mrr"]


def test_bad_settings_are_refused(kg):
    with pytest.raises(InputError, match="no validation is called 'some'"):
        protocol(kg, validation="some")
    with pytest.raises(InputError, match="sides is 'left'"):
        protocol(kg, sides="left")
    with pytest.raises(InputError, match="no relation of this knowledge graph is unseen"):
        protocol(KGSplit.from_names([("a", "r", "b")], [], []))
    with pytest.raises(InputError, match="too few"):
        protocol(KGSplit.from_names([("a", "r", "b")], [], [("a", "s", "b")]))
    few = KGSplit.from_names([("a", f"r{i}", "b") for i in range(3)], [], [("a", "s", "b")])
    with pytest.raises(InputError, match=r"too few to hold out 2 of 3.*validation: none, or lower protocol\.fraction$"):
        protocol(few, fraction=0.6)
    assert protocol(few).selects
    with pytest.raises(InputError, match=r"too few to hold out 1 of 2: two must be left; write validation: none$"):
        protocol(KGSplit.from_names([("a", f"r{i}", "b") for i in range(2)], [], [("a", "s", "b")]))


class Choosy:
    """Scores by the ids of anchor and answer, and tells what it was asked for."""

    def __init__(self, entities, levels=11):
        self.entities, self.levels, self.asked = entities, levels, []

    def __call__(self, relation, anchors, side):
        return self.among(relation, anchors, side, torch.arange(self.entities))

    def among(self, relation, anchors, side, entities):
        self.asked.append(len(entities))
        return ((anchors[:, None] * 7 + entities * 5 + relation) % self.levels).float()


@pytest.mark.parametrize("levels", [11, 37])
@pytest.mark.parametrize("filtered", [True, False])
def test_scorers_of_some_answers_rank_as_those_of_all(kg, filtered, levels):
    even, most = torch.arange(0, kg.num_entities, 2), torch.arange(3, kg.num_entities)
    rules = [
        CandidateRule("even", dict.fromkeys(range(kg.num_relations), even), {}),
        CandidateRule("most", dict.fromkeys(range(kg.num_relations), most), {}),
    ]
    triples = kg.test[(kg.test[:, 2] >= 3) | (kg.test[:, 2] % 2 == 0)]
    choosy = Choosy(kg.num_entities, levels)
    asked = {"sides": "tail", "filtered": filtered, "top": 4}
    found = evaluate(kg, triples, choosy, rules, **asked)
    assert set(choosy.asked) == {kg.num_entities - 1}  # entity 1 is no candidate
    expected = evaluate(kg, triples, choosy.__call__, rules, **asked)
    for name in ("even", "most"):
        assert torch.equal(found.ranks[name], expected.ranks[name])
        assert torch.equal(found.counts[name], expected.counts[name])
    assert found.outside == expected.outside
    if levels > kg.num_entities:  # no ties, which are kept in any order
        assert torch.equal(found.best, expected.best)


def test_a_true_answer_outside_the_candidates_is_not_given_away(kg):
    truth = torch.unique(kg.test[:, 2])
    others = torch.tensor([i for i in range(kg.num_entities) if i not in truth.tolist()])
    rule = CandidateRule("others", dict.fromkeys(range(kg.num_relations), others), {})
    choosy = Choosy(kg.num_entities)
    found = evaluate(kg, kg.test, choosy, [rule], sides="tail")
    assert set(choosy.asked) == {kg.num_entities}
    assert found.outside["others"] == len(kg.test)
