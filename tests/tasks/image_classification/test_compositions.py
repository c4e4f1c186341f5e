"""Classes that are pairs, by recipe: told three ways, closed and open world, kept and read, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgzsl.datasets import ImageFeatures
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.recipe import ImageRecipe, Recipe
from kgzsl.tasks.image_classification import ZeroShotClassifier, run
from kgzsl.tasks.result import RunResult

ATTRIBUTES, OBJECTS = [f"state{i}" for i in range(5)], [f"thing{i}" for i in range(6)]
# What cannot be: state0 of thing4 and thing5. One pair more is on no list.
IMPOSSIBLE, UNLISTED = {("state0", "thing4"), ("state0", "thing5")}, ("state4", "thing3")
PAIRS = [(a, o) for a in ATTRIBUTES for o in OBJECTS if (a, o) not in IMPOSSIBLE | {UNLISTED}]
UNSEEN = PAIRS[::4]
RECIPE = """\
task: image_classification
dataset: pairs.npz
graph: pairs.csv
compositions: {attribute: hasState, object: hasThing}
priors: [{name: file, path: parts.csv}]
generator: null
classifier: {name: compositional, dim: 32, epochs: 60, batch_size: 64, unseen_bias: validation}
protocol: {hits: [2]}
train: {device: cpu}
"""


def class_of(pair: tuple[str, str]) -> str:
    return f"picture of {pair[0]} {pair[1]}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features that follow from both parts, what tells the parts, and vectors of them."""
    place, random = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    vectors = dict(zip([*ATTRIBUTES, *OBJECTS], random.normal(size=(11, 6)), strict=True))
    ways = random.normal(size=(2, 6, 24))
    labels = np.repeat(np.arange(len(PAIRS)), 16)
    clean = np.array([vectors[PAIRS[i][0]] @ ways[0] + vectors[PAIRS[i][1]] @ ways[1] for i in labels])
    features = (clean + random.normal(size=clean.shape)).astype(np.float32)
    unseen = np.array([PAIRS.index(pair) for pair in UNSEEN])
    names = np.array([class_of(pair) for pair in PAIRS])
    np.savez(place / "pairs.npz", features=features, labels=labels, class_names=names, unseen_classes=unseen)
    (place / "parts.csv").write_text("".join(f"{n},{','.join(map(str, v))}\n" for n, v in vectors.items()))
    told = [
        (class_of(pair), kind, part)
        for pair in PAIRS
        for kind, part in zip(("hasState", "hasThing"), pair, strict=True)
    ]
    more = [("state0", "owl:disjointWith", "hard"), *((thing, "rdfs:subClassOf", "hard") for thing in OBJECTS[4:])]
    # A statement on kinds of parts, which the seen pairs contradict as one on pairs.
    more += [("State", "owl:disjointWith", "Thing"), *((name, "rdfs:subClassOf", "State") for name in ATTRIBUTES)]
    more += [(name, "rdfs:subClassOf", "Thing") for name in OBJECTS]
    write_graph(place / "pairs.csv", [*told, *more])
    rows = "".join(f"{class_of(pair)},{pair[0]},{pair[1]}\n" for pair in PAIRS)
    (place / "table.csv").write_text(f"class,attribute,object\n{rows}")
    (place / "pairs.yaml").write_text(RECIPE.replace("pairs.npz", str(place / "pairs.npz")))
    return place


def write_graph(file: Path, triples: list[tuple[str, str, str]]) -> None:
    file.write_text("subject,relation,object\n" + "".join(f"{','.join(triple)}\n" for triple in triples))


def recipe_of(folder: Path, *overrides: str) -> ImageRecipe:
    recipe = Recipe.read(folder / "pairs.yaml", overrides)
    assert isinstance(recipe, ImageRecipe)
    return recipe


def ran(folder: Path, *overrides: str, **options: Any) -> RunResult:
    return run(recipe_of(folder, *overrides), progress=False, **options)


@pytest.fixture(scope="module")
def found(folder: Path) -> RunResult:
    return ran(folder)


def test_unseen_pairs_are_recognised_and_the_wrong_parts_are_not(found: RunResult) -> None:
    metrics = found.metrics
    assert metrics["zsl.top1"] > 60
    assert metrics["gzsl.harmonic"] > 40
    assert metrics["control.chance.zsl.top1"] == pytest.approx(100 / len(UNSEEN))
    assert metrics["control.shuffled.zsl.top1"] < metrics["zsl.top1"] - 30
    assert any("compositional beats the shuffled ontology: T1" in line for line in found.verdicts)


def test_the_figures_of_the_field_are_told_beside_the_others(found: RunResult) -> None:
    metrics = found.metrics
    assert metrics["pairs.unseen"] >= metrics["gzsl.unseen"]  # the best over all biases
    assert metrics["pairs.seen"] >= metrics["gzsl.seen"]
    assert metrics["pairs.harmonic"] >= metrics["gzsl.harmonic"] - 1e-6
    assert 0 < metrics["pairs.auc"] < 1
    assert min(metrics["pairs.attribute"], metrics["pairs.object"]) >= metrics["zsl.overall"]


def test_the_open_world_has_every_pair_that_may_be(found: RunResult) -> None:
    metrics, model = found.metrics, found.model
    assert metrics["open.pairs"] == 5 * 6 - len(IMPOSSIBLE)
    assert metrics["open.ruled_out"] == len(IMPOSSIBLE)
    assert metrics["open.top1"] <= metrics["zsl.top1"]
    assert metrics["open.ausuc"] <= metrics["gzsl.ausuc"]
    assert metrics["control.chance.open.top1"] == pytest.approx(100 / (len(UNSEEN) + 1))
    assert model.candidates("open").tolist() == [*map(class_of, PAIRS), "state4 thing3"]
    assert "state4 thing3" not in [*model.candidates("all"), *model.candidates("unseen"), *model.names_]
    assert any("open world: 1 more pairs may be answered" in line and "out 2" in line for line in found.warnings)


def test_the_statement_that_seen_pairs_contradict_alone_would_rule_out_all(folder: Path, tmp_path: Path) -> None:
    kept = [line for line in (folder / "pairs.csv").read_text().splitlines() if "hard" not in line]
    (tmp_path / "kinds.csv").write_text("\n".join(kept) + "\n")
    metrics = ran(folder, f"graph={tmp_path / 'kinds.csv'}", "controls=[]").metrics
    assert (metrics["open.pairs"], metrics["open.ruled_out"]) == (30, 0)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (lambda line: "disjointWith" not in line, "the class graph has no disjointness, and rules none out"),
        (lambda line: "hard" in line and "thing" not in line, "the class graph has none of the parts"),
    ],
)
def test_a_graph_that_can_rule_nothing_out_is_said_to(
    folder: Path, tmp_path: Path, kept: Callable[[str], bool], words: str
) -> None:
    header, *lines = (folder / "pairs.csv").read_text().replace("state0,owl", "hot,owl").splitlines()
    (tmp_path / "graph.csv").write_text("\n".join([header, *filter(kept, lines)]) + "\n")
    found = ran(folder, f"graph={tmp_path / 'graph.csv'}", "compositions={table: table.csv}", "controls=[]")
    assert any(words in line for line in found.warnings)
    assert "open.ruled_out" not in found.metrics


def test_parts_that_no_relation_tells_are_to_be_called_what_the_graph_calls_them(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "graph.csv").write_text((folder / "pairs.csv").read_text().replace("state1", "condition one"))
    message = complaint(
        folder, f"graph={tmp_path / 'graph.csv'}", "compositions={table: table.csv}", "priors=[{name: tfidf, dim: 4}]"
    )
    assert "1 of 11 parts of the classes match no single node of the class graph: 'state1' (nearest: State" in message
    assert message.endswith("call the parts what the graph does, or write graph: {mapping: {PART: IRI}}")


def test_what_is_kept_answers_alike(folder: Path, found: RunResult, tmp_path: Path) -> None:
    found.model.save(tmp_path / "model")
    again = ZeroShotClassifier.load(tmp_path / "model", device="cpu")
    rows = np.load(folder / "pairs.npz")["features"][::7]
    for candidates in ("all", "unseen", "open", ["state4 thing3", class_of(PAIRS[0])]):
        assert again.candidates(candidates).tolist() == found.model.candidates(candidates).tolist()
        expected = found.model.decision_function(rows, candidates)
        np.testing.assert_allclose(again.decision_function(rows, candidates), expected, rtol=1e-5, atol=1e-5)
    assert again.explain(rows[:1], "open")[0].predicted in again.candidates("open")


def test_a_pair_of_the_open_world_becomes_a_class(folder: Path, found: RunResult, tmp_path: Path) -> None:
    found.model.save(tmp_path / "model")
    rows = np.load(folder / "pairs.npz")["features"][::7]
    model = ZeroShotClassifier.load(tmp_path / "model", device="cpu")
    before = model.decision_function(rows, "open")
    model.add_class("the new one", beyond="state4 thing3")
    assert model.unseen_[-1] == "the new one"
    assert model.open_ is None
    np.testing.assert_array_equal(model.decision_function(rows, "all"), before)
    with pytest.raises(InputError, match="no open world"):
        model.predict(rows, "open")


def test_an_open_world_may_grow_and_is_for_classifiers_of_priors(
    folder: Path, found: RunResult, tmp_path: Path
) -> None:
    found.model.save(tmp_path / "model")
    model = ZeroShotClassifier.load(tmp_path / "model", device="cpu")
    rows = np.load(folder / "pairs.npz")["features"][::7]
    own = model.priors_
    model.open_world(ClassPriors(("one more",), own[class_of(PAIRS[3])][None]))
    assert model.candidates("open").tolist()[-2:] == ["state4 thing3", "one more"]
    scores = model.scores(rows, "open")
    np.testing.assert_array_equal(scores[:, -1], scores[:, 3])  # the same prior
    np.testing.assert_array_equal(scores[:, :-1], found.model.scores(rows, "open"))
    with pytest.raises(InputError, match="is there already"):
        model.open_world(own.align([class_of(PAIRS[3])]))
    with_generator = ran(folder, "generator=linear", "classifier=softmax", "controls=[]").model
    with pytest.raises(InputError, match=r"an open world is for a classifier that answers from priors, .* a gen"):
        with_generator.open_world(own)


def test_three_ways_to_tell_the_parts_are_one(folder: Path, found: RunResult) -> None:
    by_table = ran(folder, "compositions={table: table.csv}", "controls=[]")
    data = ImageFeatures.from_npz(folder / "pairs.npz")
    info = {kind: tuple(pair[side] for pair in PAIRS) for side, kind in enumerate(("attribute", "object"))}
    from dataclasses import replace

    by_data = ran(folder, "compositions=data", "controls=[]", data=replace(data, class_info=info))
    for other in (by_table, by_data):
        for name in ("zsl.top1", "gzsl.harmonic", "open.harmonic", "open.ruled_out"):
            assert other.metrics[name] == pytest.approx(found.metrics[name])


@pytest.mark.parametrize("option", ["epsilon=0.3", "mixing=1.0", "hold_out=0.4"])
def test_each_mechanism_is_switched_on_and_off_by_the_recipe(folder: Path, found: RunResult, option: str) -> None:
    name = option.partition("=")[0]
    rows = np.load(folder / "pairs.npz")["features"][::7]
    on, off = (
        ran(folder, f"classifier.{one}", "controls=[]", "compositions.open=false").model
        for one in (option, f"{name}=0")
    )
    expected = found.model.scores(rows)
    np.testing.assert_array_equal(off.scores(rows), expected)
    assert np.abs(on.scores(rows) - expected).max() > 0.1


def test_other_methods_take_the_same_priors(folder: Path) -> None:
    for change in ("classifier=nearest-prior", "classifier=prototypes", "generator=linear"):
        more = ["classifier=softmax"] if "linear" in change else []
        metrics = ran(folder, change, *more, "controls=[]").metrics
        assert metrics["zsl.top1"] > 40
        assert "pairs.auc" in metrics
        assert ("open.harmonic" in metrics) == (not more)  # a generator would have to make features of every pair


def test_options_are_searched_on_held_out_pairs(folder: Path) -> None:
    result = ran(folder, "protocol.search={classifier.weight_decay: [0.0, 10.0]}", "controls=[]")
    assert result.selection["chosen"]["generator"]["options"] == {"weight_decay": 0.0}
    assert set(result.selection["classes"]) <= {class_of(pair) for pair in PAIRS if pair not in UNSEEN}


def complaint(folder: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        ran(folder, *overrides, "controls=[]")
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("compositions=null", "does not say which pair each is; write compositions:"),
        ("compositions={attribute: hasState}", "attribute and object are two relations of the class graph; give both"),
        ("compositions={table: table.csv, attribute: a, object: b}", "leave one of them out"),
        ("compositions={atribute: hasState}", "did you mean 'attribute'?"),
        (
            "compositions={attribute: hasStat, object: hasThing}",
            "no relation 'hasStat' that would lead to the attribute",
        ),
        ("compositions=data", "the data set does not say which pairs its classes are"),
        ("compositions=nowhere.csv", "'nowhere.csv' does not exist"),
        ("graph=none", "neither the recipe nor the data set has one; add graph:"),
        ("priors=[auto]", "the prior 'auto' chooses by features of classes"),
        ("priors=[att]", "no prior is called 'att'"),
        ("classifier.epsilon=-1", "epsilon is -1.0; give 0 or a number above it"),
        ("classifier.hold_out=1", "hold_out is 1.0; give a number from 0 on and below 1"),
        ("classifier.mixin=1", "has no option 'mixin'; did you mean 'mixing'?"),
        ("classifier.split=8", "is known where a recipe has compositions; leave split out"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(folder: Path, override: str, words: str) -> None:
    assert words in complaint(folder, override)


def test_an_open_world_is_refused_where_features_would_have_to_be_made(folder: Path) -> None:
    message = complaint(folder, "generator=linear", "classifier=softmax", "compositions.open=true")
    assert "an open world is for a classifier that answers from priors, without prior head and gate" in message
    assert message.endswith("write classifier: compositional, eszsl, nearest-prior or prototypes; a generator may stay")


def test_beside_a_generator_the_head_over_all_classes_answers_in_the_open_world(folder: Path, tmp_path: Path) -> None:
    result = ran(folder, "generator=linear", "classifier=eszsl", "classifier.samples_per_class=20", "controls=[]")
    metrics, model = result.metrics, result.model
    assert metrics["open.pairs"] == 28
    assert metrics["open.top1"] > 40
    rows = np.load(folder / "pairs.npz")["features"][::7]
    every, classes = model.scores(rows, "open"), model.scores(rows, "all")
    np.testing.assert_array_equal(every[:, :-1], classes)
    # Among unseen classes alone another head answers, which a pair of the open world is not measured against.
    np.testing.assert_array_equal(model.scores(rows, ["state4 thing3", class_of(UNSEEN[0])])[:, 0], every[:, -1])
    assert np.abs(model.scores(rows, [class_of(UNSEEN[0])])[:, 0] - every[:, PAIRS.index(UNSEEN[0])]).max() > 1e-4
    model.save(tmp_path / "model")
    again = ZeroShotClassifier.load(tmp_path / "model", device="cpu")
    np.testing.assert_allclose(again.scores(rows, "open"), every, rtol=1e-5, atol=1e-5)
    again.add_class("another", prior_row=again.priors_.matrix[0])  # which trains the heads again
    assert again.candidates("open").tolist()[-2:] == ["another", "state4 thing3"]
    again.add_class("the new one", beyond="state4 thing3")
    assert again.scores(rows, "unseen").shape == (len(rows), len(UNSEEN) + 2)
    assert np.isfinite(again.scores(rows, "unseen")).all()


def changed(folder: Path, tmp_path: Path, line: str, other: str) -> str:
    """A copy of the graph with one line changed, as an override."""
    text = (folder / "pairs.csv").read_text()
    assert line in text
    (tmp_path / "changed.csv").write_text(text.replace(line, other, 1))
    return f"graph={tmp_path / 'changed.csv'}"


def test_a_class_without_a_part(folder: Path, tmp_path: Path) -> None:
    name = class_of(PAIRS[3])
    lost = changed(folder, tmp_path, f"{name},hasThing,{PAIRS[3][1]}\n", "")
    message = complaint(folder, lost)
    assert f"the class {name!r} has no 'hasThing', and so no object" in message
    assert "pairs.yaml, line 4" in message
    text = (folder / "table.csv").read_text().replace(f"{name},{PAIRS[3][0]},{PAIRS[3][1]}", f"{name},{PAIRS[3][0]},")
    (tmp_path / "table.csv").write_text(text)
    message = complaint(folder, f"compositions={tmp_path / 'table.csv'}")
    assert f"table.csv, line 5: the class {name!r} has no object" in message


def test_a_class_with_two_attributes(folder: Path, tmp_path: Path) -> None:
    name = class_of(PAIRS[3])
    both = changed(folder, tmp_path, f"{name},hasState,state0\n", f"{name},hasState,state0\n{name},hasState,state1\n")
    assert f"the class {name!r} has several of 'hasState' (state0, state1), not one attribute" in complaint(
        folder, both
    )


def test_a_pair_twice(folder: Path, tmp_path: Path) -> None:
    name = class_of(PAIRS[3])
    twin = changed(folder, tmp_path, f"{name},hasThing,{PAIRS[3][1]}", f"{name},hasThing,{PAIRS[2][1]}")
    message = complaint(folder, twin)
    assert f"{class_of(PAIRS[2])!r} and {name!r} are both 'state0' and {PAIRS[2][1]!r}" in message


def test_a_class_twice_in_a_table_and_one_that_is_not_in_it(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "table.csv").read_text().splitlines()
    for name, kept, words in (
        (
            "twice.csv",
            [*lines, lines[1]],
            f"line {len(lines) + 1}: the class {class_of(PAIRS[0])!r} is there for the second",
        ),
        ("short.csv", lines[:-1], f"1 classes have no parts, the first is {class_of(PAIRS[-1])!r}; leave such"),
        ("misspelt.csv", [*lines[:-1], lines[-1].replace("picture", "pictur")], "; did you mean 'pictur of"),
        (
            "headless.csv",
            lines[1:],
            "line 1: the table has no column 'class'; begin with the line class,attribute,object",
        ),
    ):
        (tmp_path / name).write_text("\n".join(kept) + "\n")
        assert words in complaint(folder, f"compositions={tmp_path / name}")


def test_a_part_without_a_prior(folder: Path, tmp_path: Path) -> None:
    kept = [line for line in (folder / "parts.csv").read_text().splitlines() if not line.startswith("thing2,")]
    (tmp_path / "parts.csv").write_text("\n".join(kept) + "\n")
    message = complaint(folder, f"priors=[{{name: file, path: {tmp_path / 'parts.csv'}}}]")
    assert "thing2" in message
