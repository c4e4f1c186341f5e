"""The examples of completion run as they stand, and say why where their data are not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "kg_completion"


def run(name: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, str(FOLDER / name)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["nell_ext.py", "codex_s.py"])
def test_absent_data_are_a_reason_to_skip(name, tmp_path):
    assert run(name, KGZSL_DATA=str(tmp_path)).startswith("skipped: ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nell_ext.py", ("rmpi: MRR", "ultra: MRR", "chance: MRR")),
        ("codex_s.py", ("complex: MRR", "unseen, by text: MRR")),
        ("geography.py", ()),
        ("own_rdf.py", ("calibration error",)),
    ],
)
def test_examples_run_as_they_stand(name, said):
    text = run(name)
    if text.startswith("skipped: "):
        pytest.skip(text.strip())
    assert text
    for part in said:
        assert part in text
