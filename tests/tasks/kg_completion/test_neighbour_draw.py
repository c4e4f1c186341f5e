"""Drawn neighbours: how many, whose, that they hang on names alone, and that no hidden relation leaves a trace."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion import EntityVectors, RelationCompleter, load_completer
from kgzsl.tasks.kg_completion.entity_blocks import EntityBlocks
from kgzsl.tasks.kg_completion.neighbour_draw import NeighbourDraw
from kgzsl.tasks.kg_completion.new_facts import take_facts
from kgzsl.tasks.kg_completion.pair_encoder import PairEncoder
from kgzsl.tasks.kg_completion.pair_features import PairFeatures
from kgzsl.tasks.kg_completion.pair_graph import PairGraph, relation_arcs
from tests.tasks.kg_completion.renumbering import renumbered

SMALL = {"dim": 8, "link_dim": 8, "steps": 3, "batch_size": 8, "queries": 6, "corrupted": 5, "support": 3}
ASKED = torch.tensor([1.0, 0.5, 0.5, 0.0, 0.0, 0.0])


def quiet(**options):
    return Engine(progress=False, device="cpu", precision="32-true", **options)


def drawn(kg: KGSplit, most: int, seed: int = 0) -> PairGraph:
    graph, seen = relation_arcs(kg.train, kg.num_entities, kg.num_relations)
    random = torch.Generator().manual_seed(seed)
    return graph.drawing(NeighbourDraw.make(most, kg.entities, kg.names_of(seen), random))


@pytest.fixture(params=[0, 1, 2])
def crowded(request) -> KGSplit:
    """30 entities; some have many facts, most of one relation or of several, one has a single fact, one has loops."""
    random = np.random.default_rng(request.param)
    rows = [(f"e{a}", f"r{r}", f"e{b}") for a, r, b in random.integers((26, 6, 26), size=(150, 3)).tolist()]
    rows += [("e0", "r0", f"e{i}") for i in range(25)] + [(f"e{i}", "r1", "e1") for i in range(25)]
    rows += [("e2", f"r{r}", "e2") for r in range(5)] + [("lonely", "r2", "e3")]
    return KGSplit.from_names([rows[i] for i in random.permutation(len(rows))], [], [])


def told(profile: tuple[torch.Tensor, ...], rows: int) -> list[dict[int, int]]:
    """Kind to count for each row."""
    found: list[dict[int, int]] = [{} for _ in range(rows)]
    for row, kind, count in zip(*(part.tolist() for part in profile), strict=True):
        if count:
            assert kind not in found[row]
            found[row][kind] = count
    return found


def named_arcs(kg: KGSplit, graph: PairGraph) -> set[tuple[str, str, bool, str]]:
    assert graph.neighbours is not None
    arcs, _, _ = graph.neighbours.choose(graph)
    seen = kg.names_of(torch.unique(kg.train[:, 1]))
    rows = zip(graph.source[arcs].tolist(), graph.kind[arcs].tolist(), graph.target[arcs].tolist(), strict=True)
    return {(kg.entities[s], seen[k % len(seen)], k < len(seen), kg.entities[t]) for s, k, t in rows}


@pytest.mark.parametrize("most", [1, 4, 9, 1000])
def test_no_entity_has_more_than_are_drawn_and_all_are_its_own(crowded, most):
    graph = drawn(crowded, most)
    arcs, _, _ = graph.neighbours.choose(graph)
    assert len(torch.unique(arcs)) == len(arcs)
    each = torch.bincount(graph.source[arcs], minlength=graph.num_entities)
    assert torch.equal(each, graph.degree.clamp(max=most))
    everyone = torch.arange(graph.num_entities)
    whole, _ = relation_arcs(crowded.train, crowded.num_entities, crowded.num_relations)
    part, every = (told(one.profiles.of(everyone), graph.num_entities) for one in (graph, whole))
    assert [sum(one.values()) for one in part] == each.tolist()
    assert all(
        count <= all_of_it[kind] for one, all_of_it in zip(part, every, strict=True) for kind, count in one.items()
    )


@pytest.mark.parametrize("most", [1, 2, 5, 12, 20])
def test_a_hidden_relation_leaves_its_places_to_others(crowded, most):
    """With a relation hidden an entity has the neighbours that it would have had without it."""
    graph, vectors = drawn(crowded, most), torch.randn(crowded.num_entities, 3)
    everyone = torch.arange(graph.num_entities)
    blocks = EntityBlocks(vectors, graph.num_relations, 4)
    short = 0
    for relation in range(graph.num_relations):
        never, hidden = graph.without(relation), torch.full_like(everyone, relation)
        found = graph.profiles.of(everyone, hidden)
        assert told(found, len(everyone)) == told(never.profiles.of(everyone), len(everyone))
        torch.testing.assert_close(blocks.neighbours(graph, everyone, hidden), blocks.neighbours(never, everyone))
        # Looking up is bounded, too, whatever is hidden.
        assert int(torch.bincount(found[0]).max()) <= 2 * most
        row, kind, count = graph.profiles.of(everyone)
        left = torch.zeros_like(everyone).index_add_(0, row, count * (kind % graph.num_relations != relation))
        short += int((left < never.degree.clamp(max=most)).sum())
    assert short > 0


def test_a_hidden_relation_leaves_no_trace_in_the_features(crowded):
    graph, vectors = drawn(crowded, 5), torch.randn(crowded.num_entities, 3)
    encoder = PairEncoder(graph.num_relations, dim=8, link_dim=8, entity_vectors=vectors)
    heads, tails = crowded.train[:, 0], crowded.train[:, 2]
    amount = torch.zeros(len(heads), 7)
    for relation in range(graph.num_relations):
        hidden = torch.full_like(heads, relation)
        found = encoder(graph, heads, tails, amount, hidden)
        torch.testing.assert_close(found, encoder(graph.without(relation), heads, tails, amount))
        assert not torch.allclose(found, encoder(graph, heads, tails, amount))


def test_the_draw_is_even_and_each_entity_has_its_own():
    kg = KGSplit.from_names([(hub, "r", f"e{i}") for hub in "ab" for i in range(40)], [], [])
    hubs = {hub: kg.entities.index(hub) for hub in "ab"}
    counts = torch.zeros(40)
    alike = 0
    for seed in range(300):
        graph = drawn(kg, 10, seed)
        arcs, _, _ = graph.neighbours.choose(graph)
        of = {hub: set(graph.target[arcs][graph.source[arcs] == place].tolist()) for hub, place in hubs.items()}
        for target in of["a"]:
            counts[int(kg.entities[target][1:])] += 1
        alike += len(of["a"] & of["b"])
    # Each neighbour is drawn 75 times in the mean, with a deviation of 7.5; two draws share 2.5 neighbours.
    assert counts.min() > 45
    assert counts.max() < 105
    assert 2.2 < alike / 300 < 2.8


def test_both_directions_of_a_relation_are_drawn_apart():
    rows = [(a, "r", b) for i in range(20) for a, b in (("hub", f"e{i}"), (f"e{i}", "hub"))]
    kg = KGSplit.from_names(rows, [], [])
    twice = 0
    for seed in range(200):
        graph = drawn(kg, 10, seed)
        arcs, _, _ = graph.neighbours.choose(graph)
        mine = graph.target[arcs][graph.source[arcs] == kg.entities.index("hub")]
        twice += len(mine) - len(torch.unique(mine))
    # 20 neighbours by two arcs each: 20 * 10/40 * 9/39 of them are drawn both ways.
    assert 0.9 < twice / 200 < 1.4


def test_another_numbering_draws_the_same_and_another_seed_does_not(crowded):
    other = renumbered(crowded, 1)
    found = named_arcs(crowded, drawn(crowded, 5))
    assert found == named_arcs(other, drawn(other, 5))
    assert found == named_arcs(crowded, drawn(crowded, 5))
    assert found != named_arcs(crowded, drawn(crowded, 5, seed=1))


def test_a_fit_draws_by_names_and_by_its_seed(crowded):
    def fit(kg, seed, **options):
        priors = torch.randn(len(kg.seen_relations), 4, generator=torch.Generator().manual_seed(1))
        options = {**SMALL, "steps": 0, "neighbours": 5, **options}
        return named_arcs(kg, PairFeatures(**options).fit(kg, priors, engine=quiet(seed=seed)).graph)

    assert fit(crowded, 0) == fit(renumbered(crowded, 1), 0)
    assert fit(crowded, 0) != fit(crowded, 1)
    # Whatever else is drawn for the training.
    assert fit(crowded, 0) == fit(crowded, 0, queries=4, corrupted=3, dim=4)


def test_what_leaves_nothing_out_changes_nothing(kg, seen_rows):
    vectors = EntityVectors(kg.entities, torch.randn(kg.num_entities, 5, generator=torch.Generator().manual_seed(3)))
    options = {**SMALL, "loss": "margin", "prototype": "support", "table_lr": 0.01}
    most = int(relation_arcs(kg.train, kg.num_entities, kg.num_relations)[0].degree.max())
    fits = [
        PairFeatures(**options, neighbours=given).fit(kg, seen_rows, engine=quiet(), vectors=vectors)
        for given in (None, most, most // 2)
    ]
    weights = [torch.cat([value.flatten() for value in one.encoder.state_dict().values()]) for one in fits]
    assert torch.equal(weights[1], weights[0])
    assert not torch.equal(weights[2], weights[0])
    pairs = [one.pairs(kg.train[:, 0], kg.train[:, 2], ASKED) for one in fits]
    assert torch.equal(pairs[1], pairs[0])
    assert not torch.equal(pairs[2], pairs[0])


@pytest.mark.parametrize("side", ["tail", "head"])
def test_scores_of_all_pairs_equal_those_of_each_pair(kg, seen_rows, side):
    fitted = PairFeatures(**SMALL, neighbours=2).fit(kg, seen_rows, engine=quiet())
    prototype = torch.randn(fitted.encoder.dim, generator=torch.Generator().manual_seed(1))
    anchors, everyone = torch.tensor([0, 5, 30]), torch.arange(kg.num_entities)
    scores = fitted.scores(prototype, anchors, ASKED, side=side)
    for row, anchor in enumerate(anchors):
        fixed = torch.full_like(everyone, int(anchor))
        heads, tails = (fixed, everyone) if side == "tail" else (everyone, fixed)
        torch.testing.assert_close(scores[row], fitted.pairs(heads, tails, ASKED) @ prototype, atol=1e-5, rtol=1e-4)


def test_links_and_walks_go_by_all_facts(crowded):
    whole, _ = relation_arcs(crowded.train, crowded.num_entities, crowded.num_relations)
    graph, everyone = drawn(crowded, 2), torch.arange(crowded.num_entities)
    for one, other in zip(graph.walks(everyone), whole.walks(everyone), strict=True):
        assert torch.equal(one, other)
    heads, tails = crowded.train[:, 0], crowded.train[:, 2]
    for one, other in zip(graph.links(heads, tails), whole.links(heads, tails), strict=True):
        assert torch.equal(one, other)


def test_a_model_with_drawn_neighbours_is_saved_and_grows(kg, priors, tmp_path):
    def scores(one):
        return one.scores("residesIn", torch.arange(10))

    pairs = {**SMALL, "neighbours": 3}
    model = RelationCompleter(None, pairs=pairs, device="cpu", precision="32-true").fit(kg, priors)
    loaded = load_completer(model.save(tmp_path / "model"), device="cpu")
    assert torch.equal(scores(loaded), scores(model))
    loaded.set_facts(kg.train)
    assert torch.equal(scores(loaded), scores(model))
    before = told(model.features_.graph.profiles.of(torch.arange(kg.num_entities)), kg.num_entities)
    for one in (model, loaded):
        for name in ("zoe", "yan"):
            take_facts(one, [(name, "livesIn", "c5")])
    assert torch.equal(scores(loaded), scores(model))
    count = len(model.entities_)
    after = told(model.features_.graph.profiles.of(torch.arange(count)), count)
    place = kg.entities.index("c5")
    assert [one for i, one in enumerate(after[: kg.num_entities]) if i != place] == before[:place] + before[place + 1 :]
    assert sum(after[place].values()) == 3
    assert [sum(one.values()) for one in after[kg.num_entities :]] == [1, 1]
    # Later entities have numbers of their own, and are drawn like others.
    numbers = model.features_.graph.neighbours.entities
    assert len(torch.unique(numbers)) == count


def test_an_entity_with_very_many_neighbours_costs_no_more_than_others():
    spokes, kinds, most = 100_000, 2000, 50
    triples = torch.stack([torch.zeros(spokes), torch.arange(spokes) % kinds, torch.arange(1, spokes + 1)], 1).long()
    names = [f"{i:06}" for i in range(spokes + 1)]
    draw = NeighbourDraw.make(most, names, names[:kinds], torch.Generator().manual_seed(0))
    whole = PairGraph(triples, spokes + 1, kinds)
    graph = whole.drawing(draw)
    hub, hidden = torch.zeros(64, dtype=torch.int64), torch.arange(64)
    assert len(whole.profiles.of(hub)[0]) == 64 * kinds
    assert len(graph.profiles.of(hub)[0]) <= 64 * most
    assert len(graph.profiles.of(hub, hidden)[0]) <= 64 * 2 * most
    # One entry for each spoke; the hub's own, and those that may take their places.
    assert len(graph.profiles.kind) <= spokes + 2 * most


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "50"])
def test_what_is_no_number_of_neighbours_is_refused(value):
    with pytest.raises(InputError, match=rf"pairs\.neighbours is {value!r}"):
        RelationCompleter(pairs={"neighbours": value})


def test_a_training_goes_on_with_as_many_neighbours_only(kg, seen_rows, tmp_path):
    def fit(neighbours, **options):
        engine = quiet(checkpoint=tmp_path, **options)
        return PairFeatures(**{**SMALL, "steps": 4}, neighbours=neighbours).fit(kg, seen_rows, engine=engine)

    fit(2, checkpoint_every=2)
    with pytest.raises(InputError, match="another neighbours"):
        fit(3, resume=True)
