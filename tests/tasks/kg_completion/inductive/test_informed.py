"""Schema edges by hand, vectors of new edge types, and ULTRA beside evidence."""

from __future__ import annotations

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.inductive import (
    CHAIN_MEETINGS,
    MEETINGS,
    SCHEMA_MEETINGS,
    FactGraph,
    InductiveTask,
    InformedUltra,
    Surroundings,
    Ultra,
    adapt_meetings,
    evaluate_inductive,
    schema_meetings,
)

X, RDFS, OWL = "http://x/", "http://www.w3.org/2000/01/rdf-schema#", "http://www.w3.org/2002/07/owl#"
SCHEMA = ClassGraph.from_triples(
    [
        (X + "livesIn", RDFS + "subPropertyOf", X + "knows"),
        (X + "hasCity", OWL + "inverseOf", X + "liesIn"),
        (X + "livesIn", RDFS + "range", X + "City"),
        (X + "liesIn", RDFS + "domain", X + "City"),
        (X + "bornIn", RDFS + "range", X + "City"),
    ]
)
RELATIONS = ("livesIn", "knows", "hasCity", "liesIn", "bornIn", "unheardOf")  # inverses are 6 .. 11


def pairs(edges: torch.Tensor) -> set[tuple[int, int]]:
    return {(a, b) for a, b in edges.T.tolist()}


def test_schema_edges_by_hand():
    found = schema_meetings(SCHEMA, RELATIONS)
    assert tuple(found) == SCHEMA_MEETINGS
    assert pairs(found["sub-property"]) == {(1, 0), (7, 6)}
    assert pairs(found["super-property"]) == {(0, 1), (6, 7)}
    assert pairs(found["inverse"]) == {(2, 9), (9, 2), (3, 8), (8, 3)}
    # City is the range of livesIn and bornIn, and the domain of liesIn; so it is the range of liesIn's inverse.
    assert pairs(found["range-range"]) == {(a, b) for a in (0, 4, 9) for b in (0, 4, 9) if a != b}
    assert pairs(found["domain-domain"]) == {(a, b) for a in (3, 6, 10) for b in (3, 6, 10) if a != b}
    assert (3, 0) in pairs(found["domain-range"])
    assert (0, 3) in pairs(found["range-domain"])
    nothing = schema_meetings(ClassGraph.from_triples([("a", "b", "c")]), RELATIONS)
    assert all(edges.shape == (2, 0) for edges in nothing.values())


CHAINS = """@prefix : <http://x/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
:aunt a owl:ObjectProperty ; owl:propertyChainAxiom ( :parent :sister ) , ( :parent :brother :married ) .
:ancestor a owl:ObjectProperty ; owl:propertyChainAxiom ( :ancestor :parent ) .
:other a owl:ObjectProperty ; owl:propertyChainAxiom ( [ owl:inverseOf :parent ] :brother ) .
:parent a owl:ObjectProperty . :sister a owl:ObjectProperty . :brother a owl:ObjectProperty .
"""


def test_composition_edges_of_property_chains_by_hand(tmp_path):
    (tmp_path / "chains.ttl").write_text(CHAINS)
    schema = ClassGraph.read(tmp_path / "chains.ttl")
    # aunt 0, parent 1, sister 2, brother 3, ancestor 4, other 5; inverses are 6 .. 11. Nobody knows :married here.
    found = schema_meetings(schema, ("aunt", "parent", "sister", "brother", "ancestor", "other"))
    # Backwards the first link is the last, and the last the first.
    assert pairs(found["made-first"]) == {(0, 1), (6, 8), (10, 7)} | {(5, 7), (11, 9)}
    assert pairs(found["made-last"]) == {(0, 2), (4, 1), (6, 7)} | {(5, 3), (11, 1)}
    assert pairs(found["link-next"]) == {(1, 2), (1, 3), (4, 1), (8, 7), (9, 7), (7, 10)} | {(7, 3), (9, 1)}
    for one, other in (("made-first", "first-made"), ("made-last", "last-made"), ("link-next", "next-link")):
        assert pairs(found[other]) == {(a, b) for b, a in pairs(found[one])}


def test_what_a_chain_is_made_of_is_heard_where_facts_tell_nothing_and_in_its_order(tmp_path):
    relations = ("aunt", "parent", "sister")
    # 0 -parent-> 1 -sister-> 2 and 0 -sister-> 3 -parent-> 4: alike but for the schema, and nothing is known of aunt.
    facts = torch.tensor([[0, 1, 1], [1, 2, 2], [0, 2, 3], [3, 1, 4]])
    torch.manual_seed(0)
    model = Ultra(8, 3, meetings=(*MEETINGS, *CHAIN_MEETINGS)).eval()

    def scores(chain, facts, *kinds):
        text = CHAINS.partition(":aunt")[0] + ":aunt a owl:ObjectProperty ; owl:propertyChainAxiom ( " + chain + " ) ."
        (tmp_path / "chain.ttl").write_text(text + ":parent a owl:ObjectProperty . :sister a owl:ObjectProperty .")
        found = schema_meetings(ClassGraph.read(tmp_path / "chain.ttl"), relations)
        told = {name: found[name][:, : None if name in kinds else 0] for name in CHAIN_MEETINGS}
        return model.score(FactGraph(facts, 5, 3, extra_meetings=told), torch.tensor([0]), torch.tensor([0]))[0]

    silent, told = scores(":parent :sister", facts), scores(":parent :sister", facts, *CHAIN_MEETINGS)
    torch.testing.assert_close(silent[[1, 2]], silent[[3, 4]])
    least = 1e-3 * float(told.abs().max())
    assert float((told[2] - told[4]).abs()) > least
    # The other order says of the one path what this one says of the other.
    torch.testing.assert_close(scores(":sister :parent", facts, *CHAIN_MEETINGS), told[[0, 3, 4, 1, 2]])
    for name in CHAIN_MEETINGS[:4]:
        assert not torch.allclose(scores(":parent :sister", facts, name), silent), name
    for name in CHAIN_MEETINGS[4:]:
        with_it = scores(":parent :sister", facts, *CHAIN_MEETINGS[:4], name)
        assert not torch.allclose(with_it, scores(":parent :sister", facts, *CHAIN_MEETINGS[:4])), name


@pytest.fixture
def inductive(kg, priors):
    """The little world, given at test time with its people and cities renamed."""
    test = [(kg.entities[h] + "'", kg.relations[r], kg.entities[t] + "'") for h, r, t in kg.test.tolist()]
    train = [(kg.entities[h], kg.relations[r], kg.entities[t]) for h, r, t in kg.train.tolist()]
    support = [(h + "'", r, t + "'") for h, r, t in train]
    return KGSplit.from_names(train, [], test, support=support, unseen_relations=["residesIn", "nationOf"])


def test_tasks_have_ids_of_their_own(inductive):
    task, training = InductiveTask.inference(inductive), InductiveTask.training(inductive)
    assert len(task.entities) == len(training.entities) == 36
    assert all(name.endswith("'") for name in task.entities)
    assert set(task.relations) == set(training.relations) | {"residesIn", "nationOf"}
    first = task.facts[0].tolist()
    assert (task.entities[first[0]], task.relations[first[1]]) == (
        inductive.entities[int(inductive.support[0, 0])],
        inductive.relations[int(inductive.support[0, 1])],
    )
    assert len(task.known) == len(inductive.support) + len(inductive.test)


def test_only_new_edge_types_are_taught(inductive):
    task = InductiveTask.training(inductive)
    meetings = schema_meetings(SCHEMA, task.relations)
    torch.manual_seed(0)
    model = Ultra(8, 2, meetings=(*MEETINGS, *SCHEMA_MEETINGS))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sizes = len(task.entities), len(task.relations)
    adapt_meetings(model, task.facts, *sizes, meetings, steps=3, batch_size=4)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"relation_model.layers.{layer}.relation.weight" for layer in range(2)}
    for name in changed:
        assert torch.equal(model.state_dict()[name][: len(MEETINGS)], before[name][: len(MEETINGS)])


def test_what_new_edge_types_learn_hangs_on_neither_the_order_of_facts_nor_on_numbers(inductive, monkeypatch):
    task = InductiveTask.training(inductive)
    random = torch.Generator().manual_seed(0)
    place, kind = (torch.randperm(len(names), generator=random) for names in (task.entities, task.relations))
    forward = Ultra.forward

    def taught(facts, entities, relations, named=True):
        """What is asked for in three steps, and what is learned of it."""
        asked = []

        def watched(self, graph, heads, directed):
            half = len(heads) // 2
            asked.extend((entities[h], relations[r]) for h, r in zip(heads[:half], directed[:half], strict=True))
            return forward(self, graph, heads, directed)

        monkeypatch.setattr(Ultra, "forward", watched)
        torch.manual_seed(0)
        model = Ultra(8, 2, meetings=(*MEETINGS, *SCHEMA_MEETINGS))
        names = (entities, relations) if named else None
        told = schema_meetings(SCHEMA, relations)
        adapt_meetings(model, facts, len(entities), len(relations), told, names=names, steps=3, batch_size=4)
        tables = [layer.relation.weight.detach() for layer in model.relation_model.stack()]
        return asked, torch.cat(tables)

    shuffled = task.facts[torch.randperm(len(task.facts), generator=random)]
    for named in (True, False):
        first = taught(task.facts, task.entities, task.relations, named)
        again = taught(shuffled, task.entities, task.relations, named)
        assert again[0] == first[0]
        torch.testing.assert_close(again[1], first[1])
    renumbered = torch.stack([place[shuffled[:, 0]], kind[shuffled[:, 1]], place[shuffled[:, 2]]], dim=1)
    entities = [task.entities[i] for i in torch.argsort(place).tolist()]
    relations = [task.relations[i] for i in torch.argsort(kind).tolist()]
    first = taught(task.facts, task.entities, task.relations)
    assert taught(renumbered, entities, relations)[0] == first[0]
    assert taught(renumbered, entities, relations, named=False)[0] != first[0]
    with pytest.raises(InputError, match="1 names of 36 entities and 7 of 7"):
        adapt_meetings(Ultra(8, 2), task.facts, 36, 7, {}, names=(task.entities[:1], task.relations))


def test_evidence_beside_ultra_answers_what_ultra_cannot(inductive, priors):
    torch.manual_seed(0)
    ultra = Ultra(8, 2).eval()  # untrained: it knows nothing
    training, task = InductiveTask.training(inductive), InductiveTask.inference(inductive)
    model = InformedUltra(ultra, queries=40)
    with pytest.raises(InputError, match="not fitted"):
        model.score(task.graph(), task.test[:1, 0], task.test[:1, 1])
    model.fit(training.facts, Surroundings(training.entities, training.relations, priors))
    with pytest.raises(InputError, match="nothing is said"):
        model.score(FactGraph(torch.tensor([[0, 0, 1]]), 2, 1), torch.tensor([0]), torch.tensor([0]))
    model.about(Surroundings(task.entities, task.relations, priors))
    lives = task.test[task.test[:, 1] == task.relations.index("residesIn")]
    informed = evaluate_inductive(model, task.graph(), lives, known=task.known)
    alone = evaluate_inductive(ultra, task.graph(), lives, known=task.known)
    assert informed.metrics["mrr"] > max(0.5, 1.5 * alone.metrics["mrr"])


def test_with_all_weight_on_ultra_it_is_ultra(inductive, priors):
    torch.manual_seed(0)
    ultra, task = Ultra(8, 2).eval(), InductiveTask.inference(inductive)
    around = Surroundings(task.entities, task.relations, priors)
    model = InformedUltra(ultra, queries=8, bare_queries=0).fit(task.facts, around)
    model.weights_ = torch.zeros_like(model.weights_)
    model.weights_[0] = model.scale[0]
    model.about(around)
    graph, heads = task.graph(), torch.tensor([0, 5, 5, 9])
    relations = torch.tensor([0, 1, len(task.relations) + 2, 3])
    expected = ultra.score(graph, heads, relations)
    torch.testing.assert_close(model.score(graph, heads, relations) + model.mean[0], expected, atol=1e-5, rtol=1e-4)


class Knowing:
    """Knows most facts of a graph, those too that are asked for, but makes things up about relations without facts."""

    def __init__(self, task):
        self.task = task

    def score(self, graph, heads, relations, *, budget=0):
        count = graph.num_relations
        true = torch.zeros(2 * count, graph.num_entities, graph.num_entities)
        head, relation, tail = self.task.facts.T
        true[relation, head, tail] = true[relation + count, tail, head] = 1
        noise = torch.rand(true.shape, generator=torch.Generator().manual_seed(0))
        told = torch.isin(torch.arange(2 * count) % count, graph.triples[:, 1])
        return torch.where(told[:, None, None], 2 * true * (noise > 0.3) + noise, 3 * noise)[relations, heads]


def test_a_relation_without_facts_is_told_by_evidence_alone(inductive, priors):
    training, task = InductiveTask.training(inductive), InductiveTask.inference(inductive)
    around = Surroundings(training.entities, training.relations, priors)
    asked = Surroundings(task.entities, task.relations, priors)
    unseen = [task.relations.index(name) for name in ("residesIn", "nationOf")]
    assert not torch.isin(task.facts[:, 1], torch.tensor(unseen)).any()
    found = {}
    for queries in (0, 100):
        model = InformedUltra(Knowing(training), bare_queries=queries, share=0.4).fit(training.facts, around)
        model.ultra = ultra = Knowing(task)
        model.about(asked)
        found[queries] = evaluate_inductive(model, task.graph(), task.test, known=task.known).metrics["mrr"]
    alone = evaluate_inductive(ultra, task.graph(), task.test, known=task.known).metrics["mrr"]
    assert found[100] > alone + 0.2
    assert found[100] > found[0] + 0.03
    weights, bare = model.weights(), model.weights(bare=True)
    assert abs(bare["ultra"]) < 0.5 * weights["ultra"]


def test_the_more_facts_a_relation_has_the_less_the_weights_for_none_count(inductive, priors):
    training = InductiveTask.training(inductive)
    around = Surroundings(training.entities, training.relations, priors)
    model = InformedUltra(Knowing(training), share=0.4).fit(training.facts, around)
    graph = training.graph()
    asked = torch.tensor([0, 1]), torch.tensor([0, len(training.relations) + 2])
    count = torch.bincount(training.facts[:, 1])[[0, 2]].float()
    mixed, bare = model.score(graph, *asked), model.bare_
    model.bare_ = None
    usual = model.score(graph, *asked)
    model.weights_ = bare
    share = 1 / (1 + count[:, None])
    torch.testing.assert_close(mixed, (1 - share) * usual + share * model.score(graph, *asked), atol=1e-4, rtol=1e-4)


def test_weights_that_do_not_hold_are_mended_on_facts_that_are_given(inductive, priors, monkeypatch):
    monkeypatch.setattr("kgzsl.tasks.kg_completion.inductive.informed._CHECKED", 0.4)  # of a world of 97 facts
    training, task = InductiveTask.training(inductive), InductiveTask.inference(inductive)
    around = Surroundings(training.entities, training.relations, priors)
    asked = Surroundings(task.entities, task.relations, priors)
    model = InformedUltra(Knowing(training), bare_queries=0).fit(training.facts, around)
    trained, model.ultra = model.weights_, Knowing(task)
    assert model.adapt(task.facts, asked).trust_ > 0.5
    model.trained_ = model.weights_ = torch.cat([trained[:1], -trained[1:]])  # evidence that misleads
    wrong = model.trained_

    def mrr():
        # Facts that are given, each asked for from a graph that lacks a tenth of them.
        kept = torch.arange(len(task.facts)) % 10 > 0
        graph = FactGraph(task.facts[kept], len(task.entities), len(task.relations))
        return evaluate_inductive(model, graph, task.facts[~kept], known=task.known).metrics["mrr"]

    before = mrr()
    model.adapt(task.facts, asked)
    assert model.trust_ < 0.2
    assert mrr() > before + 0.05
    model.check_queries = 0
    model.adapt(task.facts, asked)
    assert torch.equal(model.weights_, wrong)
    assert model.trust_ == 1


def test_a_graph_without_a_fact_to_spare_leaves_the_weights_alone(inductive, priors):
    training, task = InductiveTask.training(inductive), InductiveTask.inference(inductive)
    model = InformedUltra(Knowing(training), bare_queries=0)
    with pytest.raises(InputError, match="not fitted"):
        model.adapt(task.facts, Surroundings(task.entities, task.relations, priors))
    model.fit(training.facts, Surroundings(training.entities, training.relations, priors))
    model.trained_ = model.weights_ = -model.weights_
    tree = torch.stack([torch.arange(35), torch.zeros(35, dtype=torch.int64), torch.arange(1, 36)], dim=1)
    model.adapt(tree, Surroundings(task.entities, task.relations, priors))
    assert model.weights_ is model.trained_
    with pytest.raises(InputError, match="check_queries is -1"):
        InformedUltra(Ultra(8, 1), check_queries=-1)
    with pytest.raises(InputError, match="bare_queries is -1"):
        InformedUltra(Ultra(8, 1), bare_queries=-1)


def test_splits_without_such_a_graph_are_refused(kg):
    with pytest.raises(InputError, match="no graph that is given at test time"):
        InductiveTask.inference(kg)
    with pytest.raises(InputError, match="share is 2"):
        InformedUltra(Ultra(8, 1), share=2)


def test_the_penalty_holds_the_weights_of_evidence_and_not_ultras(inductive, priors):
    task = InductiveTask.training(inductive)
    around = Surroundings(task.entities, task.relations, priors)
    torch.manual_seed(0)
    ultra = Ultra(8, 2)
    loose, firm = (
        InformedUltra(ultra, queries=20, others=40, penalty=penalty).fit(task.facts, around).weights_
        for penalty in (1e-3, 10.0)
    )
    assert firm[1:].square().sum() < 0.05 * loose[1:].square().sum()
    assert firm[0].abs() > firm[1:].abs().max()
