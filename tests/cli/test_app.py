"""Help, versions, exit statuses, and how fast the command line wakes up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from kgzsl import __version__
from kgzsl.cli import app as app_module
from kgzsl.cli.app import app

COMMANDS = [
    "demo",
    "import",
    "info",
    "audit",
    "priors",
    "pack",
    "recipes",
    "run",
    "compare",
    "predict",
    "complete",
    "explain",
    "add-class",
    "export",
    "bench",
    "doctor",
    "datasets",
]


def test_version(kgzsl_process) -> None:
    assert kgzsl_process("--version").out == f"kgzsl {__version__}\n"


def test_no_arguments_show_help(kgzsl) -> None:
    done = kgzsl()
    assert done.code == 0
    assert all(command in done.out for command in COMMANDS)


@pytest.mark.parametrize(
    "command", [[name] for name in COMMANDS] + [["datasets", part] for part in ("list", "status", "download", "check")]
)
def test_every_command_has_help_with_an_example(kgzsl, command: list[str]) -> None:
    done = kgzsl(*command, "--help")
    assert done.code == 0
    assert f"Example: kgzsl {command[0]}" in " ".join(done.out.split())


@pytest.mark.parametrize(
    "command", [[name] for name in COMMANDS if name != "datasets"] + [["datasets", "status"], ["datasets", "check"]]
)
def test_every_command_talks_to_machines_and_can_be_quiet(kgzsl, command: list[str]) -> None:
    told = kgzsl(*command, "--help").out
    assert "--json" in told
    assert "--quiet" in told


def test_the_status_of_all_data_sets_is_told_where_none_is_named(kgzsl) -> None:
    done = kgzsl("datasets", "status", "--json")
    assert done.code == 0
    told = {one["name"] for one in json.loads(done.out)["datasets"]}
    assert {"AWA2", "CUB", "geography", "nell_zs"} <= told


def test_a_shell_completes_commands_and_options(kgzsl_process) -> None:
    def completed(words: str, position: int) -> list[str]:
        asked = {"_KGZSL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
        return kgzsl_process(env={**os.environ, **asked}).out.split()

    assert sorted(completed("kgzsl exp", 1)) == ["explain", "export"]
    assert "--to" in completed("kgzsl export --t", 2)


def test_help_and_graph_commands_do_not_wait_for_torch(zoo: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom kgzsl.cli.app import run\n"
        f"assert run(['--help']) == 0\nassert run(['import', {str(zoo)!r}, '--out', {str(tmp_path / 'g')!r}]) == 0\n"
        f"assert run(['info', {str(tmp_path / 'g')!r}]) == 0\n"
        "print('torch' in sys.modules, 'matplotlib' in sys.modules, 'rdflib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False False"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["inport"], ["inport", "import"]),
        (["import"], ["SOURCE", "kgzsl import --help"]),
        (["info"], ["kgzsl info --help"]),
        (["run", "x.yaml", "--out", "o", "--sead", "1"], ["--sead", "--seeds", "kgzsl run --help"]),
        (["run", "x.yaml", "--seeds", "none", "--out", "o"], ["--seeds", "valid integer"]),
        (["demo", "image"], ["image", "did you mean images?"]),
        (["info", "no/such/thing"], ["no/such/thing"]),
        (["priors", "g", "--encoder", "transe", "--set", "dim", "--out", "p"], ["'dim'", "KEY=VALUE"]),
    ],
)
def test_bad_usage_is_one_line_and_status_2(kgzsl, arguments: list[str], parts: list[str]) -> None:
    kgzsl(*arguments).refused(*parts)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Exception]:
    """A command with a defect, and a place for its traceback."""

    def fail() -> None:
        raise ZeroDivisionError("a slip of ours")

    monkeypatch.setattr(app_module, "app", typer.Typer(pretty_exceptions_enable=False))
    app_module.app.command()(fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return ZeroDivisionError


def test_a_defect_is_status_1_and_its_traceback_is_kept(kgzsl, broken, tmp_path: Path) -> None:
    done = kgzsl()
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "this is a defect in kgzsl" in done.err
    assert "ZeroDivisionError: a slip of ours" in done.err
    (kept,) = tmp_path.glob("kgzsl-defect-*.txt")
    assert str(kept) in done.err
    assert "Traceback" in kept.read_text()


def test_a_traceback_can_be_asked_for(kgzsl, broken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGZSL_TRACEBACK", "1")
    assert "Traceback (most recent call last)" in kgzsl().err


def test_ctrl_c_is_status_130(kgzsl, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app_module, "app", typer.Typer(pretty_exceptions_enable=False))
    app_module.app.command()(stop)
    done = kgzsl()
    assert done.code == 130
    assert "Traceback" not in done.err


def test_a_reader_that_leaves_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m kgzsl datasets list | head -1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "-u"])
def test_an_output_without_room_is_one_line_and_status_2(unbuffered: str) -> None:
    done = subprocess.run(
        f"{sys.executable} {unbuffered} -m kgzsl datasets list > /dev/full",
        shell=True,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.stderr == "kgzsl: the output cannot be written (No space left on device)\n"
    assert done.returncode == 2


def test_an_output_that_is_closed_is_no_error() -> None:
    command = f"{sys.executable} -m kgzsl --version >&-"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_commands_are_listed_in_order() -> None:
    assert [command.name for command in app.registered_commands] == COMMANDS[:-1]
    assert list(typer.main.get_command(app).commands)[-1] == "datasets"


def test_a_shell_completes_commands_and_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way that a bash takes, and then what is offered for a recipe."""
    from kgzsl.cli.recipes import complete_recipe

    def offered(*words: str) -> list[str]:
        asked = {"COMP_WORDS": " ".join(("kgzsl", *words)), "COMP_CWORD": str(len(words))}
        done = subprocess.run(
            [sys.executable, "-m", "kgzsl"],
            env={**os.environ, **asked, "_KGZSL_COMPLETE": "complete_bash"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    assert {"recipes"} == set(offered("re"))
    assert "awa1" in offered("run", "awa")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zmine.yaml").touch()
    (tmp_path / "zmine.csv").touch()
    (tmp_path / "zmore" / "made.yaml").mkdir(parents=True)
    assert complete_recipe("zm") == ["zmine.yaml", "zmore/"]
    assert complete_recipe("zmore/") == ["zmore/made.yaml/"]
    assert complete_recipe("nowhere/") == []
