"""``kgzsl compare`` and ``kgzsl recipes``: the grid, its resumption, its table and its page."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from kgzsl.cli.grid import cells, choices
from kgzsl.errors import InputError
from kgzsl.recipe import Recipe
from kgzsl.report.comparison import Compared, _validation, render_comparison, table_rows
from kgzsl.tasks import ZeroShotClassifier


def base(**changes: object) -> Recipe:
    plain = {"task": "image_classification", "dataset": "latin_characters", "priors": ["attributes"]}
    return Recipe.build({**plain, "generator": None, "classifier": {"name": "eszsl", "gamma": 3.0}, **changes})


def test_choices_are_names_joins_none_and_yaml() -> None:
    given = choices(["attributes,tfidf+transe", "{name: transe, dim: 8}", "none"])
    assert given == ["attributes", ["tfidf", "transe"], {"name": "transe", "dim": 8}, None]
    with pytest.raises(InputError, match="empty name"):
        choices(["a,,b"])


def test_the_grid_is_every_combination_and_keeps_own_options() -> None:
    grid = cells(base(), choices(["attributes,attributes+tfidf"]), choices(["none,wgan"]), choices(["eszsl,softmax"]))
    assert len(grid) == 8
    assert len({cell.name for cell in grid}) == 8
    first = grid[0].recipe
    assert first is not None
    assert first.generator is None
    assert [cell.recipe is None for cell in grid] == [False, True, False, False] * 2  # softmax needs a generator
    assert first.classifier.options == {"gamma": 3.0}  # the recipe's own component keeps its options
    softmax = grid[3].recipe
    assert softmax.classifier.options == {}  # and another one does not get them
    assert [prior.name for prior in grid[-1].recipe.priors] == ["attributes", "tfidf"]


def test_a_run_without_generator_stays_one_when_its_recipe_is_read_again() -> None:
    assert Recipe.parse(base().to_yaml()).generator is None


def test_without_a_generator_a_recipe_says_what_will_answer() -> None:
    plain = {"task": "image_classification", "dataset": "latin_characters", "priors": ["attributes"], "generator": None}
    assert Recipe.build(plain).to_dict()["classifier"]["name"] == "eszsl"
    with pytest.raises(InputError, match="without a generator"):
        Recipe.build({**plain, "classifier": "softmax"})


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (([], [], []), "nothing is compared"),
        ((["{name: transe, dmi: 8}"], [], []), "dmi"),
        ((["attributes", "attributes"], [], []), "twice"),
    ],
)
def test_grids_that_make_no_sense_are_refused(given: tuple[list[str], ...], part: str) -> None:
    with pytest.raises(InputError, match=part):
        cells(base(graph="latin_characters.ttl"), *map(choices, given))


def zoo(folder: Path) -> Path:
    random = np.random.default_rng(0)
    prior = random.normal(size=(6, 4)).astype(np.float32)
    labels = np.repeat(np.arange(6), 10)
    features = prior[labels] @ random.normal(size=(4, 8)) + 0.1 * random.normal(size=(60, 8))
    names = np.array([f"c{i}" for i in range(6)])
    arrays = {"features": features.astype(np.float32), "labels": labels, "class_names": names}
    np.savez(folder / "zoo.npz", **arrays, unseen_classes=[4, 5], att=prior, noise=random.normal(size=(6, 4)))
    text = f"task: image_classification\ndataset: {folder / 'zoo.npz'}\npriors: [att]\ngenerator: null\n"
    text += "classifier: eszsl\ncontrols: [chance]\nprotocol: {hits: [2]}\n"
    (folder / "zoo.yaml").write_text(text)
    return folder / "zoo.yaml"


def test_cells_are_run_once_and_what_cannot_be_is_told(kgzsl, tmp_path: Path) -> None:
    recipe, out = zoo(tmp_path), tmp_path / "out"
    arguments = ["compare", recipe, "--generators", "none,linear", "--classifiers", "eszsl,gda", "--out", out, "--json"]
    done = kgzsl(*arguments)
    assert done.code == 0, done.err
    with (out / "table.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert set(rows) == {f"att--{generator}--{head}" for generator in ("none", "linear") for head in ("eszsl", "gda")}
    assert "without a generator" in rows["att--none--gda"]["problem"]
    metrics = json.loads((out / "cells" / "att--none--eszsl" / "metrics.json").read_text())
    assert float(rows["att--none--eszsl"]["zsl.top1"]) == pytest.approx(metrics["zsl.top1"])
    assert float(rows["att--none--eszsl"]["control.chance.zsl.top1"]) == 50.0
    told = kgzsl("info", out)
    assert told.code == 0, told.err
    top1 = float(rows["att--none--eszsl"]["zsl.top1"])
    assert f"att--none--eszsl: T1 {top1:.1f}, " in told.out
    assert f"att--none--gda: {rows['att--none--gda']['problem']}" in told.out
    assert f"page: {out / 'comparison.html'}" in told.out
    page = (out / "comparison.html").read_text()
    assert "cells/att--linear--gda/report.html" in page
    assert "://" not in page.split("</style>")[1].split("How to repeat")[0]  # nothing is loaded from anywhere
    stamps = {file: file.stat().st_mtime_ns for file in (out / "cells").rglob("metrics.json")}
    again = kgzsl(*arguments)
    assert again.code == 0, again.err
    assert stamps == {file: file.stat().st_mtime_ns for file in (out / "cells").rglob("metrics.json")}
    assert kgzsl(*arguments, "--set", "protocol.seeds=2").code == 2  # other runs lie there


LOOKS = {"generator": "linear", "classifier": {"name": "cascade", "ratio": 0.2}, "unlabeled": "test"}


def test_settings_are_not_mixed_unless_one_asks_for_it() -> None:
    heads = choices(["cascade,softmax"])
    with pytest.raises(InputError, match=r"softmax is inductive.*add --across-settings"):
        cells(base(**LOOKS), [], [], heads)
    mixed = cells(base(**LOOKS), [], [], heads, across_settings=True)
    assert [cell.recipe.setting for cell in mixed] == ["transductive", "inductive"]
    assert mixed[1].recipe.unlabeled is None
    alike = cells(base(**LOOKS), [], [], choices(["softmax,gda"]))  # nobody looks, so nothing is mixed
    assert {cell.recipe.setting for cell in alike} == {"inductive"}
    both = cells(base(**LOOKS), [], [], choices(["cascade,self-training"]))
    assert {cell.recipe.setting for cell in both} == {"transductive"}
    second = cells(base(**LOOKS), [], choices(["f-vaegan,linear"]), [])
    assert {cell.recipe.setting for cell in second} == {"transductive"}
    with pytest.raises(InputError, match="classifier 'cascade' looks at unlabelled data"):
        cells(base(generator="linear", classifier="gda"), [], [], heads)


def test_mixed_settings_are_stamped_line_by_line_and_told_by_info(kgzsl, tmp_path: Path) -> None:
    recipe, out = zoo(tmp_path), tmp_path / "out"
    arguments = ["compare", recipe, "--classifiers", "cascade,gda", "--set", "unlabeled=test", "--out", out]
    arguments += ["--set", "generator=linear", "--set", "classifier={name: cascade, options: {epochs: 2}}"]
    refused = kgzsl(*arguments)
    assert refused.code == 2
    assert "--across-settings" in refused.err
    assert not out.exists()
    done = kgzsl(*arguments, "--across-settings")
    assert done.code == 0, done.err
    with (out / "table.csv").open() as file:
        assert [row["setting"] for row in csv.DictReader(file)] == ["transductive", "inductive"]
    assert "TRANSDUCTIVE; beats" in (out / "comparison.html").read_text()
    first, second = sorted((out / "cells").iterdir())
    for folder, setting in ((first, "transductive"), (second, "inductive")):
        told = kgzsl("info", folder, "--json")
        assert json.loads(told.out)["setting"] == setting
    assert "setting: TRANSDUCTIVE: unlabelled test data was used" in kgzsl("info", first).out
    model = tmp_path / "model"
    ZeroShotClassifier.load(first, device="cpu").save(model)
    assert "setting: TRANSDUCTIVE" in kgzsl("info", model).out
    values = json.loads(kgzsl("info", model, "--json").out)
    assert (values["what"], values["classifier"], values["setting"]) == ("model", "cascade", "transductive")


def test_the_page_puts_controls_first_and_escapes_names() -> None:
    metrics = {"zsl.top1": 40.0, "control.chance.zsl.top1": 10.0, "control.baseline.zsl.top1": 45.0}
    beats = ["x beats chance: T1 40 against 10", "x DOES NOT BEAT ESZSL: T1 40 against 45"]
    lines = [
        Compared("a", "<b>att</b>", "wgan", "softmax", metrics, ["zsl.top1"], beats),
        Compared("c", "text", "wgan", "softmax", {}, problem="no text"),
    ]
    page = render_comparison("two", lines, "task: x", "kgzsl compare x", "1")
    assert "<b>att</b>" not in page
    assert page.index("What a cell has to beat") < page.index("Every cell")
    assert "beats 1 of 2" in page
    assert "45.0" in page.split("What a cell has to beat")[1].split("</table>")[0]
    rows = table_rows(lines)
    assert (rows[0]["controls_beaten"], rows[0]["controls"], rows[1]["problem"]) == (1, 2, "no text")


def test_recipes_are_listed_and_printed(kgzsl) -> None:
    listed = json.loads(kgzsl("recipes", "--json").out)["recipes"]
    assert {"latin_characters", "flowers", "geography"} <= {one["name"] for one in listed}
    assert all(one["about"] and one["task"] for one in listed)
    about = {one["name"]: one["about"] for one in listed}
    assert about["wn18rr"].startswith("WN18RR, ordinary completion")
    assert all(text.endswith((".", ")")) for text in about.values()), about  # whole sentences, over several lines
    assert kgzsl("recipes", "geography").out.startswith("# World geography")
    kgzsl("recipes", "geografy").refused("geography")


def test_the_table_says_what_each_cell_reached_on_held_out_classes_and_relations() -> None:
    chosen = {"generator": {"steps": 5, "pairs.validation.mrr": 0.4, "generator.validation.mrr": 0.5}}
    lines = [
        Compared("a", "x", "y", "z", {"zsl.top1": 10.0}, ["zsl.top1"], validation={"zsl.top1": 30.0}),
        Compared("b", "x", "y", "z", {"kgc.mrr": 0.1}, ["kgc.mrr"], validation=_validation({"chosen": chosen})),
        Compared("c", "x", "y", "z", {"kgc.mrr": 0.1}, ["kgc.mrr"], validation=_validation({"chosen": {}})),
    ]
    first, second, third = table_rows(lines)
    assert first["validation.zsl.top1"] == 30.0
    assert second["validation.kgc.mrr"] == 0.5  # of the method, not of the pair features under it
    assert "validation.kgc.mrr" not in third
