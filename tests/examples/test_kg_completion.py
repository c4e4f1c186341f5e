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


def test_a_relation_that_the_schema_lacks_is_one_line(tmp_path):
    (tmp_path / "facts.nt").write_text(
        "<http://x/a> <http://x/r> <http://x/b> .\n<http://x/b> <http://x/r> <http://x/c> .\n"
    )
    (tmp_path / "schema.ttl").write_text("<http://x/r> <http://www.w3.org/2000/01/rdf-schema#label> 'r' .\n")
    command = [sys.executable, str(FOLDER / "own_rdf.py"), "facts.nt", "schema.ttl", "http://x/absent"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("own_rdf.py: ")
    assert "'http://x/absent'" in done.stderr.splitlines()[-1]
