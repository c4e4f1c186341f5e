"""What README prints works as printed."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from kgzsl.cli.app import run as run_cli

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), {})
    share = re.match(r"(\d+)% of letters that were never shown\n", out.getvalue())
    assert share is not None
    assert int(share[1]) > 10  # 1.25 % by chance: 80 letters
    assert "never seen in training" in out.getvalue()


def commands() -> list[list[str]]:
    section = README.split("## From the command line")[1]
    return [shlex.split(line)[1:] for line in re.findall(r"^    (kgzsl .*)$", section, re.MULTILINE)]


def test_graph_commands_run_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ontologies").symlink_to(ROOT / "ontologies")
    for command in commands()[:2]:
        assert command[0] in ("import", "priors")
        assert run_cli(command) == 0, command
    assert (tmp_path / "letters.safetensors").exists()


def test_run_command_is_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = [command for command in commands() if command[0] == "run"]
    assert run_cli([*command, "--print-config"]) == 0
    assert "latin_characters" in capsys.readouterr().out


def test_every_command_in_the_table_exists(capsys: pytest.CaptureFixture[str]) -> None:
    table = README.split("| command | does |")[1].split("\n\n")[0]
    names = re.findall(r"`([a-z-]+)`", "".join(line.split("|")[1] for line in table.splitlines() if "`" in line))
    assert len(names) == 17
    for name in names:
        assert run_cli([name, "--help"]) == 0
    capsys.readouterr()


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).exists(), target
