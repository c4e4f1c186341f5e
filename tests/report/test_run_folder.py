"""Run folders: what is written, what is read back, and what is never touched."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kgzsl.errors import InputError
from kgzsl.report import RunFolder, record_environment
from kgzsl.report.tables import read_rows, write_columns, write_rows
from kgzsl.tasks.result import RunResult

RECIPE = {"task": "image_classification", "generator": {"name": "wgan", "hidden": 64}}


@pytest.fixture
def finished(tmp_path: Path, images: RunResult) -> RunFolder:
    folder = RunFolder.prepare(tmp_path / "run", images.recipe)
    folder.write(images, record_environment(command=["kgzsl", "run"], seeds=[0, 1]))
    return folder


def test_everything_is_there(finished: RunFolder) -> None:
    assert finished.complete
    assert {file.name for file in finished.path.iterdir()} == {
        "recipe.yaml", "metrics.json", "history.csv", "predictions.csv", "priors.safetensors", "model.safetensors",
        "model.json", "graph.npz", "result.json", "arrays.safetensors", "report.html", "environment.json",
    }  # fmt: skip


def test_metrics_are_flat_numbers_with_their_spread(finished: RunFolder) -> None:
    metrics = finished.metrics
    assert all(isinstance(value, float | int) for value in metrics.values())
    assert metrics["zsl.top1"] == 51.0
    assert metrics["zsl.top1_std"] == pytest.approx(2**0.5)
    assert metrics["control.baseline.gzsl.harmonic"] == 12.0
    assert metrics["seconds.generator"] == 3.0


def test_result_reads_back(finished: RunFolder, images: RunResult) -> None:
    back = RunFolder.open(finished.path).result()
    for name in ("task", "dataset", "recipe", "metrics", "rows", "columns", "selection", "names", "seen", "unseen"):
        assert getattr(back, name) == getattr(images, name), name
    assert back.verdicts == images.verdicts
    assert back.table() == images.table()
    assert back.predictions == images.predictions
    assert back.history == images.history
    assert back.graph is not None
    assert back.graph.iris == images.graph.iris
    np.testing.assert_array_equal(back.arrays["confusion"], images.arrays["confusion"])
    assert back.priors is not None
    np.testing.assert_array_equal(back.priors.matrix, images.priors.matrix)


def test_environment_says_what_a_second_run_needs(finished: RunFolder) -> None:
    facts = finished.environment
    assert facts["seeds"] == [0, 1]
    assert facts["command"] == "kgzsl run"
    assert facts["packages"]["numpy"] == np.__version__
    assert {"date", "processor", "cores", "python", "commit", "threads", "platform"} <= set(facts)
    assert os.path.expanduser("~") not in json.dumps(facts)


def test_parquet_when_asked(tmp_path: Path, images: RunResult) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = RunFolder.prepare(tmp_path / "run", images.recipe)
    folder.write(images, {}, parquet=True)
    table = parquet.read_table(folder.path / "predictions.parquet")
    assert table.to_pydict() == images.predictions
    assert folder.result().predictions == images.predictions


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="not empty and holds no run"):
            RunFolder.prepare(tmp_path, RECIPE, overwrite=overwrite)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match="this is a file"):
        RunFolder.prepare(tmp_path / "x", RECIPE)


def test_another_recipe_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    RunFolder.prepare(tmp_path / "run", RECIPE)
    other = {**RECIPE, "generator": {"name": "wgan", "hidden": 128}}
    for resume in (False, True):
        with pytest.raises(InputError, match=r"generator\.hidden: 64 there, 128 here.*--overwrite"):
            RunFolder.prepare(tmp_path / "run", other, resume=resume)
    assert RunFolder.prepare(tmp_path / "run", other, overwrite=True).recipe == other


def test_device_and_checkpoints_do_not_make_another_recipe(tmp_path: Path) -> None:
    RunFolder.prepare(tmp_path / "run", {**RECIPE, "train": {"device": "cpu"}})
    assert RunFolder.prepare(tmp_path / "run", {**RECIPE, "train": {"device": "auto"}}, resume=True).exists


def test_an_unfinished_run_asks_for_resume(tmp_path: Path) -> None:
    folder = RunFolder.prepare(tmp_path / "run", RECIPE)
    folder.checkpoint.mkdir()
    with pytest.raises(InputError, match=r"unfinished run.*--resume"):
        RunFolder.prepare(tmp_path / "run", RECIPE)
    assert RunFolder.prepare(tmp_path / "run", RECIPE, resume=True).checkpoint.is_dir()


def test_resume_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run here to resume"):
        RunFolder.prepare(tmp_path / "run", RECIPE, resume=True)
    assert not (tmp_path / "run").exists()


def test_a_finished_run_asks_for_overwrite_which_removes_only_its_own(finished: RunFolder, images: RunResult) -> None:
    with pytest.raises(InputError, match=r"finished run.*--overwrite"):
        RunFolder.prepare(finished.path, images.recipe)
    (finished.path / "notes.txt").write_text("mine")
    again = RunFolder.prepare(finished.path, images.recipe, overwrite=True)
    assert not again.complete
    assert {file.name for file in again.path.iterdir()} == {"notes.txt", "recipe.yaml"}


def test_open_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        RunFolder.open(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"no recipe.yaml"):
        RunFolder.open(tmp_path)
    folder = RunFolder.prepare(tmp_path / "run", RECIPE)
    with pytest.raises(InputError, match=r"metrics.json is missing.*--resume"):
        _ = folder.metrics


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    folder = RunFolder.prepare(tmp_path / "run", RECIPE)
    folder.write_json("metrics.json", {"a": float("nan"), "b": np.float32(0.5), "c": (1, np.int64(2))})
    assert json.loads((folder.path / "metrics.json").read_text()) == {"a": None, "b": 0.5, "c": [1, 2]}


def test_tables_read_back_what_was_written(tmp_path: Path) -> None:
    rows = [{"step": 1, "loss": 0.1 + 0.2, "stage": "a, b"}, {"step": 2, "extra": 1e-30}]
    write_rows(tmp_path / "t.csv", rows)
    assert read_rows(tmp_path / "t.csv") == rows
    with pytest.raises(ValueError, match="different lengths"):
        write_columns(tmp_path / "u.csv", {"a": [1], "b": []})
    assert not (tmp_path / "u.csv").exists()


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """The operating system itself refuses to write more than 300 bytes to a file."""
    code = (
        "import sys, numpy as np\n"
        "from kgzsl.errors import InputError\n"
        "from kgzsl.report import RunFolder\n"
        "from kgzsl.tasks.result import RunResult\n"
        "result = RunResult('image_classification', 'x', history=[{'step': i, 'loss': 0.5} for i in range(1000)])\n"
        "folder = RunFolder.prepare(sys.argv[1], {'task': 'x'})\n"
        "try:\n"
        "    folder.write(result, {})\n"
        "except InputError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)),
        check=True,
    )
    assert "history.csv: could not save" in done.stdout
    assert done.stdout.count("\n") == 1
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["recipe.yaml"]
    assert not RunFolder(tmp_path / "run").complete
