"""Recipes that open the door: what is stamped, where the rows come from, what stands beside what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kgzsl.errors import InputError
from kgzsl.report import RunFolder
from kgzsl.tasks.image_classification import ZeroShotClassifier, run
from kgzsl.tasks.result import RunResult

HEAD = "options: {epochs: 8, lr: 0.03, batch_size: 64}"
CASCADE = (
    "generator={name: linear, ridge: 0.1}",
    f"classifier={{name: cascade, ratio: 0.4, {HEAD}, samples_per_class: 10, unseen_bias: validation}}",
    "controls=[chance, eszsl, shuffled]",
)


@pytest.fixture(scope="module")
def found(world, small_recipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, Path]:
    out = tmp_path_factory.mktemp("run")
    return run(small_recipe(*CASCADE, "unlabeled=test"), data=world.data, out=out, progress=False), out


def test_a_run_that_looked_is_stamped_everywhere(found, world, tmp_path: Path) -> None:
    result, _ = found
    data = world.data
    rows = {"unseen": len(data.test_unseen_loc), "any": len(data.test_unseen_loc) + len(data.test_seen_loc)}
    assert result.selection["setting"] == "transductive"
    assert result.selection["unlabelled"] == {"source": "test", "kind": "known", "rows": rows}
    assert result.warnings[0].startswith(f"TRANSDUCTIVE: the method looked at {rows['any']} test rows")
    assert result.rows[0].note.startswith("TRANSDUCTIVE")
    assert "TRANSDUCTIVE" in "\n".join(result.table())
    assert result.model.transductive
    folder = RunFolder.prepare(tmp_path / "kept", result.recipe)
    folder.write(result, {})
    assert "TRANSDUCTIVE: unlabelled test data was used" in folder.report.read_text(encoding="utf-8")
    assert ZeroShotClassifier.load(folder.path, device="cpu").transductive


def test_no_verdict_praises_it_over_a_method_that_looked_at_nothing(found) -> None:
    result, _ = found
    assert not [line for line in result.verdicts if "ESZSL" in line and " beats " in line]
    assert all(line.endswith("(inductive)") for line in result.verdicts if "ESZSL" in line)
    assert any("chance" in line for line in result.verdicts)
    with pytest.raises(ValueError, match="inductive and transductive"):
        RunResult.merge([result, replace(result, selection={"setting": "inductive"})])


def test_ratio_zero_is_the_first_stage_through_a_recipe_too(world, small_recipe) -> None:
    nothing = run(small_recipe(*CASCADE, "classifier.ratio=0.0", "unlabeled=test"), data=world.data, progress=False)
    settings = "epochs: 8, lr: 0.03, batch_size: 64, samples_per_class: 10, unseen_bias: validation"
    plain = run(small_recipe(*CASCADE, f"classifier={{name: softmax, {settings}}}"), data=world.data, progress=False)
    assert nothing.predictions == plain.predictions
    assert nothing.selection["setting"] == "transductive"  # what was looked at counts, not what came of it
    assert plain.selection["setting"] == "inductive"


def test_it_goes_on_from_its_stages(found, world, small_recipe) -> None:
    result, out = found
    again = run(small_recipe(*CASCADE, "unlabeled=test"), data=world.data, out=out, resume=True, progress=False)
    assert again.predictions == result.predictions
    assert again.model.transductive


def test_rows_of_a_file_of_ones_own(world, small_recipe, tmp_path: Path) -> None:
    data = world.data
    rows = np.asarray(data.features[data.test_unseen_loc])
    np.savez(tmp_path / "more.npz", rows=rows, other=rows[:, :2])
    door = f"unlabeled={{source: '{tmp_path / 'more.npz'}', key: rows, kind: known}}"
    result = run(small_recipe(*CASCADE, door, "controls=[chance]"), data=data, progress=False)
    assert result.selection["unlabelled"]["rows"] == {"unseen": len(rows)}
    assert "rows of " in result.warnings[0]
    head = result.model._gzsl_head.classifier
    assert len(head.easy_) == len(rows)
    with pytest.raises(InputError, match="which array holds the features"):
        run(small_recipe(*CASCADE, f"unlabeled='{tmp_path / 'more.npz'}'"), data=data, progress=False)
    with pytest.raises(InputError, match=r"shape \[120, 2\]"):
        run(small_recipe(*CASCADE, door.replace("key: rows", "key: other")), data=data, progress=False)
    with pytest.raises(InputError, match=r"none\.npy' does not exist"):
        run(small_recipe(*CASCADE, "unlabeled=none.npy"), data=data, progress=False)


@pytest.mark.filterwarnings("ignore::kgzsl.generators.CollapseWarning")
def test_what_a_second_critic_was_told_is_told(world, small_recipe) -> None:
    door = (
        "generator={name: f-vaegan, hidden: 8, epochs: 1, batch_size: 60, critic_steps: 1}",
        "classifier={name: gda, samples_per_class: 5, gate: stacking}",
        "controls=[chance]",
    )
    known = run(small_recipe(*door, "unlabeled=test"), data=world.data, progress=False)
    hidden = run(small_recipe(*door, "unlabeled={source: test, kind: unknown}"), data=world.data, progress=False)
    told = [any("was told which test rows" in line for line in one.warnings) for one in (known, hidden)]
    assert told == [True, False]
    assert all(one.model.generator_.transductive_ for one in (known, hidden))
    gated = (
        *CASCADE,
        f"classifier={{name: cascade, {HEAD}, samples_per_class: 5, gate: stacking}}",
        "controls=[chance]",
    )
    result = run(small_recipe(*gated, "unlabeled={source: test, kind: unknown}"), data=world.data, progress=False)
    assert set(result.selection["unlabelled"]["rows"]) == {"any"}
