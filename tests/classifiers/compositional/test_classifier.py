"""The compositional classifier: switches at zero, worlds open and closed, and what its two mechanisms gain."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.classifiers.compositional import CompositionalClassifier, classifier, composition_graph
from kgzsl.engine import load_tree, save_tree
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors

SMALL = {"dim": 32, "batch_size": 64, "epochs": 30}
ATTRIBUTES, OBJECTS, WIDTH = [f"a{i}" for i in range(6)], [f"o{i}" for i in range(8)], 6


def world(seed: int, *, tail: bool = False) -> dict:
    """Features of an attribute, an object and their product, with noise; a third of the 48 pairs has no samples."""
    generator = np.random.default_rng(seed)
    left, right = generator.normal(size=(6, WIDTH)), generator.normal(size=(8, WIDTH))
    ways = generator.normal(size=(3, WIDTH, 24))
    pairs = generator.permutation([(a, o) for a in range(6) for o in range(8)])
    seen, unseen = pairs[:32], pairs[32:]

    def rows(chosen: np.ndarray, counts: np.ndarray | int) -> tuple[np.ndarray, list[tuple[str, str]]]:
        a, o = np.repeat(chosen, counts, axis=0).T
        clean = left[a] @ ways[0] + right[o] @ ways[1] + 0.5 * (left[a] * right[o]) @ ways[2]
        return clean + 2 * generator.normal(size=clean.shape), [
            (ATTRIBUTES[i], OBJECTS[j]) for i, j in zip(a, o, strict=True)
        ]

    counts = np.maximum(1, 30 * np.exp(-0.7 * seen[:, 0])).astype(int) if tail else np.full(32, 12)
    primitives = np.block([[left, np.zeros((6, WIDTH))], [np.zeros((8, WIDTH)), right]])
    return {
        "train": rows(seen, counts),
        "seen": rows(seen, 10),
        "unseen": rows(unseen, 20),
        "pairs": [(ATTRIBUTES[i], OBJECTS[j]) for i, j in unseen],
        "priors": ClassPriors((*ATTRIBUTES, *OBJECTS), primitives, {}),
    }


def fitted(w: dict, **options: object) -> CompositionalClassifier:
    return CompositionalClassifier(**{**SMALL, **options}).fit(*w["train"], w["priors"], pairs=w["pairs"])


def right(model: CompositionalClassifier, part: tuple, candidates: object) -> float:
    return float((model.predict(part[0], candidates) == np.array(part[1])).all(axis=1).mean())


def test_unseen_pairs_are_recognised_from_their_primitives() -> None:
    w = world(0)
    model = fitted(w)
    assert right(model, w["unseen"], "unseen") > 0.6  # chance is 1/16
    assert right(model, w["unseen"], "all") > 0.3  # 1/48
    assert right(model, w["seen"], "seen") > 0.8
    # The wrong priors for objects: what is known of an unseen pair is gone.
    wrong = ClassPriors((*ATTRIBUTES, *OBJECTS), w["priors"].matrix[[*range(6), *range(7, 14), 6]], {})
    model.object_priors_ = CompositionalClassifier(**SMALL).fit(*w["train"], wrong).object_priors_
    assert right(model, w["unseen"], "unseen") < 0.3


def test_an_unseen_pair_s_score_changes_with_its_attribute_s_prior_and_others_do_not() -> None:
    w = world(0)
    model = fitted(w)
    before = model.decision_function(w["unseen"][0], w["pairs"])
    place = model.attributes_.tolist().index(w["pairs"][0][0])
    model.attribute_priors_[place] += 0.5
    moved = (model.decision_function(w["unseen"][0], w["pairs"]) - before).abs().amax(dim=0)
    of_it = torch.tensor([pair[0] == w["pairs"][0][0] for pair in w["pairs"]])
    assert (moved[of_it] > 1e-3).all()
    assert (moved[~of_it] == 0).all()


@pytest.mark.parametrize(("switch", "value"), [("epsilon", 0.3), ("mixing", 1.0)])
def test_switched_off_it_is_the_baseline_exactly(monkeypatch, switch: str, value: float) -> None:
    w = world(0)
    short = {"epochs": 2}
    plain, off, on = (fitted(w, **short, **options).maps_ for options in ({}, {switch: 0.0}, {switch: value}))
    assert all(torch.equal(plain[name], off[name]) for name in plain)
    assert not torch.allclose(plain["x_attribute"], on["x_attribute"], atol=1e-4)
    # And what the switch calls is not called: it would fail here.
    monkeypatch.setattr(torch.autograd, "grad", None)
    monkeypatch.setattr(classifier, "mix_minorities", None)
    assert all(torch.equal(plain[name], value) for name, value in fitted(w, **short).maps_.items())
    with pytest.raises(TypeError):
        fitted(w, **short, **{switch: value})


def test_the_perturbation_raises_the_loss_and_has_its_length(monkeypatch) -> None:
    w = world(0)
    seen: list[tuple] = []
    plain = classifier.Experts.loss

    def watched(self, batch, primitives):
        found = plain(self, batch, primitives)
        seen.append((float(found.detach()), *(table.detach().clone() for table in primitives)))
        return found

    monkeypatch.setattr(classifier.Experts, "loss", watched)
    fitted(w, epochs=1, epsilon=0.2)
    for (at, left, right_), (moved, left_moved, right_moved) in zip(seen[::2], seen[1::2], strict=True):
        assert moved > at
        lengths = torch.cat([(left_moved - left).norm(dim=1), (right_moved - right_).norm(dim=1)])
        torch.testing.assert_close(lengths, torch.full_like(lengths, 0.2))


def test_adversarial_primitives_help_unseen_pairs() -> None:
    gains = []
    for seed in range(5):
        w = world(seed)
        models = [fitted(w, epsilon=epsilon) for epsilon in (0.3, 0.0)]
        gains.append([right(models[0], w["unseen"], c) - right(models[1], w["unseen"], c) for c in ("unseen", "all")])
    assert (np.mean(gains, axis=0) > 0.01).all()


def test_mixing_helps_rare_attributes_and_does_not_hurt_objects() -> None:
    found = []
    for seed in range(5):
        w = world(seed, tail=True)
        truth = np.array(w["seen"][1])
        for strength in (1.0, 0.0):
            answers = fitted(w, mixing=strength).predict(w["seen"][0])
            by_attribute = [(answers[truth[:, 0] == a, 0] == a).mean() for a in np.unique(truth[:, 0])]
            found.append([np.mean(by_attribute), (answers[:, 1] == truth[:, 1]).mean()])
    on, off = np.mean(found[::2], axis=0), np.mean(found[1::2], axis=0)
    assert on[0] > off[0] + 0.02
    assert on[1] > off[1] - 0.02


def test_half_a_pair_is_not_right() -> None:
    w = world(0)
    model = fitted(w)
    for part, candidates in (("seen", "all"), ("unseen", "all"), ("unseen", "unseen")):
        found, truth = model.predict(w[part][0], candidates), np.array(w[part][1])
        assert model.score(*w[part], candidates) == (found == truth).all(axis=1).mean() < (found == truth).mean()
    assert model.score(*w["seen"]) == model.score(*w["seen"], "all")
    with pytest.raises(InputError, match="y has 2 pairs for 320 rows of X"):
        model.score(w["seen"][0], w["seen"][1][:2])


def test_open_and_closed_worlds() -> None:
    w = world(0)
    model = fitted(w)
    assert len(model.pairs("all")) == 48
    assert len(model.pairs("open")) == 48
    closed = CompositionalClassifier(**{**SMALL, "epochs": 1}).fit(*w["train"], w["priors"], pairs=w["pairs"][:3])
    assert len(closed.pairs("all")) == 35
    assert [tuple(pair) for pair in closed.pairs("unseen").tolist()] == w["pairs"][:3]
    assert len(closed.pairs("open")) == 48
    assert set(map(tuple, closed.predict(w["unseen"][0], "unseen").tolist())) <= set(w["pairs"][:3])
    whole, listed = closed.decision_function(w["unseen"][0], "open"), closed.decision_function(w["unseen"][0])
    columns = [closed.pairs("open").tolist().index(pair) for pair in closed.classes_.tolist()]
    torch.testing.assert_close(whole[:, columns], listed, atol=1e-5, rtol=1e-5)


def test_disjointness_leaves_pairs_out_of_the_open_world() -> None:
    w = world(0)
    ruled_out = w["pairs"][:4]
    graph = composition_graph(ATTRIBUTES, OBJECTS, [], triples=[(a, "disjointWith", o) for a, o in ruled_out])
    model = CompositionalClassifier(**SMALL).fit(*w["train"], w["priors"], pairs=w["pairs"], graph=graph)
    left = set(map(tuple, model.pairs("open").tolist()))
    assert len(left) == 44
    assert left.isdisjoint(ruled_out)
    features, truth = w["unseen"]
    asked = np.array([pair not in set(ruled_out) for pair in truth])
    part = features[asked], [pair for pair, keep in zip(truth, asked, strict=True) if keep]
    assert right(model, part, "open") > right(fitted(w), part, "open")
    assert not {tuple(pair) for pair in model.predict(features, "open").tolist()} & set(ruled_out)


def test_the_order_of_rows_of_priors_and_of_pairs_changes_no_score() -> None:
    w = world(0)
    order = np.random.default_rng(0).permutation(14)
    priors = ClassPriors(tuple(w["priors"].names[i] for i in order), w["priors"].matrix[order], {})
    other = CompositionalClassifier(**SMALL).fit(*w["train"], priors, pairs=w["pairs"][::-1])
    torch.testing.assert_close(
        other.decision_function(w["unseen"][0], w["pairs"]), fitted(w).decision_function(w["unseen"][0], w["pairs"])
    )


def test_a_pair_added_later_equals_one_that_was_there(tmp_path) -> None:
    w = world(0)
    model = CompositionalClassifier(**SMALL).fit(*w["train"], w["priors"])
    for pair in w["pairs"]:
        model.add_class(pair)
    torch.testing.assert_close(
        model.decision_function(w["unseen"][0], "unseen"), fitted(w).decision_function(w["unseen"][0], "unseen")
    )
    new = ClassPriors(("o99",), w["priors"].matrix[[6]], {})  # as o0, under a new name
    model.add_class(("a1", "o99"), new)
    scores = model.decision_function(w["unseen"][0], [("a1", "o99"), ("a1", "o0")])
    torch.testing.assert_close(scores[:, 0], scores[:, 1])
    save_tree(tmp_path / "model.safetensors", model.state_dict())
    back = CompositionalClassifier().load_state_dict(load_tree(tmp_path / "model.safetensors"))
    assert back.predict(w["unseen"][0], "open").tolist() == model.predict(w["unseen"][0], "open").tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x, y, p: m.fit(x, y), "needs priors"),
        (lambda m, x, y, p: m.fit(x, [a for a, _ in y], p), "is no pair"),
        (lambda m, x, y, p: m.fit(x, y[:4], p), "y has 4 pairs"),
        (lambda m, x, y, p: m.fit(x, [("a11", "o1")] * len(x), p), "have no prior: a11"),
        (lambda m, x, y, p: m.set_params(epsilon=-1).fit(x, y, p), "epsilon is -1; give 0 or a number above it"),
        (lambda m, x, y, p: m.set_params(dim=0).fit(x, y, p), "dim is 0; give a whole number, 1 or more"),
        (lambda m, x, y, p: m.fit(x, y, p).predict(x, "some"), "candidates is 'some'"),
        (lambda m, x, y, p: m.fit(x, y, p).predict(x, "unseen"), "no candidate pair"),
        (lambda m, x, y, p: m.fit(x, y, p).predict(x, [("a0", "o77")]), "have no prior: o77"),
        (lambda m, x, y, p: m.fit(x, y, p).add_class(y[0]), "there already"),
        (lambda m, x, y, p: m.fit(x, y, p).add_class(("a0", "o77")), "have no prior: o77"),
        (lambda m, x, y, p: m.predict(x), "not fitted"),
    ],
)
def test_bad_input(call, message: str) -> None:
    w = world(0)
    with pytest.raises(InputError, match=message):
        call(CompositionalClassifier(dim=4, epochs=1), *w["train"], w["priors"])


def test_a_step_holds_pairs_out_with_their_rows_and_tells_them_apart_among_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = world(0)
    met: list[tuple[int, set[tuple[int, int]], bool]] = []
    loss = classifier.Experts.loss

    def spy(experts, batch, primitives):
        held = set(zip(experts.left.tolist(), experts.right.tolist(), strict=True))
        inputs, truth, weights = batch[0]
        assert weights is None
        known = {row.numpy().tobytes(): pair for row, pair in zip(rows_in(experts), w["train"][1], strict=True)}
        asked = [known[row.numpy().tobytes()] for row in inputs]
        told = zip(experts.left[truth].tolist(), experts.right[truth].tolist(), strict=True)
        right = all((f"a{a}", f"o{o}") == pair for (a, o), pair in zip(told, asked, strict=True))
        met.append((len(experts.left), held, right))
        return loss(experts, batch, primitives)

    def rows_in(_experts):
        return (torch.as_tensor(w["train"][0], dtype=torch.float32) - model.mean_) / model.scale_

    monkeypatch.setattr(classifier.Experts, "loss", spy)
    model = CompositionalClassifier(**{**SMALL, "epochs": 1}, hold_out=0.25)
    model.fit(*w["train"], w["priors"], pairs=w["pairs"])
    assert {count for count, _, _ in met} == {8}  # a quarter of 32
    assert len({frozenset(held) for _, held, _ in met}) > 3  # others in each step
    assert all(right for _, _, right in met)


def test_held_out_pairs_leave_the_baseline_alone_at_zero_and_still_tell_unseen_pairs() -> None:
    w = world(0)
    plain = fitted(w, epochs=3)
    assert all(torch.equal(plain.maps_[name], fitted(w, epochs=3, hold_out=0.0).maps_[name]) for name in plain.maps_)
    episodic = fitted(w, hold_out=0.5, mixing=0.5, epsilon=0.1)
    assert right(episodic, w["unseen"], "unseen") > 0.4  # chance is 1/16
    assert not torch.equal(fitted(w, epochs=3, hold_out=0.5).maps_["x_pair"], plain.maps_["x_pair"])
    with pytest.raises(InputError, match=r"hold_out is 1\.0"):
        fitted(w, hold_out=1.0)
