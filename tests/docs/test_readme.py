"""README: its commands are run in order as printed, its Python too; the table names every command."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from kgzsl.cli.app import run
from kgzsl.cli.commands import ALL

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def lines(program: str) -> list[str]:
    """The indented lines that begin with ``program``."""
    return re.findall(rf"^    ({program} .*)$", README, re.MULTILINE)


def test_the_table_names_every_command() -> None:
    table = " ".join(re.findall(r"^\| (`.*?) \|", README, re.MULTILINE))
    for command in ALL:
        name = command.__module__.rpartition(".")[2].removesuffix("_graph").replace("_", "-")
        assert f"`{name}`" in table, name


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert lines("make")
    for target in [line.split()[1] for line in lines("make")] + re.findall(r"`make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.slow
def test_commands_run_in_order_as_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from kgzsl import datasets

    commands = lines("kgzsl")
    assert len(commands) >= 5
    (tmp_path / "ontologies").symlink_to(ROOT / "ontologies")
    data = datasets.load("latin_characters", size=16)
    # What a reader brings: features of letters that were never shown.
    np.save(tmp_path / "new_images.npy", data.rows(data.test_unseen_loc)[0][:7].numpy())
    with contextlib.chdir(tmp_path):
        for line in commands:
            assert run(shlex.split(line)[1:]) == 0, (line, capsys.readouterr().err)
    rows = (tmp_path / "answers.csv").read_text().splitlines()
    assert len(rows) >= 8  # a heading, and at least one line an item
    assert "latin" in capsys.readouterr().out


@pytest.mark.slow
def test_python_runs_as_printed() -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(block, "README.md", "exec"), {})
    share = re.match(r"(\d+)% of letters that were never shown", said.getvalue())
    assert share is not None
    assert int(share[1]) > 10  # chance is 1 of 80
