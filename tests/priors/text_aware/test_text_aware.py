"""Structure and text in one space: the score term by term, and what each half brings."""

import numpy as np
import pytest
import torch

from kgzsl import InputError
from kgzsl.engine import Engine
from kgzsl.knowledge import ClassGraph
from kgzsl.priors import PriorWarning, TextAware
from kgzsl.priors.text_aware import TERMS, TextAwareModel, TextAwareScorer
from kgzsl.priors.triples import TransEScorer
from kgzsl.priors.triples.training import TripleLoop, TripleOptions

from ..conftest import ZOO

F64 = torch.float64
SMALL = {"dim": 8, "epochs": 10, "batch_size": 4, "negatives": 5, "text_options": {"dim": 6}}


def parts(rows, size, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return (torch.randn(rows, n * size, dtype=F64, generator=draw) for n in (2, 1, 2))


@pytest.mark.parametrize("norm", [1, 2])
def test_the_score_is_the_mean_of_five_distances(norm):
    heads, relations, tails = parts(6, 4)
    (hs, ht), (ts, tt) = heads.chunk(2, dim=1), tails.chunk(2, dim=1)
    pairs = [(hs, ts), (ht, tt), (hs, tt), (ht, ts), (hs + ht, ts + tt)]
    expected = -sum((a + relations - b).norm(p=norm, dim=1) for a, b in pairs) / 5
    assert torch.allclose(TextAwareScorer(4, norm).score(heads, relations, tails), expected, atol=1e-12)


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("terms", [TERMS, ("structure",), ("cross",), ("text", "sum")])
def test_the_three_forms_agree(norm, terms):
    scorer = TextAwareScorer(4, norm, terms)
    heads, relations, tails = parts(6, 4)
    by_tail = scorer.score_tails(heads, relations, tails)
    by_head = scorer.score_heads(relations, tails, heads)
    for row in range(6):
        every = scorer.score(heads[row].expand(6, -1), relations[row].expand(6, -1), tails)
        assert torch.allclose(by_tail[row], every, atol=1e-6)
        every = scorer.score(heads, relations[row].expand(6, -1), tails[row].expand(6, -1))
        assert torch.allclose(by_head[row], every, atol=1e-6)


def test_structure_alone_is_transe():
    heads, relations, tails = parts(6, 4)
    alone = TextAwareScorer(4, 2, ("structure",)).score(heads, relations, tails)
    assert torch.allclose(alone, TransEScorer(4, 2).score(heads[:, :4], relations, tails[:, :4]))


def test_rows_are_projected_as_asked_and_the_text_stays():
    text = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=F64)
    model = TextAwareModel(TextAwareScorer(4), text, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    unit = text / text.norm(dim=1, keepdim=True)
    expected = torch.cat([model.nodes, unit @ model.projection], dim=1)
    assert torch.allclose(model.vectors(), expected)
    assert torch.allclose(model.vectors(torch.tensor([3, 0])), expected[[3, 0]])
    assert {name for name, _ in model.named_parameters()} == {"nodes", "relations", "projection"}


def world(things=24, homeless=8):
    """Each kind of thing lies in a home of its own; the labels say the kind, and nothing else ties the things."""
    kinds = ("feline", "canine", "avian", "piscine")
    names = {f"{kind[0]}{i}": f"{kind} thing{i}" for kind in kinds for i in range(things)}
    homes = {kind[0]: f"home{n}" for n, kind in enumerate(kinds)}
    asked = [f"{letter}{i}" for letter in homes for i in range(things - homeless, things)]
    triples = [(name, "lives", homes[name[0]]) for name in names if name not in asked]
    # Those that are asked about have no home; an edge to a node of their own makes them part of the graph.
    triples += [(name, "other", f"x{name}") for name in names]
    return ClassGraph.from_triples(triples, labels=names), homes, asked


def told_homes(graph, homes, asked, terms, seed, **more):
    """Share of the things asked about whose home scores best."""
    options = {"epochs": 60, "batch_size": 64, "negatives": 32, "lr": 0.03, "seed": seed, **more}
    made = TextAware(16, terms=terms, **options).fit(graph)
    position, model = made.triples_.position, made.model_
    relation = made.triples_.relations.index(graph.relations[graph.relation("lives")])
    places = torch.tensor([int(position[graph.node(home)]) for home in homes.values()])
    heads = torch.tensor([int(position[graph.node(name)]) for name in asked])
    scores = model.score_tails(heads, torch.full((len(asked),), relation), places)
    truth = np.array([list(homes).index(name[0]) for name in asked])
    return (scores.argmax(dim=1).numpy() == truth).mean()


def test_text_tells_what_no_edge_does():
    """Three seeds and 32 questions each: what one seed says of few of them hangs on the machine."""
    graph, homes, asked = world()
    text, structure = (
        np.mean([told_homes(graph, homes, asked, terms, seed) for seed in range(3)])
        for terms in (TERMS, ("structure",))
    )
    assert text > 0.45  # chance: one in four, with a deviation of 0.044
    assert text > structure + 0.2


def test_joint_is_above_text_alone_and_above_structure_alone_where_each_lacks_a_part():
    """Half of the things asked about have nothing but a label that says the kind, the others nothing but kin."""
    whole, homes, speaking = world()
    labels = dict(zip(whole.iris, whole.labels, strict=True))
    triples = [
        (whole.iris[h], whole.relations[r], whole.iris[t])
        for (h, t), r in zip(whole.edge_index.T, whole.edge_type, strict=True)
    ]
    mute = [f"{letter}m{i}" for letter in homes for i in range(8)]
    labels |= dict.fromkeys(mute, "something")  # all say the same
    for number, name in enumerate(mute):
        for step in range(4):
            kin = f"{name[0]}{(3 * number + 5 * step) % 16}"  # of its kind, with a home
            triples += [(name, "kin", kin), (kin, "kin", name)]
    graph = ClassGraph.from_triples(triples, labels=labels)
    only_labels = {"text_options": {"parts": ["label"]}}  # what the edges say is no text here
    joint, text, structure = (
        np.mean([told_homes(graph, homes, [*speaking, *mute], terms, s, **only_labels) for s in range(3)])
        for terms in (TERMS, ("text",), ("structure",))
    )
    assert joint > text + 0.1
    assert joint > structure + 0.1


def test_priors_have_both_halves_and_the_numbering_of_nodes_leaves_no_trace():
    first, second = (TextAware(**SMALL).fit(ClassGraph.from_triples(z)) for z in (ZOO, ZOO[::-1]))
    names = ["zebra", "tiger"]
    assert first.priors(names).dim == 16
    assert np.allclose(first.priors(names).matrix, second.priors(names).matrix, atol=1e-4)
    other = TextAware(**SMALL, seed=3).fit(first.graph).priors(names)
    assert not np.allclose(other.matrix, first.priors(names).matrix)


def test_an_interrupted_run_goes_on_bit_equal(zoo, tmp_path):
    whole = TextAware(**SMALL).fit(zoo, engine=Engine(precision="32-true", progress=False))

    class Stop(Exception):
        pass

    def stop(row):
        raise Stop

    options = {"precision": "32-true", "progress": False, "checkpoint": tmp_path, "checkpoint_every": 7}
    with pytest.raises(Stop):
        TextAware(**SMALL).fit(zoo, engine=Engine(**options, on_log=stop))
    resumed = TextAware(**SMALL).fit(zoo, engine=Engine(**options, resume=True))
    assert torch.equal(whole.model_.vectors(), resumed.model_.vectors())


def test_a_class_with_neither_edge_nor_text_is_warned_of_by_name():
    disjoint = "http://www.w3.org/2002/07/owl#disjointWith"
    graph = ClassGraph.from_triples([("a", "r", "b"), ("c", disjoint, "a")])
    encoder = TextAware(**SMALL, disjointness="drop").fit(graph)
    with pytest.warns(PriorWarning, match="neither an edge nor a text.*'c'"):
        encoder.priors(["a", "c"])


def test_bad_input():
    for options in ({"terms": ["no"]}, {"terms": []}, {"norm": 3}, {"dim": 0}, {"epochs": 0}):
        with pytest.raises(InputError):
            TextAware(**options)
    with pytest.raises(InputError, match="not fitted"):
        TextAware().priors(["zebra"])


def a_loop(seed=0, **options):
    """A model of 30 nodes in float64 and its loop; some texts are empty and some nodes say the same."""
    draw = torch.Generator().manual_seed(seed)
    text = torch.randn(30, 5, dtype=F64, generator=draw)
    text[3] = 0
    text[8] = text[9]
    triples = torch.randint(0, 30, (80, 3), generator=draw) % torch.tensor([30, 3, 30])
    terms = options.pop("terms", TERMS)
    scorer = TextAwareScorer(4, options.pop("norm", 2), terms)
    model = TextAwareModel(scorer, text, 3, inverse=options.pop("inverse", False), generator=draw, dtype=F64)
    given = {"batch_size": 16, "negatives": 12, "margin": 2.0, "temperature": 0.7, "lr": 0.01, **options}
    return TripleLoop(model, triples, TripleOptions(**given), steps=10, generator=draw)


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("terms", [TERMS, ("structure",), ("cross",), ("text", "sum"), ("sum",)])
def test_the_gradient_written_out_is_that_of_autograd(terms, constrained):
    loop = a_loop(terms=terms, constrained=constrained)
    model = loop.model
    for start in (0, 16):  # the second finds the gradient of the first
        batch = loop._triples[start : start + 16]
        batch[0, 2] = batch[0, 0]
        pool = loop._pool(batch[:, 1])
        known = loop._excluded(batch, pool)
        known[0, 1] = True  # a row without a negative
        loss = loop._losses(batch, pool, known)["loss"]
        expected = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        found = model.put_gradients(batch, pool, known, loop.options)["loss"]
        assert found.item() == pytest.approx(loss.item(), rel=1e-12)
        for (name, parameter), gradient in zip(model.named_parameters(), expected, strict=True):
            gradient = torch.zeros_like(parameter) if gradient is None else gradient
            assert torch.allclose(parameter.grad, gradient, rtol=1e-9, atol=1e-12), name
        assert expected[1].abs().max() > 1e-3


def test_training_with_the_written_gradient_is_training_by_autograd(monkeypatch):
    written, plain = a_loop(), a_loop()
    calls = []
    put = TextAwareModel.put_gradients
    monkeypatch.setattr(plain.model, "put_gradients", lambda *given: None)
    monkeypatch.setattr(TextAwareModel, "put_gradients", lambda *given: calls.append(1) or put(*given))
    for index in range(8):
        assert written.step(index)["loss"].item() == pytest.approx(plain.step(index)["loss"].item(), rel=1e-9)
    assert len(calls) == 8
    for one, other in zip(written.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-9)


def test_a_gradient_that_another_loop_left_is_emptied():
    loop = a_loop()
    model, batch = loop.model, loop._triples[:16]
    pool = loop._pool(batch[:, 1])
    known = loop._excluded(batch, pool)
    model.put_gradients(batch, pool, known, loop.options)
    clean = model.nodes.grad.clone()
    model.nodes.grad = torch.ones_like(model.nodes)
    model.put_gradients(batch, pool, known, loop.options)
    assert torch.allclose(model.nodes.grad, clean)


@pytest.mark.parametrize(
    "options", [{"norm": 1}, {"inverse": True}, {"n3": 0.1}, {"loss": "softmax"}, {"negatives": 0}]
)
def test_what_is_not_written_out_is_left_to_autograd(options):
    loop = a_loop(**options)
    before = loop.model.projection.detach().clone()
    batch = loop._triples[:16]
    pool = loop._pool(batch[:, 1])
    assert loop.model.put_gradients(batch, pool, loop._excluded(batch, pool), loop.options) is None
    loop.step(0)
    assert not torch.allclose(loop.model.projection, before)


def test_parameters_held_fast_stay():
    loop = a_loop()
    loop.model.projection.requires_grad_(False)
    before = [one.detach().clone() for one in (loop.model.projection, loop.model.nodes)]
    loop.step(0)
    assert torch.equal(loop.model.projection, before[0])
    assert not torch.allclose(loop.model.nodes, before[1])
