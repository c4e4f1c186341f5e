"""A prior that chooses by seen classes is shown their features by a recipe, and no others."""

from dataclasses import replace

import numpy as np
import pytest

from kgzsl.priors import Auto
from kgzsl.tasks._knowledge import Source, build_priors, reasons
from kgzsl.tasks.image_classification import run
from kgzsl.tasks.image_classification.selection import Searcher

CANDIDATES = "priors=[{name: auto, candidates: [attributes, {name: transe, dim: 8, epochs: 2}], holdout: 0.1}]"


def test_auto_sees_the_training_features_alone(world, small_recipe, monkeypatch):
    seen = []
    watched = Auto.observe
    monkeypatch.setattr(Auto, "observe", lambda self, x, y: seen.append((x, y)) or watched(self, x, y))
    names = world.data.class_names
    source = Source(world.graph, tuple(names))
    features, labels = world.data.train
    rows = np.array([names.index(name) for name in labels])
    recipe = small_recipe(CANDIDATES)
    found = build_priors(recipe, names, {}, [source], observed=(features, rows))
    ((shown, told),) = seen
    assert shown is features
    assert list(told) == list(labels)
    # Features follow from the attributes in this world.
    assert found.made["auto"]["why"].startswith("Attributes() tells held-out seen classes")
    assert reasons(found) == [f"auto: {found.made['auto']['why']}"]
    assert reasons(found | found) == reasons(found) * 2
    assert found.dim == 8


def test_a_run_says_why_before_all_else(world, small_recipe, tmp_path):
    lines = []
    world.graph.save(tmp_path / "world.graph")
    changes = f"graph={tmp_path / 'world.graph'}", "generator=null", "classifier={name: eszsl}", "controls=[]"
    result = run(small_recipe(CANDIDATES, *changes), data=world.data, log=lines.append, progress=False)
    why = "auto: Attributes() tells held-out seen classes best"
    assert any(line.startswith(why) for line in lines)
    assert any(told.startswith(why) for told in result.warnings)


@pytest.mark.parametrize("splits", [1, 3])
def test_selection_has_priors_that_saw_no_feature_of_the_classes_it_holds_out(
    world, small_recipe, tmp_path, monkeypatch, splits: int
):
    """Whatever the held-out classes look like, what selection is given stays the same to the bit."""
    world.graph.save(tmp_path / "world.graph")
    changes = (f"graph={tmp_path / 'world.graph'}", "generator=null", "controls=[eszsl]", f"protocol.splits={splits}")
    recipe = small_recipe(CANDIDATES, *changes, "classifier={name: sae, unseen_bias: validation}")
    shown: list[set[str]] = []
    watched = Auto.observe
    monkeypatch.setattr(Auto, "observe", lambda self, x, y: shown.append({*map(str, y)}) or watched(self, x, y))

    def handed(data) -> tuple[list[np.ndarray], list[list[str]]]:
        given: list[Searcher] = []
        begin = Searcher.__init__

        def kept(self, *args, **named) -> None:
            begin(self, *args, **named)
            given.append(self)

        with monkeypatch.context() as patch:
            patch.setattr(Searcher, "__init__", kept)
            run(recipe, data=data, progress=False)
        return [one.priors.matrix for one in given], [one.data.unseen_names for one in given]

    one, held_out = handed(world.data)
    assert len(one) == splits + 1  # the method's, and that of the ESZSL beside it
    # All training rows, then those of each selection: none of a class that it holds out.
    assert shown[0] == set(world.data.seen_names)
    for names, out in zip(shown[1 : splits + 1], [held_out[0], *held_out[2:]], strict=True):
        assert names == set(world.data.seen_names) - set(out)
    if splits > 1:
        return
    data = world.data
    rows = data.trainval_loc[np.isin(data.name_of(data.labels[data.trainval_loc]), held_out[0])]
    features = data.features.clone()
    features[rows] = features[rows.flip(0)].flip(1) * 3.0
    two, _ = handed(replace(data, features=features))
    for before, after in zip(one, two, strict=True):
        np.testing.assert_array_equal(before, after)
