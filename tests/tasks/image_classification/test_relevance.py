"""Seen classes near the unseen ones count for more: in models, recipes, selection and resumed runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kgzsl.datasets import ImageFeatures
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.image_classification import ZeroShotClassifier, run
from kgzsl.tasks.image_classification._relevance import class_weights
from tests.tasks.image_classification.conftest import class_iri

pytestmark = pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")
WGAN = {"hidden": 16, "epochs": 2, "batch_size": 32}


def families(seed: int) -> tuple[ImageFeatures, ClassGraph]:
    """Two families, each with its own way from priors to features; all unseen classes are of the first."""
    random = np.random.default_rng(seed)
    family = np.array([0] * 10 + [1] * 30 + [0] * 6)
    names = [f"k{i}" for i in range(46)]
    priors = random.normal(size=(46, 6)).astype(np.float32)
    ways = random.normal(size=(2, 6, 15))
    labels = np.repeat(np.arange(46), 12)
    features = np.einsum("np,npd->nd", priors[labels], ways[family[labels]]) + 0.8 * random.normal(size=(552, 15))
    tree = [(name, "subClassOf", f"family{kind}") for name, kind in zip(names, family, strict=True)]
    graph = ClassGraph.from_triples([*tree, ("family0", "subClassOf", "root"), ("family1", "subClassOf", "root")])
    data = ImageFeatures.from_arrays(
        features.astype(np.float32),
        labels,
        class_names=names,
        unseen=names[-6:],
        priors={"att": ClassPriors(tuple(names), priors)},
        name="families",
    )
    return data, graph


def fitted(data: ImageFeatures, generator: str | None, relevance, *, classifier: str = "gda", **options):
    model = ZeroShotClassifier(
        generator,
        classifier,
        samples_per_class=20,
        relevance=relevance,
        device="cpu",
        precision="32-true",
        **options,
    )
    features, names = data.train
    return model.fit(features, np.asarray(names), data.priors["att"])


@pytest.mark.parametrize(("generator", "classifier"), [("linear", "gda"), (None, "nearest-prior")], ids=str)
def test_it_helps_where_unseen_classes_are_like_a_part_of_the_seen_ones(generator, classifier: str) -> None:
    gains = []
    for seed in range(4):
        data, graph = families(seed)
        rows, names = data.features[data.test_unseen_loc], data.name_of(data.labels[data.test_unseen_loc])
        right = [
            np.mean(fitted(data, generator, one, classifier=classifier).predict(rows, "unseen") == np.asarray(names))
            for one in ({"graph": graph, "strength": 2.0}, None)
        ]
        gains.append(right[0] - right[1])
    assert np.mean(gains) > 0.05


@pytest.mark.parametrize(
    ("generator", "classifier", "options"),
    [
        ("linear", "gda", {}),
        ("wgan", "gda", WGAN),
        ("f-vaegan", "gda", WGAN),
        (None, "eszsl", {}),
        (None, "ale", {"epochs": 2}),
    ],
    ids=str,
)
def test_equal_distances_change_nothing_at_all(generator, classifier: str, options) -> None:
    data, graph = families(0)
    shared = {"generator_options" if generator else "classifier_options": options, "classifier": classifier}
    plain = fitted(data, generator, None, **shared)
    star = ClassGraph.from_triples((name, "subClassOf", "root") for name in data.class_names)
    with pytest.warns(UserWarning, match="weighs all seen classes alike"):
        same = fitted(data, generator, {"graph": star}, **shared)
    off = fitted(data, generator, {"graph": graph, "strength": 0.0}, **shared)
    weighed = fitted(data, generator, {"graph": graph}, **shared)
    rows = data.features[::11]
    assert np.array_equal(same.scores(rows), plain.scores(rows))
    assert np.array_equal(off.scores(rows), plain.scores(rows))
    assert not np.allclose(weighed.scores(rows), plain.scores(rows))


def test_the_weights_by_each_metric() -> None:
    data, graph = families(0)
    priors = data.priors["att"]
    is_seen = np.arange(46) < 40
    by_hops = class_weights({"graph": graph}, priors, is_seen)
    assert by_hops[is_seen].mean() == pytest.approx(1.0)
    assert not by_hops[~is_seen].any()
    # Two hops to each unseen class of the own family, four to those of the other; the median is four.
    assert by_hops[0] / by_hops[20] == pytest.approx(np.exp(0.5))
    np.testing.assert_allclose(class_weights({"graph": graph, "metric": "resistance"}, priors, is_seen), by_hops)
    by_priors = class_weights({"metric": "priors", "gather": "nearest"}, priors, is_seen)
    assert np.ptp(by_priors[is_seen]) > 0.1
    attributed = ClassGraph.from_triples(
        [*((name, "has", "colour") for name in data.class_names), *((name, "subClassOf", "root") for name in "ab")]
        + [(iri, "subClassOf", "family0" if i < 10 or i > 39 else "family1") for i, iri in enumerate(data.class_names)]
        + [("family0", "subClassOf", "root"), ("family1", "subClassOf", "root")]
    )
    with pytest.warns(UserWarning, match="taxonomy: true"):
        class_weights({"graph": attributed}, priors, is_seen)
    np.testing.assert_allclose(class_weights({"graph": attributed, "taxonomy": True}, priors, is_seen), by_hops)


def test_a_saved_model_keeps_the_weights_for_its_prior_head(tmp_path: Path) -> None:
    data, graph = families(1)
    model = fitted(data, "linear", {"graph": graph}, prior_head="eszsl", prior_weight=2.0)
    plain = fitted(data, "linear", {"graph": graph}, prior_head="sae", prior_weight=2.0)  # takes no weights
    again = ZeroShotClassifier.load(model.save(tmp_path / "model"), device="cpu")
    rows = data.features[::9]
    np.testing.assert_allclose(again.scores(rows), model.scores(rows), rtol=1e-5, atol=1e-5)
    assert again.relevance == {}
    row = data.priors["att"].matrix[0]
    for one in (model, again):
        one.add_class("another", prior_row=row, retrain_heads=True)
    np.testing.assert_allclose(again.scores(rows), model.scores(rows), rtol=1e-4, atol=1e-4)
    assert np.isfinite(plain.scores(rows)).all()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The families of the fixture's 16 classes, as a table."""
    edges = [f"{class_iri(f'class{i}')},subClassOf,family{int(4 <= i < 12)}" for i in range(16)]
    file = tmp_path_factory.mktemp("tree") / "tree.csv"
    file.write_text("s,r,o\n" + "\n".join([*edges, "family0,subClassOf,root", "family1,subClassOf,root"]))
    return str(file)


def recipe_of(small_recipe, tree: str, *more: str):
    mapping = ", ".join(f"class{i}: '{class_iri(f'class{i}')}'" for i in range(16))
    return small_recipe(
        f"graph={{source: {tree}, mapping: {{{mapping}}}}}",
        "classifier={name: gda, samples_per_class: 20}",
        "controls=[chance, shuffled]",
        *more,
    )


def test_from_a_recipe_with_a_search_a_control_and_resumed(world, small_recipe, tree: str, tmp_path: Path) -> None:
    fast = "generator={name: linear, ridge: 0.1}"
    plain = run(recipe_of(small_recipe, tree, fast), data=world.data, progress=False)
    off = run(recipe_of(small_recipe, tree, fast, "relevance={strength: 0.0}"), data=world.data, progress=False)
    assert {k: v for k, v in off.metrics.items() if "seconds" not in k} == {
        k: v for k, v in plain.metrics.items() if "seconds" not in k
    }
    settings = (fast, "relevance={kernel: gaussian}", "protocol.search={relevance.strength: [0.0, 1.0, 4.0]}")
    found = run(recipe_of(small_recipe, tree, *settings), data=world.data, out=tmp_path, progress=False)
    assert found.selection["chosen"]["generator"]["relevance"]["strength"] in (0.0, 1.0, 4.0)
    assert found.model.relevance["strength"] == found.selection["chosen"]["generator"]["relevance"]["strength"]
    assert found.model.relevance["kernel"] == "gaussian"
    assert "control.shuffled.zsl.top1" in found.metrics
    again = run(recipe_of(small_recipe, tree, *settings), data=world.data, out=tmp_path, resume=True, progress=False)
    assert again.metrics["zsl.top1"] == found.metrics["zsl.top1"]
    strong = run(recipe_of(small_recipe, tree, fast, "relevance={strength: 6.0}"), data=world.data, progress=False)
    rows = world.data.features[::9]
    assert not np.allclose(strong.model.scores(rows), plain.model.scores(rows))


def test_what_cannot_be_weighed_is_refused_before_anything_runs(world, small_recipe, tree: str, linear: str) -> None:
    for more, words in (
        (("generator=null", "classifier={name: sae}", "relevance={}"), "'sae' takes no weights of rows"),
        ((f"generator={{name: '{linear}'}}", "relevance={}"), "takes no weights of rows"),
        (("relevance={metric: hop}",), "relevance.metric is 'hop'.*hops"),
        (("relevance={strenght: 1}",), "unknown key 'strenght'.*strength"),
        (("relevance={strength: -1}",), "relevance.strength"),
        (("relevance={}", "protocol.search={relevance.strength: [-1.0]}"), "cannot search relevance.strength=-1.0"),
        (("protocol.search={relevance.strength: [1.0]}",), "cannot search 'relevance.strength'"),
    ):
        with pytest.raises(InputError, match=words):
            recipe_of(small_recipe, tree, *more)
    with pytest.raises(InputError, match=r"relevance by hops needs a class graph; .*metric: priors"):
        run(small_recipe("generator=linear", "relevance={}", "controls=[chance]"), data=world.data, progress=False)
    features, names = world.data.train
    with pytest.raises(InputError, match="'sae' takes no weights"):
        ZeroShotClassifier(None, "sae", relevance={"metric": "priors"}, device="cpu").fit(
            features, np.asarray(names), world.priors
        )
    with pytest.raises(InputError, match="needs a class graph"):
        ZeroShotClassifier(None, "eszsl", relevance={}, device="cpu").fit(features, np.asarray(names), world.priors)
