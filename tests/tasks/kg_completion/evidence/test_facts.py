"""Evidence by hand on a graph of five entities."""

from __future__ import annotations

import math

import pytest
import torch

from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.evidence.facts import ENTITY, PAIR, QUERY, FactEvidence
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.evidence.names import NameTable, local_name

NAMES = ("x:person:ann_lee", "x:person:bob_lee", "x:city:lee_town", "x:city:rome", "x:land:italy")
# Relations: 0 livesIn (person, city), 1 liesIn (city, land), 2 capital (land, city), 3 is asked for.
FACTS = torch.tensor([[0, 0, 2], [1, 0, 3], [1, 0, 2], [3, 1, 4], [4, 2, 3]])
PRIORS = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [3.0, 4.0, 0.0]])  # cosines 0.6, 0.8, 0
KINDS = EntityKinds(("city", "land", "person"), torch.tensor([2, 2, 0, 0, 1]))


def evidence(**options) -> FactEvidence:
    return FactEvidence(FACTS, 5, PRIORS, KINDS, dim=3, **options)


def pairs(made: FactEvidence, anchors) -> dict[str, torch.Tensor]:
    return dict(zip(PAIR, made.of_pairs(3, torch.tensor(anchors)), strict=True))


def test_links_by_similarity_and_direction():
    found = pairs(evidence(), [3])
    row = found["link.similar"][0]
    torch.testing.assert_close(row, torch.tensor([0, 0, 0, 0, 0.64]))  # Rome lies in Italy: 0.8 ** 2
    torch.testing.assert_close(found["back_link.similar"][0], torch.tensor([0, 0.36, 0, 0, 0.0]))  # Bob lives there
    assert found["back_link.all"][0].tolist() == [0, 1, 0, 0, 1]
    assert found["link.nearest"][0, 4] == 1
    torch.testing.assert_close(found["back_link.near"][0, 1], torch.tensor(math.exp(15 * -0.2)))
    torch.testing.assert_close(found["link_most"][0], torch.tensor([0, 0.6, 0, 0, 0.8]))
    assert found["link_share"][0, 4] == 1


def test_walks_do_not_return_and_last_steps_go_forward():
    found = pairs(evidence(), [0])
    assert found["itself"][0].tolist() == [1, 0, 0, 0, 0]
    assert found["walk2"][0, 0] == 0
    assert found["walk2"][0, 1] > 0  # through the town
    assert found["walk3"][0, 3] > 0  # and on to Rome
    assert found["walk2"][0, 3] == 0
    # Two steps whose last one is livesIn or liesIn towards its tail: none ends at a person.
    assert found["walk_last.near"][0, 1] == 0
    assert found["walk3_last.near"][0, 3] > 0
    # Bob is of Ann's kind, and lives in Rome too.
    assert found["peers"][0, 3] > 0
    assert found["from_kind"][0, 2] == pytest.approx(math.log(3))
    assert found["from_kind_share"][0, 3] == pytest.approx(1 / 3)  # one of Rome's three arcs leads to a person


def test_what_relations_have_at_their_ends():
    made = evidence()
    row = dict(zip(ENTITY, made.of_entities(3).T, strict=True))
    torch.testing.assert_close(row["tail.similar"][2], torch.tensor(math.log1p(2 * 0.36)))
    torch.testing.assert_close(row["tail.similar"][4], torch.tensor(math.log1p(0.64)))
    shares = (0.36 * torch.tensor([1.0, 0, 0]) + 0.64 * torch.tensor([0, 1.0, 0])) / (0.36 + 0.64)
    torch.testing.assert_close(row["kind.similar"], ((shares + 1e-4).log() / 4)[KINDS.of])
    query = dict(zip(QUERY, made.of_query(3, torch.tensor([1, 3])).T, strict=True))
    torch.testing.assert_close(query["nearest_cosine"], torch.full((2,), 0.8))
    torch.testing.assert_close(query["anchor_head.similar"], torch.log1p(torch.tensor([0.72, 0.64])))
    assert query["range_known"].tolist() == [0, 0]
    near = math.exp(15 * -0.2), 1.0, math.exp(15 * -0.8)
    # Only livesIn has more tails than heads: three pairs of two heads, and of two tails.
    expected = near[0] * math.log(1.5) / sum(near)
    torch.testing.assert_close(query["tails_per_head"], torch.full((2,), expected))


def test_turned_round_heads_are_asked_for():
    turned = pairs(evidence(turned=True), [4])
    torch.testing.assert_close(turned["link.similar"][0], torch.tensor([0, 0, 0, 0.64, 0]))


def test_names_and_permuted_ids():
    order = torch.tensor([3, 0, 4, 1, 2])  # entity i becomes order[i]
    moved = FACTS.clone()
    moved[:, 0], moved[:, 2] = order[FACTS[:, 0]], order[FACTS[:, 2]]
    kinds = torch.empty(5, dtype=torch.int64)
    kinds[order] = KINDS.of
    names = [""] * 5
    for old, new in enumerate(order.tolist()):
        names[new] = NAMES[old]
    one = FactEvidence(FACTS, 5, PRIORS, KINDS, (NameTable(NAMES), NameTable(NAMES, size=0)), dim=3)
    two = FactEvidence(
        moved, 5, PRIORS, EntityKinds(KINDS.names, kinds), (NameTable(names), NameTable(names, size=0)), dim=3
    )
    first, second = pairs(one, [1]), pairs(two, [int(order[1])])
    random = {"place_cosine", *(f"place_pair.{kernel}" for kernel in ("similar", "near", "nearest"))}
    for name in set(PAIR) - random:
        torch.testing.assert_close(second[name][:, order], first[name], msg=name, atol=1e-5, rtol=1e-4)
    assert first["words"][0, 0] > 0  # Bob Lee and Ann Lee
    assert first["words"][0, 3] == 0
    assert first["words"][0, 1] == 0  # itself does not count
    assert first["pieces"][0, 2] > 0


def test_local_names():
    assert local_name("http://a.org/x#New_York-City") == "new york city"
    assert local_name("concept:city:rome") == "rome"


def test_kinds_that_the_schema_allows():
    base, rdfs = "http://x/", "http://www.w3.org/2000/01/rdf-schema#"
    schema = ClassGraph.from_triples(
        [
            (base + "livesIn", rdfs + "range", base + "settlement"),
            (base + "city", rdfs + "subClassOf", base + "settlement"),
            (base + "livesIn", rdfs + "domain", base + "person"),
        ]
    )
    read = EntityKinds.read(NAMES, ("livesIn", "liesIn"), schema)
    assert read.names == ("", "city", "person")  # the schema knows no land
    assert read.allowed(0, "tail").tolist() == [False, True, False]
    assert read.allowed(0, "head").tolist() == [False, False, True]
    assert read.allowed(1, "tail") is None
    told = {"x:land:italy": base + "city"}
    assert EntityKinds.read(NAMES, (), schema, lambda name: told.get(name, "")).of.tolist() == [0, 0, 0, 0, 1]
    made = FactEvidence(FACTS, 5, PRIORS, read, dim=3)
    assert made.of_entities(0)[:, -1].tolist() == [0, 0, 1, 1, 0]
    assert made.of_query(0, torch.tensor([0]))[0, -1] == 1
    assert len(EntityKinds.read(("a", "b"), ("r",))) == 1


def random_evidence(turned: bool) -> FactEvidence:
    random = torch.Generator().manual_seed(0)
    triples = torch.randint(0, 50, (300, 3), generator=random)  # ten of the 60 entities have no arc
    triples[:, 1] %= 5
    triples[:20, 2] = triples[:20, 0]
    names = [f"x:kind{i % 4}:word{i % 7} other{i % 11}" for i in range(60)]
    kinds = EntityKinds.read(names, list("abcdef"))
    tables = (NameTable(names), NameTable(names, size=0))
    return FactEvidence(triples, 60, torch.randn(6, 8, generator=random), kinds, tables, turned=turned, dim=6)


def same(name, found, expected):
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0, msg=lambda told: f"{name}: {told}")


def test_evidence_of_some_answers_is_that_of_all_at_their_places():
    made, anchors = random_evidence(turned=True), torch.tensor([0, 9, 9, 55])
    answers = torch.randint(0, 60, (4, 30), generator=torch.Generator().manual_seed(0))
    answers[:, 0] = anchors
    few = torch.tensor([55, 3, 9, 41, 0, 58])  # some of the anchors, one without an arc
    for relation in (5, 2):
        whole, some = made.of_pairs(relation, anchors), made.of_pairs(relation, anchors, answers)
        for name, one, other in zip(PAIR, whole, some, strict=True):
            same(name, other, one.gather(1, answers))
        whole, some = made.of_pairs(relation, anchors), made.of_pairs(relation, anchors, entities=few)
        for name, one, other in zip(PAIR, whole, some, strict=True):
            same(name, other, one[:, few])
        rows = made.of_entities(relation)
        same("entities", made.of_entities(relation, answers[0]), rows[answers[0]])


def test_walks_are_products_of_the_whole_matrices():
    made, anchors, relation = random_evidence(turned=False), torch.tensor([0, 9, 55, 21]), 5
    graph, about = made.graph, made.similarities(5)

    def matrix(weights):
        found = torch.zeros(60, 60, dtype=torch.float64)
        found.index_put_((graph.source, graph.target), weights.double(), accumulate=True)
        scale = torch.bincount(graph.source, minlength=60).clamp(min=1).double().rsqrt()
        return scale[:, None] * found * scale

    def strength(states):
        states = states.clone()
        states[anchors, torch.arange(4)] = 0
        return (torch.log1p(states * 1e4) / math.log1p(1e4)).T.float()

    def share(states):
        states = states.clone()
        states[anchors, torch.arange(4)] = 0
        return (torch.log1p(states / states.sum(0).clamp(min=1e-12) * 1e3) / math.log1p(1e3)).T.float()

    step = matrix(torch.ones(len(graph.kind)))
    start = torch.eye(60, dtype=torch.float64)[:, anchors]
    one, two, three = step @ start, step @ step @ start, step @ step @ step @ start
    expected = {"walk1": strength(one), "walk2": strength(two), "walk2_share": share(two)}
    expected |= {"walk3": strength(three), "walk3_share": share(three)}
    for kernel in ("similar", "near"):
        weight = about[kernel][graph.kind % graph.num_relations]
        last, both = matrix(weight * (graph.kind >= graph.num_relations)), matrix(weight)
        expected[f"walk_last.{kernel}"] = strength(last @ one)
        expected[f"walk_first.{kernel}"] = strength(step @ both @ start)
        expected[f"walk3_last.{kernel}"] = strength(last @ two)
    peers = step @ (two * (made.kinds.of[:, None] == made.kinds.of[anchors]))
    expected |= {"peers": strength(peers), "peers_share": share(peers)}
    likely = (about["near"] / about["near"].sum()) @ made.kind_share
    expected["through_range"] = strength(step @ step @ (one * likely[made.kinds.of][:, None]))
    few = torch.tensor([9, 2, 55, 30])
    ways = ({}, {"entities": few}, {"answers": few.expand(4, -1)})
    for options in ways:
        found = dict(zip(PAIR, made.of_pairs(relation, anchors, **options), strict=True))
        for name, table in expected.items():
            torch.testing.assert_close(
                found[name],
                table[:, few] if options else table,
                atol=2e-5,
                rtol=1e-5,
                msg=lambda told, n=name: n + told,
            )


def test_what_is_at_the_ends_is_counted_arc_by_arc():
    made = random_evidence(turned=False)
    about = made._about(5)
    for kernel in ("all", "similar", "near", "nearest"):
        heads, tails = made.graph.near_ends(about[kernel])
        torch.testing.assert_close(about[f"as_head.{kernel}"], heads)
        torch.testing.assert_close(about[f"as_tail.{kernel}"], tails)


def test_which_of_many_pairs_count_hangs_on_no_other_relation():
    random = torch.Generator().manual_seed(2)
    triples = torch.randint(60, (300, 3), generator=random) % torch.tensor([60, 4, 60])
    other, kinds = triples.clone(), EntityKinds(("",), torch.zeros(60, dtype=torch.int64))
    other[:, 1] = 3 - other[:, 1]
    one, two = (FactEvidence(facts, 60, torch.eye(4), kinds, dim=6, pairs_per_relation=9) for facts in (triples, other))
    torch.testing.assert_close(two.product["place"].flip(0), one.product["place"])
    every = FactEvidence(triples, 60, torch.eye(4), kinds, dim=6)
    assert not torch.allclose(every.product["place"], one.product["place"])
