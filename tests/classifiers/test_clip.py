"""CLIP's zero-shot classifier: cosines with text vectors, alone and beside others; other models are told."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kgzsl.classifiers import ClipZeroShot, GatedExperts, SoftmaxClassifier, classifiers
from kgzsl.engine import load_tree, save_tree
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.priors import ClipText

NAMES = ("horse", "polar_bear", "tiger", "zebra")
WIDTH = 16


class Tower:
    name = "fake"
    logit_scale = 20.0

    def encode_text(self, texts: list[str], /) -> Tensor:
        return torch.stack([3 * vector(text) for text in texts])


def vector(text: str) -> Tensor:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "little")
    found = torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed))
    return found / found.norm()


def texts(words: tuple[str, ...] = NAMES) -> Tensor:
    return torch.stack([vector(f"a photo of a {word.replace('_', ' ')}.") for word in words])


def images(rows: int = 20, noise: float = 0.15) -> tuple[Tensor, np.ndarray]:
    """Features around the text vectors, of any length; rows in the order of the classes."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(len(NAMES)).repeat_interleave(rows)
    x = texts()[labels] + noise * torch.randn(len(labels), WIDTH, generator=random)
    return x * (1 + 5 * torch.rand(len(labels), 1, generator=random)), np.array(NAMES)[labels]


def priors(**options: Any) -> ClassPriors:
    graph = ClassGraph.from_triples([(name, "subClassOf", "animal") for name in NAMES])
    return ClipText(**{"tower": Tower(), "cache": None, **options}).fit(graph).priors(NAMES)


ATT = ClassPriors(NAMES, np.eye(4, 5, dtype=np.float32), {"encoder": "attributes"})


def reader(**options: Any) -> ClipZeroShot:
    return ClipZeroShot(**{"tower": Tower(), "cache": None, **options})


@pytest.mark.parametrize("way", ["prior", "joined", "nested", "names", "matrix"])
def test_scores_are_scaled_cosines_with_the_text_vectors(way: str) -> None:
    x, y = images()
    seen = y != "zebra"
    given: Any = {
        "prior": priors(),
        "joined": ATT | priors() | ATT,
        "nested": (ATT | (priors() | ATT).normalised("l2")).normalised("l2"),
        "names": ATT,
        "matrix": ClassPriors(NAMES, texts().numpy()),
    }[way]
    model = reader() if way == "names" else ClipZeroShot()
    model.fit(x[torch.from_numpy(seen)], y[seen], given)
    scale = 100.0 if way == "matrix" else 20.0
    right = scale * torch.nn.functional.normalize(x, dim=1) @ texts().T
    torch.testing.assert_close(model.decision_function(x), right, rtol=1e-5, atol=1e-4)
    assert model.seen_.tolist() == [True, True, True, False]
    assert np.mean(model.predict(x) == y) > 0.9
    assert set(model.predict(x[60:], "unseen")) == {"zebra"}


def test_without_images_all_classes_are_unseen() -> None:
    x, y = images()
    model = reader().fit(None, priors=ATT)
    assert np.mean(model.predict(x) == y) > 0.9


def test_nothing_is_learnt_from_images_but_what_was_seen() -> None:
    x, y = images()
    wrong = ClipZeroShot().fit(x, np.roll(y, 20), priors())
    torch.testing.assert_close(wrong.decision_function(x), ClipZeroShot().fit(x, y, priors()).decision_function(x))


def test_scale_and_templates_count() -> None:
    x, y = images()
    assert ClipZeroShot(scale=5.0).fit(x, y, priors()).scale_ == 5.0
    other = reader(templates=("{}", "the {}")).fit(x, y, ATT)
    words = [word.replace("_", " ") for word in NAMES]
    mean = torch.stack([(vector(word) + vector(f"the {word}")) / 2 for word in words])
    torch.testing.assert_close(other.priors_.float(), torch.nn.functional.normalize(mean, dim=1))


def test_names_with_commas_are_several_names() -> None:
    named = ClassPriors(("killer whale,orca", "horse"), np.eye(2, dtype=np.float32))
    model = reader().fit(None, priors=named)
    mean = (vector("a photo of a killer whale.") + vector("a photo of a orca.")) / 2
    torch.testing.assert_close(model.priors_[0].float(), mean / mean.norm())


def test_a_class_that_joins_is_read_or_cut_out_of_its_row() -> None:
    x, y = images()
    three = [name for name in NAMES if name != "zebra"]
    whole = ATT | priors()
    seen = y != "zebra"
    rows = x[torch.from_numpy(seen)], y[seen]
    for model in (ClipZeroShot(), reader()):
        model.fit(*rows, whole.align(three))
        model.add_class("zebra", whole["zebra"])
        torch.testing.assert_close(model.decision_function(x)[:, 3], 20 * torch.nn.functional.normalize(x) @ texts()[3])
        with pytest.raises(InputError, match="there already"):
            model.add_class("zebra", whole["zebra"])
    with pytest.raises(InputError, match="has 3 columns where 21 were expected"):
        ClipZeroShot().fit(*rows, whole.align(three)).add_class("zebra", np.ones(3))


def test_it_is_kept_with_its_columns(tmp_path: Any) -> None:
    x, y = images()
    whole = ATT | priors()
    made = ClipZeroShot().fit(x[:60], y[:60], whole.align(NAMES[:3]))
    save_tree(tmp_path / "clip.safetensors", made.state_dict())
    again = ClipZeroShot().load_state_dict(load_tree(tmp_path / "clip.safetensors"))
    torch.testing.assert_close(again.decision_function(x), made.decision_function(x))
    assert again.add_class("zebra", whole["zebra"]).predict(x[60:61]).tolist() == ["zebra"]


def test_the_expert_for_unseen_classes_beside_one_that_is_trained() -> None:
    """A softmax knows the seen classes, CLIP the unseen one; a gate that a fold has taught joins them."""
    x, y = images(rows=40, noise=0.2)
    columns = np.searchsorted(NAMES, y)
    train, fold, test = (np.arange(len(y)) % 3 == part for part in range(3))
    mask = torch.tensor([False, False, True, True])
    known = train & (columns < 2)
    softmax = SoftmaxClassifier().fit(x[torch.from_numpy(known)], columns[known])
    clip = ClipZeroShot().fit(x[torch.from_numpy(known)], y[known], priors())

    def tables(rows: np.ndarray) -> tuple[Tensor, Tensor]:
        seen = torch.full((int(rows.sum()), 4), -torch.inf)
        seen[:, :2] = softmax.decision_function(x[torch.from_numpy(rows)])
        return seen, clip.decision_function(x[torch.from_numpy(rows)])

    gate = GatedExperts("auto").fit(*tables(fold), columns[fold], mask)
    answers = gate.combine(*tables(test), mask).argmax(dim=1).numpy()
    assert np.mean(answers == columns[test]) > 0.8
    assert (tables(test)[0].argmax(dim=1).numpy() < 2).all()  # the softmax alone never answers with an unseen class


@pytest.mark.parametrize(
    ("options", "given", "problem"),
    [
        ({}, ATT, "none of the priors is clip_text.*add the prior clip_text, or give model='ViT-B-32/openai'"),
        ({}, ATT | ATT, "none of the priors is clip_text"),
        ({}, None, "needs priors"),
        ({}, "standard", "were standardised.*normalise: l2"),
        ({}, "standard, joined", "were standardised"),
        ({"scale": 0.0}, "fine", "scale is 0.0"),
        ({"templates": "a photo"}, "fine", r"the template 'a photo' has no \{\}"),
        ({"templates": "a {}"}, "fine", "templates go with model or tower"),
        (
            {"backbone": "clip:ViT-B-32/openai"},
            "fine",
            "the features are of clip:ViT-B-32/openai, the text vectors of fake",
        ),
        ({"model": "ViT-B-32/openai", "cache": None}, ATT, "package that is not installed .open_clip."),
    ],
)
def test_what_does_not_go_together_is_told(
    options: dict[str, Any], given: Any, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    if isinstance(given, str):
        told = {
            "standard": priors().normalised("standard"),
            "standard, joined": (ATT | priors()).normalised("standard"),
        }
        given = told.get(given) or priors()
    with pytest.raises(InputError, match=problem):
        classifiers.make("clip", **options).fit(*images(), given)


def test_features_of_another_width_or_model_are_told_in_one_line() -> None:
    x, y = images()
    with pytest.raises(
        InputError, match=r"the features have 15 numbers and the text vectors of fake 16: .*same model$"
    ):
        ClipZeroShot().fit(x[:, 1:], y, priors())
    tower = Tower()
    tower.name = "clip:ViT-B-32/openai"
    told = priors(tower=tower)
    with pytest.raises(InputError, match="--backbone clip:ViT-B-32/openai"):
        ClipZeroShot().fit(x[:, 1:], y, told)
    for backbone in ("torchvision:resnet101", "clip:ViT-L-14/openai"):
        with pytest.raises(InputError, match=f"the features are of {backbone}.*not of one CLIP model"):
            ClipZeroShot(backbone=backbone).fit(x, y, told)
    for backbone in ("clip:ViT-B-32/openai", "clip:ViT-B-32", None):
        ClipZeroShot(backbone=backbone).fit(x, y, told)
