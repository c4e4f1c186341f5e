"""Pair features by vectors of entities: what they see, what they must not, and that they come along everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import EntityVectors, RelationCompleter, load_completer, run
from kgzsl.tasks.kg_completion.entity_blocks import EntityBlocks
from kgzsl.tasks.kg_completion.pair_encoder import PairEncoder
from kgzsl.tasks.kg_completion.pair_features import PairFeatures
from kgzsl.tasks.kg_completion.pair_graph import PairGraph
from kgzsl.tasks.ranking import realistic_ranks

SMALL = {"dim": 8, "link_dim": 8, "steps": 3, "batch_size": 8, "queries": 6, "corrupted": 5, "support": 3}
ASKED = torch.tensor([1.0, 0.5, 0.5, 0.0, 0.0, 0.0])


def quiet(**options):
    return Engine(progress=False, device="cpu", precision="32-true", **options)


@pytest.fixture
def vectors(kg):
    random = torch.Generator().manual_seed(3)
    return EntityVectors(kg.entities, torch.randn(kg.num_entities, 5, generator=random))


@pytest.fixture
def fitted(kg, seen_rows, vectors):
    return PairFeatures(**SMALL).fit(kg, seen_rows, engine=quiet(), vectors=vectors)


def test_neighbours_by_hand():
    # 0 -r0-> 1, 0 -r1-> 2, 3 -r0-> 0; entity 4 has no arc.
    graph = PairGraph(torch.tensor([[0, 0, 1], [0, 1, 2], [3, 0, 0]]), 5, 2)
    blocks = EntityBlocks(torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), 2, 4)
    v = blocks.vectors
    torch.testing.assert_close(v.norm(dim=1), torch.ones(5))
    everyone, none = torch.arange(5), torch.full((5,), 7)
    found = blocks.neighbours(graph, everyone, none)
    expected = torch.stack([(v[1] + v[2] + v[3]) / 3, v[0], v[0], v[0], torch.zeros(3)])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(blocks.neighbours(graph, everyone), expected)
    found = blocks.neighbours(graph, torch.tensor([0, 0, 3]), torch.tensor([0, 1, 0]))
    torch.testing.assert_close(found, torch.stack([v[2], (v[1] + v[3]) / 2, torch.zeros(3)]))


def test_entities_without_a_vector_have_none():
    rows = torch.tensor([[4.0, 1.0], [0.0, 0.0], [2.0, 3.0]])
    assert EntityBlocks(rows, 1, 2).vectors[1].tolist() == [0, 0]


@pytest.mark.parametrize("side", ["tail", "head"])
def test_scores_of_all_pairs_equal_those_of_each_pair(fitted, kg, side):
    prototype = torch.randn(fitted.encoder.dim, generator=torch.Generator().manual_seed(1))
    anchors, everyone = torch.tensor([0, 5, 11, 30]), torch.arange(kg.num_entities)
    scores = fitted.scores(prototype, anchors, ASKED, side=side)
    for row, anchor in enumerate(anchors):
        fixed = torch.full_like(everyone, int(anchor))
        heads, tails = (fixed, everyone) if side == "tail" else (everyone, fixed)
        torch.testing.assert_close(scores[row], fitted.pairs(heads, tails, ASKED) @ prototype, atol=1e-5, rtol=1e-4)


def test_features_lie_in_the_unit_ball(fitted, kg):
    assert fitted.pairs(kg.train[:, 0], kg.train[:, 2], ASKED).norm(dim=1).max() < 1


def test_a_hidden_relation_has_no_neighbours(kg, seen_rows, vectors):
    seen = torch.unique(kg.train[:, 1])
    graph = PairGraph(kg.train, kg.num_entities, len(seen))
    encoder = PairEncoder(len(seen), dim=8, link_dim=8, entity_vectors=vectors.matrix)
    heads, tails, amount = kg.train[:, 0], kg.train[:, 2], torch.zeros(len(kg.train), 7)
    for position in range(len(seen)):
        hidden = torch.full_like(heads, position)
        told = encoder(graph, heads, tails, amount, hidden)
        torch.testing.assert_close(told, encoder(graph.without(position), heads, tails, amount))
        assert not torch.allclose(told, encoder(graph, heads, tails, amount))


def pairs_that_only_vectors_tell() -> tuple[KGSplit, ClassPriors, EntityVectors]:
    """Pairs (a_i, b_i) of three relations, every pair of one of them: no link, no walk says which b is a's."""
    relation = ["near"] * 30 + ["by"] * 30 + ["beside"] * 20
    triples = [(f"a{i}", relation[i], f"b{i}") for i in range(80)]
    other = [(f"a{i}", "likes", f"c{i % 3}") for i in range(80)] + [(f"b{i}", "hates", f"d{i % 3}") for i in range(80)]
    kg = KGSplit.from_names([*triples[:60], *other], [], triples[60:], unseen_relations=["beside"])
    rows = {"near": [1, 1, 0], "by": [1, 0.9, 0], "beside": [1, 0.95, 0], "likes": [0, 0, 1], "hates": [0, 0.2, 1]}
    own = np.random.default_rng(0).normal(size=(80, 8))
    known = [*((f"a{i}", own[i]) for i in range(80)), *((f"b{i}", own[i]) for i in range(80))]
    names, matrix = zip(*known, strict=True)
    vectors = EntityVectors(tuple(names), torch.tensor(np.array(matrix)))
    return kg, ClassPriors(tuple(rows), np.array(list(rows.values()))), vectors


def test_vectors_find_what_nothing_else_tells():
    kg, priors, vectors = pairs_that_only_vectors_tell()
    options = {"dim": 64, "link_dim": 16, "steps": 50, "batch_size": 32, "queries": 24, "corrupted": 12, "support": 6}

    def right(given):
        model = RelationCompleter(None, pairs=options, device="cpu", precision="32-true")
        model.fit(kg, priors, vectors=given)
        ranks, _, _ = realistic_ranks(model.scores("beside", kg.test[:, 0]), kg.test[:, 2])
        return float((1 / ranks).mean())

    assert right(vectors) > 0.38
    assert right(None) < 0.28
    # The same vectors, each of another entity: nothing but noise.
    moved = EntityVectors(
        vectors.names, vectors.matrix[torch.randperm(160, generator=torch.Generator().manual_seed(0))]
    )
    assert right(moved) < 0.28


def test_they_are_saved_and_loaded_and_are_off_by_default(kg, priors, vectors, tmp_path):
    model = RelationCompleter(None, pairs=SMALL, device="cpu", precision="32-true").fit(kg, priors, vectors=vectors)
    loaded = load_completer(model.save(tmp_path / "model"), device="cpu")
    for side in ("tail", "head"):
        expected = model.scores("residesIn", torch.arange(6), side=side)
        assert torch.equal(loaded.scores("residesIn", torch.arange(6), side=side), expected)
    assert torch.equal(loaded.features_.encoder.entities.vectors, model.features_.encoder.entities.vectors)
    plain = RelationCompleter(None, pairs=SMALL, device="cpu", precision="32-true").fit(kg, priors)
    assert plain.features_.encoder.entities is None
    assert not torch.allclose(plain.scores("residesIn", torch.arange(6)), model.scores("residesIn", torch.arange(6)))


def test_another_numbering_of_the_entities_changes_nothing(kg, seen_rows, vectors):
    place = torch.randperm(kg.num_entities, generator=torch.Generator().manual_seed(1))
    entities = [""] * kg.num_entities
    for old, new in enumerate(place.tolist()):
        entities[new] = kg.entities[old]

    def moved(triples):
        return torch.stack([place[triples[:, 0]], triples[:, 1], place[triples[:, 2]]], dim=1)

    other = replace(kg, entities=tuple(entities), train=moved(kg.train), valid=moved(kg.valid), test=moved(kg.test))
    one, two = (
        PairFeatures(**{**SMALL, "steps": 0}).fit(data, seen_rows, engine=quiet(), vectors=vectors)
        for data in (kg, other)
    )
    heads, tails = kg.train[:, 0], kg.train[:, 2]
    torch.testing.assert_close(two.pairs(place[heads], place[tails], ASKED), one.pairs(heads, tails, ASKED))


class Stopped(Exception):
    pass


def test_a_training_that_was_stopped_goes_on_with_its_vectors(kg, seen_rows, tmp_path):
    options = {**SMALL, "steps": 6, "table_lr": 0.01, "entity_vectors": {"name": "distmult", "dim": 6, "epochs": 2}}
    whole = PairFeatures(**options).fit(kg, seen_rows, engine=quiet(seed=1))

    def stop(features, done):
        raise Stopped

    engine = quiet(seed=1, checkpoint=tmp_path, checkpoint_every=3)
    with pytest.raises(Stopped):
        PairFeatures(**options).fit(kg, seen_rows, engine=engine, callback=stop, callback_every=3)
    again = PairFeatures(**options).fit(kg, seen_rows, engine=quiet(seed=1, checkpoint=tmp_path, resume=True))
    assert torch.equal(again.encoder.entities.vectors, whole.encoder.entities.vectors)
    for name, value in whole.encoder.state_dict().items():
        torch.testing.assert_close(again.encoder.state_dict()[name], value, msg=name)


def recipe(priors, tmp_path, told, **more):
    content = {
        "task": "kg_completion",
        "dataset": "little world",
        "priors": [{"name": "file", "path": str(priors.save(tmp_path / "priors.safetensors"))}],
        "pairs": {**SMALL, "entity_vectors": told},
        "generator": None,
        "controls": [],
        "train": {"device": "cpu", "precision": "32-true"},
        **more,
    }
    return Recipe.build(content, file=str(tmp_path / "recipe.yaml"))


def test_a_recipe_reads_vectors_beside_it_and_tells_what_did_not_fit(kg, priors, vectors, tmp_path):
    short = EntityVectors((*kg.entities[1:], "z"), vectors.matrix)
    torch.save({"node_emb.weight": short.matrix}, tmp_path / "pyg.pt")
    (tmp_path / "names.txt").write_text("\n".join(short.names))
    told = {"path": "pyg.pt", "names": "names.txt"}
    result = run(recipe(priors, tmp_path, told), data=kg, progress=False)
    text = " | ".join(result.warnings)
    assert f"1 entities have no vector in {tmp_path / 'pyg.pt'}: {kg.entities[0]}" in text
    assert "are of no entity here: z" in text
    assert "no test triple" in text
    loaded = load_completer(result.model.save(tmp_path / "saved"), device="cpu")
    (tmp_path / "pyg.pt").unlink()
    assert loaded.features_.encoder.entities is not None


def test_a_recipe_trains_vectors_on_training_triples_alone(kg, priors, tmp_path, monkeypatch):
    from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter

    given, fit = [], EmbeddingCompleter.fit

    def spy(model, data, **options):
        given.append(data)
        return fit(model, data, **options)

    monkeypatch.setattr(EmbeddingCompleter, "fit", spy)
    result = run(recipe(priors, tmp_path, {"name": "transe", "dim": 4, "epochs": 1}), data=kg, progress=False)
    assert result.model.features_.encoder.entities.vectors.shape == (kg.num_entities, 4)
    held_out = set(result.selection["classes"])
    for data, absent in zip(given, (held_out, set()), strict=True):
        trained = set(data.names_of(torch.unique(data.train[:, 1])))
        assert not trained & ({"residesIn", "nationOf"} | absent)
        assert len(data.test) == 0


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"dim": 4}, "give the path of vectors, or the name of an embedding"),
        ({"name": "transe", "path": "x"}, "give the path of vectors"),
        ({"path": "x", "key": "a", "naems": "y"}, "entity_vectors has no option 'naems'"),
        ({"name": "transe", "dimm": 4}, "no option 'dimm'; did you mean 'dim'"),
        ({"name": "text"}, "embeds no triples"),
        (4, "entity_vectors is 4"),
        ("none.npz", "'none.npz' does not exist"),
    ],
)
def test_bad_options_are_named(kg, priors, tmp_path, told, message):
    with pytest.raises(InputError, match=message):
        run(recipe(priors, tmp_path, told), data=kg, progress=False)
