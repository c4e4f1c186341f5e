"""Programs that follow a run: what each is told, and when one of them is not there or fails."""

from __future__ import annotations

import csv
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from kgzsl.errors import InputError
from kgzsl.report.tracking import Tracking

ROWS = [
    {"seed": 0, "stage": "train/wgan", "step": 50, "critic": 1.5, "generator": -0.5},
    {"seed": 0, "stage": "train/wgan", "step": 100, "critic": 0.5, "broken": float("nan")},
]
METRICS = {"zsl.top1": 61.0, "kgc.hits@1": 0.25, "zsl.top1_std": float("nan")}


def follow(names: list[str], out: Path, told: list[str] | None = None, *, finish: bool = True) -> None:
    config = {"task": "image_classification", "generator": {"name": "wgan", "hidden": 64}}
    with Tracking(names, out, config, warn=(told if told is not None else []).append) as tracking:
        for row in ROWS:
            tracking.log(row)
        if finish:
            tracking.finish(METRICS)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of a name, in place of the real one; what it is called with is kept."""

    def put(name: str, **attributes: Any) -> types.ModuleType:
        module = types.ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return put


def test_csv_has_a_line_a_figure_and_is_gone_on_with(tmp_path: Path) -> None:
    follow(["csv"], tmp_path, finish=False)
    follow(["csv"], tmp_path)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 + 3 + 2
    assert rows[0] == {"seed": "0", "stage": "train/wgan", "step": "50", "name": "critic", "value": "1.5"}
    assert [row["name"] for row in rows[-2:]] == ["zsl.top1", "kgc.hits@1"]


def test_tensorboard_has_the_curves(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    follow(["tensorboard"], tmp_path)
    curves = EventAccumulator(str(tmp_path / "tensorboard" / "seed0" / "train" / "wgan")).Reload()
    assert [(event.step, event.value) for event in curves.Scalars("critic")] == [(50, 1.5), (100, 0.5)]
    final = EventAccumulator(str(tmp_path / "tensorboard" / "metrics")).Reload()
    assert final.Scalars("zsl.top1")[0].value == 61.0


class FakeRun:
    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.axes: list[tuple[str, str]] = []
        self.summary: dict[str, float] = {}
        self.ended: int | None = None

    def define_metric(self, name: str, step_metric: str) -> None:
        self.axes.append((name, step_metric))

    def log(self, row: dict[str, float]) -> None:
        self.rows.append(row)

    def finish(self, exit_code: int) -> None:
        self.ended = exit_code


def test_wandb_has_each_stage_on_steps_of_its_own(fake: Any, tmp_path: Path) -> None:
    run, given = FakeRun(), {}
    fake("wandb", init=lambda **options: given.update(options) or run)
    follow(["wandb"], tmp_path)
    assert given["project"] == "kgzsl"
    assert given["config"]["generator"] == {"name": "wgan", "hidden": 64}
    place = "seed0/train/wgan"
    assert run.axes == [(f"{place}/*", f"{place}/step")]
    assert run.rows[0] == {f"{place}/step": 50, f"{place}/critic": 1.5, f"{place}/generator": -0.5}
    assert run.summary == {"zsl.top1": 61.0, "kgc.hits@1": 0.25}
    assert run.ended == 0
    follow(["wandb"], tmp_path, finish=False)
    assert run.ended == 1  # it did not come to its end


def test_mlflow_has_parameters_figures_and_names_that_it_takes(fake: Any, tmp_path: Path) -> None:
    told: list[tuple[str, Any]] = []

    def taking(name: str) -> Any:
        return lambda *values, **options: told.append((name, *values, options))

    names = ("start_run", "log_params", "log_metrics", "end_run")
    fake("mlflow", **{name: taking(name) for name in names})
    follow(["mlflow"], tmp_path)
    assert told == [
        ("start_run", {"run_name": tmp_path.name}),
        ("log_params", {"task": "image_classification", "generator.name": "wgan", "generator.hidden": "64"}, {}),
        ("log_metrics", {"seed0/train/wgan/critic": 1.5, "seed0/train/wgan/generator": -0.5}, {"step": 50}),
        ("log_metrics", {"seed0/train/wgan/critic": 0.5}, {"step": 100}),
        ("log_metrics", {"zsl.top1": 61.0, "kgc.hits_at_1": 0.25}, {}),
        ("end_run", "FINISHED", {}),
    ]


def test_mlflow_itself_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'ml.db'}")
    told: list[str] = []
    follow(["mlflow"], tmp_path / "run", told)
    assert told == []
    (run,) = mlflow.search_runs(output_format="list")
    assert run.data.params["generator.hidden"] == "64"
    assert run.data.metrics["kgc.hits_at_1"] == 0.25
    assert run.data.metrics["seed0/train/wgan/critic"] == 0.5
    assert run.info.status == "FINISHED"


def test_one_that_fails_is_told_of_once_and_the_others_go_on(fake: Any, tmp_path: Path) -> None:
    class Broken(FakeRun):
        def log(self, row: dict[str, float]) -> None:
            raise ConnectionError("the server is gone")

    fake("wandb", init=lambda **options: Broken())
    told: list[str] = []
    follow(["wandb", "csv"], tmp_path, told)
    assert told == ["wandb is left out from here on (ConnectionError: the server is gone)"]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 3 + 2


def test_what_is_not_there_is_said_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="did you mean 'mlflow'"):
        Tracking(["mlfow"], tmp_path, {}, warn=print)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"wandb is not installed; pip install 'kgzsl\[wandb\]'"):
        Tracking(["wandb"], tmp_path, {}, warn=print)
    assert not list(tmp_path.iterdir())


def test_nothing_is_opened_where_nothing_is_asked_for(tmp_path: Path) -> None:
    follow([], tmp_path)
    assert not list(tmp_path.iterdir())
