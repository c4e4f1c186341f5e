"""Stages: done once, kept whole, found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kgzsl.tasks.image_classification.stages import Stages


def test_a_finished_stage_is_not_done_again(tmp_path: Path):
    result = {
        "array": np.arange(6, dtype=np.float32).reshape(2, 3),
        "integers": np.array([1, 2]),
        "rows": [{"step": 1, "loss": 0.5}, {"step": 2, "name": "x"}],
        "nothing": None,
        "number": np.float64(0.25),
    }
    lines: list[str] = []
    Stages(tmp_path).do("one", lambda: result, about="first")

    def again() -> dict:
        raise AssertionError("done twice")

    stages = Stages(tmp_path, resume=True, log=lines.append)
    kept = stages.do("one", again, about="first")
    assert lines == ["first: done before"]
    assert kept["array"].dtype == np.float32
    assert (kept["array"] == result["array"]).all()
    assert (kept["integers"] == result["integers"]).all()
    assert kept["rows"] == result["rows"]
    assert kept["nothing"] is None
    assert kept["number"] == 0.25
    assert stages.seconds["one"] >= 0.0


def test_without_resume_old_stages_are_forgotten(tmp_path: Path):
    Stages(tmp_path).do("one", lambda: {"value": 1}, about="first")
    assert Stages(tmp_path).do("one", lambda: {"value": 2}, about="first") == {"value": 2}


def test_a_stage_that_fails_is_not_kept(tmp_path: Path):
    def fails() -> dict:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stages(tmp_path).do("one", fails, about="first")
    assert Stages(tmp_path, resume=True).do("one", lambda: {"value": 3}, about="first") == {"value": 3}


def test_without_a_folder_nothing_is_kept():
    assert Stages(None).do("one", lambda: {"value": 1}, about="first") == {"value": 1}
