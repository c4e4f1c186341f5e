"""The retrieval section of the table of image methods: what is measured, chosen, kept and shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kgzsl import benchmarks
from kgzsl.benchmarks import images_table
from kgzsl.benchmarks.images_cell import DATASETS, METHODS, measure, recipe_of
from kgzsl.benchmarks.images_page import page
from kgzsl.benchmarks.images_retrieval import RETRIEVAL, RETRIEVAL_RUN, measure_retrieval
from kgzsl.classifiers import MetricMapping, recall_at_k
from kgzsl.datasets import ImageFeatures
from kgzsl.knowledge import ClassPriors
from kgzsl.recipe import Recipe
from kgzsl.tasks.image_classification import ImageProtocol
from kgzsl.tasks.image_classification.retrieval import RETRIEVAL as FIGURES

ALONE = [name for name in RETRIEVAL if name != RETRIEVAL_RUN]
SMALL = {"dim": 4, "epochs": 2}


@pytest.fixture(scope="module")
def data() -> ImageFeatures:
    """Classes that differ in five directions, under noise that is large in five others."""
    random = np.random.default_rng(0)
    names = [f"class{i}" for i in range(14)]
    priors = random.normal(size=(14, 5)).astype(np.float32)
    labels = np.repeat(np.arange(14), 16)
    noise = random.normal(size=(len(labels), 10)) * np.repeat([0.3, 4.0], 5)
    features = np.concatenate([2 * priors[labels], np.zeros((len(labels), 5))], axis=1) + noise
    return ImageFeatures.from_arrays(
        features.astype(np.float32),
        labels,
        class_names=names,
        unseen=names[-4:],
        priors={"att": ClassPriors(tuple(names), priors)},
    )


@pytest.fixture(scope="module")
def folder(data: ImageFeatures, tmp_path_factory: pytest.TempPathFactory) -> str:
    where = tmp_path_factory.mktemp("data") / "noisy"
    data.save(where)
    return str(where)


def cell(dataset: str, method: str, **more: object) -> dict:
    return {"dataset": dataset, "method": method, "seeds": 2, "device": "cpu", "options": SMALL, "prior": "", **more}


@pytest.mark.parametrize("method", list(RETRIEVAL))
def test_every_space_is_measured(folder: str, method: str) -> None:
    found = measure(cell(folder, method))
    assert set(FIGURES) <= set(found["metrics"])
    assert {name.removesuffix("_std") for name in found["metrics"]} == set(FIGURES)
    assert found["metrics"]["retrieval.recall@1"] > 22.0  # chance
    assert "recall@1" in found["chosen"]
    assert found["seconds"] > 0


def test_whitening_within_classes_finds_what_noise_hides(folder: str) -> None:
    found = {
        method: measure(cell(folder, method, options={"shrinkage": 0.1}))["metrics"]["retrieval.recall@1"]
        for method in ("features as they are", "whitened within classes")
    }
    assert found["whitened within classes"] > found["features as they are"] + 20


def test_whitened_rows_are_those_of_the_definition(data: ImageFeatures) -> None:
    features, labels = data.rows(data.trainval_loc)
    x, mean = np.asarray(features, dtype=np.float64), np.asarray(features.mean(dim=0))
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)  # noqa: E731
    whole = RETRIEVAL["whitened"].learn(features, labels, {"dim": 10}, 0)(features)
    values, axes = np.linalg.eigh(np.cov((x - mean).T, bias=True))
    np.testing.assert_allclose(np.abs(np.asarray(whole)), np.abs(unit((x - mean) @ axes / np.sqrt(values))), atol=1e-4)
    within = x - np.stack([x[labels == c].mean(axis=0) for c in range(10)])[labels]
    spread = within.T @ within / len(x)
    metric = np.linalg.inv(spread + 0.5 * np.trace(spread) / 10 * np.eye(10))
    points = RETRIEVAL["whitened within classes"].learn(features, labels, {"shrinkage": 0.5}, 0)(features)
    cosines = (x - mean) @ metric @ (x - mean).T
    length = np.sqrt(np.diag(cosines))
    np.testing.assert_allclose(points @ points.T, cosines / length / length[:, None], atol=1e-4)
    centred = RETRIEVAL["features, centred"].learn(features, labels, {}, 0)(features)
    np.testing.assert_allclose(centred, unit(x - mean), atol=1e-5)
    assert RETRIEVAL["features as they are"].learn(features, labels, {}, 0)(features) is features


def test_options_are_those_of_best_recall_on_held_out_seen_classes(folder: str, data: ImageFeatures) -> None:
    found = measure_retrieval(cell(folder, "metric mapping, energy confusion"))
    trial = ImageProtocol(data).selection_data()
    assert trial is not None
    features, labels = trial.rows(trial.trainval_loc)
    asked, true = trial.rows(trial.test_unseen_loc)
    tried = {**SMALL, "lr": 1e-3, "start": "principal"}
    recalls = {
        weight: 100
        * recall_at_k(MetricMapping(**tried, confusion=weight).fit(features, labels).transform(asked), true)[0]
        for weight in RETRIEVAL["metric mapping, energy confusion"].grid["confusion"]
    }
    assert set(found["chosen"]) == {"dim", "epochs", "confusion", "recall@1"}
    assert min(recalls) > 0.0  # else it would be plain metric mapping
    assert found["chosen"]["recall@1"] == pytest.approx(max(recalls.values()), abs=1e-3)
    assert found["chosen"]["confusion"] == max(recalls, key=lambda weight: recalls[weight])
    assert found["chosen"]["dim"] == 4


def test_maps_see_training_rows_alone_and_test_labels_count_once(folder: str, data, monkeypatch) -> None:
    met: list[torch.Tensor] = []
    fit = MetricMapping.fit
    monkeypatch.setattr(MetricMapping, "fit", lambda self, x, y: met.append(x) or fit(self, x, y))
    opened: list[dict] = []
    final = ImageProtocol.final_score
    monkeypatch.setattr(ImageProtocol, "final_score", lambda self, *given: opened.append(given) or final(self, *given))
    measure_retrieval(cell(folder, "metric mapping"))
    assert len(opened) == 1
    train = {tuple(row) for row in data.rows(data.trainval_loc)[0].tolist()}
    assert met
    assert all({tuple(row) for row in rows.tolist()} <= train for rows in met)
    assert sum(len(rows) == len(train) for rows in met) == 2  # one for each seed


def test_what_was_done_is_not_done_again(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = cell(folder, "metric mapping", folder=str(tmp_path / "cell"))
    first = measure_retrieval(kept)
    monkeypatch.setattr(MetricMapping, "fit", lambda *_: pytest.fail("it was done before"))
    again = measure_retrieval(kept)
    assert again["metrics"] == first["metrics"]
    assert again["chosen"] == first["chosen"]


def test_the_run_is_chosen_by_recall_and_asks_for_retrieval() -> None:
    recipe = recipe_of({"dataset": "flo", "method": RETRIEVAL_RUN, "seeds": 3})
    Recipe.build(recipe)
    assert recipe["classifier"]["name"] == "metric"
    assert recipe["protocol"]["retrieval"] is True
    assert recipe["protocol"]["criterion"] == "retrieval.recall@1"
    assert 0.0 in recipe["protocol"]["search"]["classifier.confusion"]
    assert "retrieval" not in recipe_of({"dataset": "flo", "method": "linear, metric head", "seeds": 3})["protocol"]


def test_the_section_is_filled_and_resumed_by_the_command(folder: str, tmp_path: Path) -> None:
    assert not set(RETRIEVAL) & set(METHODS)
    for name, about in DATASETS.items():
        cells = images_table._cells([name], list(RETRIEVAL), 3, {}, "cpu", True)
        assert [one["method"] for one in cells] == ([] if "methods" in about else list(RETRIEVAL))
        assert len({one["recipe"] for one in cells}) == len(cells)
    out = tmp_path / "images.md"
    methods = ["ESZSL", "features, centred", "whitened within classes"]
    options = {"out": str(out), "datasets": [folder], "methods": methods, "seeds": 2, "device": "cpu"}
    found = benchmarks.run("images", **options, isolated=False)
    assert found["left_out"] == []
    text = out.read_text()
    accuracies, section = text.split("## Retrieval and clustering of unseen classes")
    assert "| ESZSL |" in accuracies
    assert "whitened within" not in accuracies
    assert "ESZSL" not in section
    assert "| space | R@1 | R@2 | R@4 | R@8 | NMI | held out | chosen | s | MB |" in section
    assert "| features, centred | " in section
    assert "| shrinkage " in section
    again = benchmarks.run("images", **options, isolated=False)
    assert again["rows"] == found["rows"]
    assert out.read_text() == text
    late = benchmarks.run("images", **{**options, "out": str(tmp_path / "late.md")}, budget=0.0, isolated=False)
    assert len(late["left_out"]) == 3
    assert "- features, centred: not begun: the time budget was spent" in (tmp_path / "late.md").read_text()


def test_a_page_without_retrieval_has_no_such_section() -> None:
    row = {"dataset": "d", "method": "m", "seeds": 1, "seconds": 1.0, "peak_mb": 2.0, "metrics": {"zsl.top1": 50.0}}
    assert "Retrieval" not in page([row], [], "a machine")
