"""The table of image methods: filled cell by cell, resumed, within a budget, and told what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kgzsl import benchmarks, generators
from kgzsl.benchmarks import images_table
from kgzsl.benchmarks.images_beside import BESIDE, measure_beside
from kgzsl.benchmarks.images_cell import DATASETS, METHODS, measure, recipe_of
from kgzsl.benchmarks.images_page import page
from kgzsl.datasets import ImageFeatures
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.recipe import Recipe

GROUPS = [0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    random = np.random.default_rng(0)
    names = [f"class{i}" for i in range(12)]
    priors = random.normal(size=(12, 5)).astype(np.float32)
    priors[:, 0] += 4 * np.array(GROUPS)
    labels = np.repeat(np.arange(12), 12)
    features = priors[labels] @ random.normal(size=(5, 9)) + 0.3 * random.normal(size=(144, 9))
    data = ImageFeatures.from_arrays(
        features.astype(np.float32),
        labels,
        class_names=names,
        unseen=names[-3:],
        priors={"att": ClassPriors(tuple(names), priors)},
    )
    where = tmp_path_factory.mktemp("data") / "tiny"
    data.save(where)
    return str(where)


def test_cells_are_measured_once_within_the_budget_and_the_rest_is_told(folder: str, tmp_path: Path) -> None:
    out = str(tmp_path / "images.md")
    options = {"out": out, "datasets": [folder], "methods": ["ESZSL", "linear"], "seeds": 2, "device": "cpu"}
    nothing = benchmarks.run("images", **options, budget=0.0, isolated=False)
    assert [one["method"] for one in nothing["left_out"]] == ["ESZSL", "linear"]
    assert "- linear: not begun: the time budget was spent" in Path(out).read_text()
    found = benchmarks.run("images", **options, isolated=False)
    assert found["left_out"] == []
    assert [row["method"] for row in found["rows"]] == ["ESZSL", "linear"]
    for row in found["rows"]:
        assert {"zsl.top1", "gzsl.harmonic", "gzsl.ausuc", "zsl.top1_std"} <= set(row["metrics"])
        assert row["metrics"]["zsl.top1"] > 60.0  # chance is 33
        assert row["seconds"] > 0
        assert row["peak_mb"] > 0
    text = Path(out).read_text()
    assert "| method | T1 | U | S | H | AUSUC | s | MB |" in text
    assert f"| linear | {'**' if found['rows'][1]['metrics']['zsl.top1'] else ''}" in text
    again = benchmarks.run("images", **options, isolated=False)
    assert again["rows"] == found["rows"]
    kept = Path(out).with_suffix(".jsonl")
    assert len(kept.read_text().splitlines()) == 2
    kept.write_text(kept.read_text() + '{"half')
    assert benchmarks.run("images", **options, isolated=False)["rows"] == found["rows"]
    kept.write_text("x\n" + kept.read_text())
    with pytest.raises(InputError, match="no record of the table"):
        benchmarks.run("images", **options, isolated=False)


def test_what_fails_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = str(tmp_path / "images.md")
    options = {"out": out, "datasets": ["nowhere"], "methods": ["linear"], "isolated": False}
    failed = benchmarks.run("images", **options)
    assert "nowhere" in failed["rows"][0]["problem"]
    assert failed["left_out"] == [
        {"dataset": "nowhere", "method": "linear", "prior": "", "problem": failed["rows"][0]["problem"]}
    ]
    assert "Left out:" in Path(out).read_text()
    ended = {"problem": "ended after 1 s", "limit": 1}
    with monkeypatch.context() as slow:
        slow.setattr(images_table, "measured_apart", lambda *_: ended)
        cut = benchmarks.run("images", **{**options, "isolated": True}, cell_budget=1)
    assert [one["problem"] for one in cut["left_out"]] == ["ended after 1 s"]
    assert "- linear: ended after 1 s" in Path(out).read_text()
    monkeypatch.setattr(
        images_table, "measure", lambda cell: {"metrics": {"zsl.top1": 1.0}, "seconds": 1, "peak_mb": 1}
    )
    measured = benchmarks.run("images", **options)
    assert measured["rows"][0]["metrics"] == {"zsl.top1": 1.0}
    assert measured["left_out"] == []
    assert "Left out:" not in Path(out).read_text()


def test_every_method_has_a_recipe_that_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGZSL_DATA", "/nowhere")
    used = set()
    for method, content in METHODS.items():
        recipe = recipe_of({"dataset": "flo", "method": method, "seeds": 3, "options": {"epochs": 1}})
        Recipe.build(recipe)
        if content["generator"] is not None:
            used.add(content["generator"]["name"])
            assert recipe["generator"].get("epochs", 1) == 1
    assert used == set(generators.generators.names)  # no generator is forgotten
    passes = {
        name: recipe_of({"dataset": name, "method": "LisGAN", "seeds": 1})["generator"]["epochs"] for name in DATASETS
    }
    assert passes["flo"] == 18
    assert passes["awa1_handcrafted"] == 9
    for dataset in DATASETS:
        Recipe.build(recipe_of({"dataset": dataset, "method": "linear", "seeds": 1}))
    assert recipe_of({"dataset": "cifar100", "method": "linear", "seeds": 1})["graph"]["mapping"]["wolf"] == "n02114100"
    assert set(images_table._SMALL) < set(METHODS)
    assert set(images_table._KNOWLEDGE) < set(METHODS)
    cells = images_table._cells(["flo"], ["prototypes"], 3, {}, "cpu", True)
    assert [cell["prior"] for cell in cells] == ["", *images_table.PRIORS]
    deep = "deep prototypes, bias by margins"
    asked = [cell["prior"] for cell in images_table._cells(["awa1_handcrafted"], [deep], 3, {}, "cpu", True)]
    assert asked == ["", "shipped and weighted ontology"]
    recipe = Recipe.build(recipe_of(cells[-1]))
    assert [prior.weight for prior in recipe.priors] == [1.0, 0.1]
    assert recipe.protocol.splits == 3
    cells = images_table._cells(["cifar100"], ["linear"], 3, {}, "cpu", True)
    assert [cell["prior"] for cell in cells] == ["", *images_table.WORDNET_PRIORS]
    words = Recipe.build(recipe_of(cells[2])).priors[0].graph
    assert words is not None
    assert words.source.endswith("kg/wordnet/words.txt.gz")
    assert words.mapping is not None
    assert words.mapping["wolf"] == "n02114100"
    assert {name for name, told in DATASETS.items() if "ontology" in told} == {"flo", "awa1_handcrafted"}
    assert recipe_of({"dataset": "flo", "method": "GCN", "seeds": 1})["graph"]["source"] == "ontologies/flowers.ttl"
    assert "graph" not in recipe_of({"dataset": "flo", "method": "linear", "seeds": 1})


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'LisGAN'"):
        benchmarks.run("images", methods=["LissGAN"])


def test_priors_side_by_side_are_tables_of_their_own() -> None:
    row = {"dataset": "d", "method": "m", "seeds": 3, "seconds": 1.0, "peak_mb": 2.0}
    rows = [
        {**row, "prior": "", "metrics": {"zsl.top1": 50.0, "zsl.top1_std": 1.0}},
        {**row, "prior": "ontology", "metrics": {"zsl.top1": 60.0, "control.shuffled.zsl.top1": 9.5}},
    ]
    text = page(json.loads(json.dumps(rows)), [], "a machine")
    assert "| m | **50.0 ± 1.0** | - | - | - | - | 1 | 2 |" in text
    assert "3 seeds; prior: ontology." in text
    assert "| m, shuffled ontology | 9.5 | - | - | - | - | | |" in text
    assert "side by side" not in text  # a method without H has no place there
    for row, harmonic in zip(rows, (20.0, 30.0), strict=True):
        row["metrics"]["gzsl.harmonic"] = harmonic
    rows[1]["metrics"]["control.shuffled.gzsl.harmonic"] = 1.0
    rows.append({**rows[0], "method": "alone"})
    lines = page(rows, [], "a machine").splitlines()
    start = lines.index("Priors side by side, T1 / H:")
    assert lines[start + 2 : start + 7] == [
        "| prior | m |",
        "|---|---:|",
        "| shipped | 50.0 / 20.0 |",
        "| ontology | 60.0 / 30.0 |",
        "| ontology, shuffled | 9.5 / 1.0 |",
    ]


def test_methods_beside_recipes_are_measured_and_the_transductive_ones_set_apart(folder: str, tmp_path: Path) -> None:
    classes = [f"class{i}" for i in range(12)]
    tree = [f"{name},subClassOf,g{group}" for name, group in zip(classes, GROUPS, strict=True)]
    (tmp_path / "tree.csv").write_text("s,r,o\n" + "\n".join([*tree, "g0,subClassOf,top", "g1,subClassOf,top"]))
    for method in BESIDE:
        cell = {"dataset": folder, "method": method, "seeds": 2 if method == "Loki" else 1}
        found = measure_beside(cell, str(tmp_path / "tree.csv"))
        metrics = found["metrics"]
        assert ("zsl.top1_std" in metrics) == (method == "Loki")
        assert metrics["zsl.top1"] > (40.0 if method == "Loki" else 60.0), method  # chance is 33
        assert ("gzsl.harmonic" in metrics) == (not method.startswith("multi-view"))
        assert found["seconds"] > 0
    with pytest.raises(InputError, match="Loki needs"):
        measure_beside({"dataset": folder, "method": "Loki", "seeds": 1}, None)
    row = {"dataset": "d", "prior": "", "seeds": 1, "seconds": 1.0, "peak_mb": 2.0}
    rows = [
        {**row, "method": "fair", "metrics": {"zsl.top1": 50.0}},
        {**row, "method": "looks (transductive)", "metrics": {"zsl.top1": 90.0}},
    ]
    text = page(rows, [], "a machine")
    assert "| fair | **50.0** |" in text
    assert "| looks (transductive) | 90.0 |" in text


def test_methods_beside_recipes_are_run_where_and_as_the_cell_says(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kgzsl.benchmarks import images_beside

    met = []

    def method(data, priors, graph, setting):  # type: ignore[no-untyped-def]
        met.append(setting)
        model, made, _ = images_beside._generated(data, priors, setting)
        assert made.device == setting.device
        assert model.device == str(setting.device)
        none = np.zeros((1, len(data.class_names)), dtype=np.float32)
        unseen, seen = images_beside._asked(data, setting)
        spread.append(float(made[: images_beside._SAMPLES].std(dim=0).mean()))
        return TestScores(
            none[:, : len(data.unseen_names)].repeat(len(unseen), 0),
            none.repeat(len(unseen), 0),
            none.repeat(len(seen), 0),
        )

    from kgzsl.tasks.image_classification.protocol import TestScores

    monkeypatch.setitem(BESIDE, "tried", method)
    spread: list[float] = []
    cell = {"dataset": folder, "method": "tried", "seeds": 1, "device": "cpu"}
    measure_beside({**cell, "options": {"noise": 0.0, "epochs": 9}}, None)
    assert {(setting.device.type, *setting.options.items()) for setting in met} == {("cpu", ("noise", 0.0))}
    assert max(spread) < 1e-5  # without noise all samples of a class are its mean
    measure_beside(cell, None)
    assert spread[-1] > 0.01
    with pytest.raises(InputError, match="no device is called 'gpuu'"):
        measure_beside({**cell, "device": "gpuu"}, None)


@pytest.mark.parametrize(
    "method",
    [
        "nearest prior, relevance",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("linear, evidential gate", "linear, metric head", "ALE, episodic", "linear, relevance")
        ),
    ],
)
def test_the_newer_rows_are_measured(folder: str, tmp_path: Path, method: str) -> None:
    classes = [f"class{i}" for i in range(12)]
    tree = [f"{name},subClassOf,g{group}" for name, group in zip(classes, GROUPS, strict=True)]
    (tmp_path / "tree.csv").write_text("s,r,o\n" + "\n".join([*tree, "g0,subClassOf,top", "g1,subClassOf,top"]))
    cell = {"dataset": folder, "method": method, "seeds": 1, "device": "cpu"}
    found = measure({**cell, "graph": {"source": str(tmp_path / "tree.csv")}})
    assert found["metrics"]["zsl.top1"] > 50.0  # chance is 33
    if method == "linear, relevance":
        assert found["chosen"]["relevance"]["strength"] in (0.0, 0.5, 1.0, 2.0)


def test_data_sets_of_pairs_have_methods_and_columns_of_their_own() -> None:
    cells = images_table._cells(["flo", "latin_compositions"], tuple(METHODS), 3, {}, "cpu", True)
    of_pairs = [name for name, told in METHODS.items() if "pairs" in told]
    assert len(of_pairs) == 4
    assert not {cell["method"] for cell in cells if cell["dataset"] == "flo"} & set(of_pairs)
    own = [cell for cell in cells if cell["dataset"] == "latin_compositions"]
    assert {cell["method"] for cell in own} == {"ESZSL", "nearest prior", "prototypes", "linear", *of_pairs}
    for cell in own:
        recipe = Recipe.build(recipe_of(cell))
        assert recipe.compositions.attribute == "hasMark"
        assert recipe.controls == ([] if "," in cell["method"] else ["shuffled"])
    metrics = {"zsl.top1": 50.0, "pairs.attribute": 60.0, "pairs.object": 70.0, "open.top1": 40.0}
    row = {"dataset": "d", "method": "m", "seeds": 1, "seconds": 1.0, "peak_mb": 2.0, "prior": "", "metrics": metrics}
    lines = page([row], [], "a machine").splitlines()
    assert "| method | T1 | U | S | H | AUSUC | attribute | object | T1 open | H open | s | MB |" in lines
    assert "| m | **50.0** | - | - | - | - | **60.0** | **70.0** | **40.0** | - | 1 | 2 |" in lines
