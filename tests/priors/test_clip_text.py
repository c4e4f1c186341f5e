"""CLIP's text tower as a prior: templates, several names, the cache, and a stand-in for open_clip."""

from __future__ import annotations

import hashlib
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kgzsl.datasets import clip_models
from kgzsl.datasets.backbones import find_backbone
from kgzsl.datasets.clip_models import clip_name, load_clip
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.priors import ClipText, PriorsAgain, make
from kgzsl.priors.text import OpenClipTower, Prompts

WIDTH = 12


class FakeTower:
    """Every text has a direction of its own and a length of its own."""

    name = "fake:1"
    logit_scale = 50.0

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode_text(self, texts: list[str], /) -> Tensor:
        self.asked += texts
        return torch.stack([vector(text) * (1 + len(text)) for text in texts])


def vector(text: str) -> Tensor:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "little")
    found = torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed))
    return found / found.norm()


def unit(rows: Any) -> np.ndarray:
    mean = np.mean([np.asarray(row, dtype=np.float64) for row in rows], axis=0)
    return mean / np.linalg.norm(mean)


def labelled() -> ClassGraph:
    """Labels with several names, synonyms, and a definition."""
    import rdflib

    graph = rdflib.Graph()
    graph.parse(
        data="""
        @prefix : <http://example.org/> .
        @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
        @prefix owl: <http://www.w3.org/2002/07/owl#> .
        @prefix skos: <http://www.w3.org/2004/02/skos/core#> .
        :Whale a owl:Class ; rdfs:label "killer whale, orca" ; skos:altLabel "blackfish" ;
            skos:definition "A black and white hunter." ; rdfs:subClassOf :Mammal .
        :Horse a owl:Class ; rdfs:label "horse" ; rdfs:subClassOf :Mammal .
        :Mammal a owl:Class ; rdfs:label "mammal" .
        """,
        format="turtle",
    )
    return ClassGraph.read(graph)


def encoder(**options: Any) -> ClipText:
    return ClipText(**{"tower": FakeTower(), "cache": None, **options})


def test_templates_are_averaged_after_normalising() -> None:
    fitted = encoder(templates=("a photo of a {}.", "{}, close up")).fit(labelled())
    found = fitted.priors(["Horse"])
    right = unit([vector("a photo of a horse."), vector("horse, close up")])
    np.testing.assert_allclose(found.matrix[0], right, atol=1e-6)
    # Without normalising first the longer text would weigh more: their lengths differ.
    wrong = unit([20 * vector("a photo of a horse."), 16 * vector("horse, close up")])
    assert np.abs(found.matrix[0] - wrong).max() > 1e-3
    assert found.made["tower"] == "fake:1"
    assert found.made["logit_scale"] == 50.0
    assert found.made["options"]["tower"] == "fake:1"
    assert "cache" not in found.made["options"]


def test_all_names_of_a_class_stand_in_every_template() -> None:
    graph = labelled()
    alone = encoder().fit(graph)
    assert alone.words(["Whale"]) == {"Whale": ["killer whale"]}
    np.testing.assert_allclose(alone.priors(["Whale"]).matrix[0], vector("a photo of a killer whale."), atol=1e-6)
    several = encoder(parts=("label", "synonyms"), templates="a {}").fit(graph)
    assert several.words(["Whale"]) == {"Whale": ["killer whale", "orca", "blackfish"]}
    right = unit([vector(f"a {word}") for word in ("killer whale", "orca", "blackfish")])
    np.testing.assert_allclose(several.priors(["Whale"]).matrix[0], right, atol=1e-6)


def test_definitions_are_sentences_of_their_own_and_weigh_as_much_as_the_names() -> None:
    found = (
        encoder(parts=("label", "synonyms", "definition"), templates="a {}").fit(labelled()).priors(["Whale", "Horse"])
    )
    names = unit([vector(f"a {word}") for word in ("killer whale", "orca", "blackfish")])
    right = unit([names, vector("A black and white hunter.")])
    np.testing.assert_allclose(found.matrix[0], right, atol=1e-6)
    np.testing.assert_allclose(found.matrix[1], vector("a horse"), atol=1e-6)  # which has no definition
    silent = encoder(parts=("definition",)).fit(labelled()).priors(["Horse"])
    np.testing.assert_allclose(silent.matrix[0], vector("a photo of a horse."), atol=1e-6)
    axioms = encoder(parts=("axioms",)).fit(labelled()).priors(["Horse"])
    np.testing.assert_allclose(axioms.matrix[0], vector("A horse is a mammal."), atol=1e-6)


def test_each_sentence_is_encoded_once_and_kept_on_disk_by_its_hash(tmp_path: Path) -> None:
    graph, tower = labelled(), FakeTower()
    first = encoder(tower=tower, cache=tmp_path).fit(graph)
    before = first.priors(["Horse", "Whale"]).matrix
    first.priors(["Whale"])
    assert sorted(tower.asked) == ["a photo of a horse.", "a photo of a killer whale."]
    (kept,) = tmp_path.iterdir()

    again = FakeTower()
    second = encoder(tower=again, cache=tmp_path).fit(graph)
    np.testing.assert_array_equal(second.priors(["Horse", "Whale"]).matrix, before)
    assert again.asked == []
    second.priors(["Mammal"])  # one more joins those that are kept
    assert again.asked == ["a photo of a mammal."]
    third = FakeTower()
    encoder(tower=third, cache=tmp_path).fit(graph).priors(["Mammal", "Horse"])
    assert third.asked == []

    other = FakeTower()
    other.name = "fake:2"
    encoder(tower=other, cache=tmp_path).fit(graph).priors(["Horse"])
    assert other.asked == ["a photo of a horse."]
    assert len(list(tmp_path.iterdir())) == 2
    nameless = FakeTower()
    nameless.name = None  # type: ignore[assignment]
    encoder(tower=nameless, cache=tmp_path).fit(graph).priors(["Horse"])
    assert len(list(tmp_path.iterdir())) == 2
    kept.write_bytes(b"damaged")
    mended = FakeTower()
    encoder(tower=mended, cache=tmp_path).fit(graph).priors(["Horse"])
    assert mended.asked == ["a photo of a horse."]


def test_other_weights_under_the_same_name_are_told(tmp_path: Path) -> None:
    Prompts(FakeTower(), cache=tmp_path).names([["horse"]])

    class Wider(FakeTower):
        def encode_text(self, texts: list[str], /) -> Tensor:
            return torch.ones(len(texts), WIDTH + 1)

    with pytest.raises(InputError, match=r"gave vectors of 13, and of 12 before; give other weights another name"):
        Prompts(Wider(), cache=tmp_path).names([["horse"], ["whale"]])


def test_batches_change_nothing() -> None:
    words = [[f"thing {i}"] for i in range(7)]
    np.testing.assert_array_equal(
        Prompts(FakeTower(), cache=None, batch_size=2).names(words), Prompts(FakeTower(), cache=None).names(words)
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"templates": ("a photo",)}, r"the template 'a photo' has no \{\}"),
        ({"templates": ()}, "there are no templates"),
        ({"parts": ("labels",)}, "parts=.*is not known; choose among label"),
        ({"batch_size": 0}, "batch_size=0 is less than 1"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        make("clip_text", **options)


def test_towers_that_are_none_are_refused() -> None:
    graph = labelled()
    with pytest.raises(InputError, match="is no text tower: it has no encode_text"):
        encoder(tower=3).fit(graph)
    with pytest.raises(InputError, match="could not import the text tower 'nowhere:tower'"):
        encoder(tower="nowhere:tower").fit(graph)
    for bad in (lambda texts: torch.zeros(len(texts) + 1, 4), lambda texts: torch.full((len(texts), 4), torch.nan)):
        tower = FakeTower()
        tower.encode_text = bad  # type: ignore[method-assign]
        with pytest.raises(InputError, match="has to give a row for each text"):
            encoder(tower=tower).fit(graph).priors(["Horse"])


def test_a_tower_by_its_import_path_makes_the_vectors_again(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("my_towers")
    module.Tower = FakeTower  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_towers", module)
    graph = labelled()
    found = make("clip_text", tower="my_towers:Tower", cache=None).fit(graph).priors(["Horse", "Whale"])
    assert found.made["options"]["tower"] == "my_towers:Tower"
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere/at/all")
    again = PriorsAgain.of(found, graph)
    assert again is not None
    assert again.way == "read"


class FakeNetwork(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.logit_scale = torch.nn.Parameter(torch.tensor(100.0).log())

    def encode_image(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :WIDTH]

    def encode_text(self, tokens: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(tokens[:, 0] % WIDTH, WIDTH).float()


@pytest.fixture
def open_clip(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is asked of open_clip, by the names that its factory has."""
    asked: list[tuple[Any, ...]] = []

    def create(name: str, pretrained: str | None = None, device: str = "cpu", force_quick_gelu: bool = False) -> Any:
        asked.append((name, pretrained, device, force_quick_gelu))
        if pretrained == "nothing":
            raise RuntimeError("Pretrained weights (nothing) not found for model ViT-B-32.\nAvailable: openai")
        return FakeNetwork().train(), "train", lambda image: torch.ones(3, 4, 4)

    fake = types.ModuleType("open_clip")
    fake.list_models = lambda: ["ViT-B-32", "ViT-L-14"]  # type: ignore[attr-defined]
    fake.create_model_and_transforms = create  # type: ignore[attr-defined]
    fake.get_tokenizer = lambda name: lambda texts: torch.tensor([[len(t), 0] for t in texts])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "open_clip", fake)
    load_clip.cache_clear()
    yield asked  # type: ignore[misc]
    load_clip.cache_clear()


def test_open_clip_is_asked_once_for_both_towers(open_clip: list[tuple[Any, ...]]) -> None:
    tower = OpenClipTower("ViT-B-32/laion2b_s34b_b79k")
    assert open_clip == []  # nothing is loaded before it is needed
    found = tower.encode_text(["a", "ab", "abc"])
    assert found.argmax(dim=1).tolist() == [1, 2, 3]
    assert tower.logit_scale == pytest.approx(100.0)
    assert tower.name == "clip:ViT-B-32/laion2b_s34b_b79k"
    from PIL import Image

    images = find_backbone("clip:ViT-B-32/laion2b_s34b_b79k")
    assert images.encode([Image.new("RGB", (8, 8))]).shape == (1, WIDTH)
    assert open_clip == [("ViT-B-32", "laion2b_s34b_b79k", "cpu", False)]
    assert not load_clip("ViT-B-32/laion2b_s34b_b79k", "cpu").network.training
    prior = ClipText("ViT-B-32/laion2b_s34b_b79k", cache=None).fit(labelled()).priors(["Horse"])
    assert prior.made["tower"] == images.name
    assert isinstance(prior, ClassPriors)


def test_openai_weights_are_run_with_the_activation_they_were_trained_with(open_clip: list[tuple[Any, ...]]) -> None:
    OpenClipTower("ViT-B-32").encode_text(["a"])
    OpenClipTower("hf-hub:laion/some").encode_text(["a"])
    find_backbone("clip:hf-hub:laion/some")
    assert open_clip == [("ViT-B-32", "openai", "cpu", True), ("hf-hub:laion/some", None, "cpu", False)]
    assert clip_name("ViT-B-32") == clip_name("clip:ViT-B-32/openai") == "clip:ViT-B-32/openai"
    assert find_backbone("clip:hf-hub:laion/some").name == "clip:hf-hub:laion/some"


def test_weights_in_a_file_are_known_by_its_size_and_time(open_clip: list[tuple[Any, ...]], tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"1")
    tower = OpenClipTower(f"ViT-B-32/{weights}")
    tower.encode_text(["a"])
    assert open_clip[0][1] == str(weights)
    first = tower.cache_key
    weights.write_bytes(b"22")
    assert tower.cache_key != first
    assert tower.cache_key.startswith(tower.name)


def test_models_that_are_not_there_are_told(open_clip: list[tuple[Any, ...]]) -> None:
    with pytest.raises(InputError, match="open_clip has no model 'ViT-B-23'; did you mean ViT-B-32"):
        OpenClipTower("ViT-B-23/openai").encode_text(["a"])
    with pytest.raises(InputError, match=r"'ViT-B-32/nothing' cannot be loaded \(Pretrained weights .* ViT-B-32\.\)"):
        OpenClipTower("ViT-B-32/nothing").encode_text(["a"])


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    clip_models.load_clip.cache_clear()
    fitted = make("clip_text", cache=None).fit(labelled())
    with pytest.raises(InputError, match=r"package that is not installed \(open_clip\); pip install 'kgzsl\[vision\]'"):
        fitted.priors(["Horse"])
