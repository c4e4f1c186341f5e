"""Every code block of the documentation: run as printed, or, where it needs another machine, checked word by word."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from kgzsl.cli.app import app
from kgzsl.cli.app import run as run_cli

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    page for page in DOCS.rglob("*.md") if not {"generated", "benchmarks", "_build"} & set(page.relative_to(DOCS).parts)
)
SLOW = {
    "howto/choose_a_prior.md",
    "howto/work_with_priors.md",
    "tutorials/images.md",
    "tutorials/comparison.md",
    "tutorials/completion.md",
}
# Languages of blocks: run, looked at, or only shown.
RUN, LOOKED_AT, SHOWN = {"python", "sh"}, {"console"}, {"text"}
FILES = {"yaml", "turtle"}
PROGRAMS = {"kgzsl", "git", "make", "pip", ".", "export", "torchrun", "python"}


class Block(NamedTuple):
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = re.findall(r"^```(\S*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(*one) for one in found if not one[0].startswith("{")]


def name(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


def test_there_are_pages_and_every_block_says_its_language() -> None:
    assert len(PAGES) > 12
    for page in PAGES:
        for block in blocks(page):
            assert block.language in RUN | LOOKED_AT | SHOWN | FILES, (page, block)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name(page), marks=[pytest.mark.slow] if name(page) in SLOW else [])
        for page in PAGES
        if any(block.language in RUN for block in blocks(page))
    ],
)
def test_blocks_run_as_printed(page: Path, tmp_path: Path) -> None:
    (tmp_path / "ontologies").symlink_to(ROOT / "ontologies")
    shared: dict[str, object] = {}
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        for block in blocks(page):
            if block.language == "python":
                exec(compile(block.text, page.name, "exec"), shared)
            elif block.language == "sh":
                for line in block.text.splitlines():
                    run_line(line, err)
            elif block.language in FILES:
                first = re.match(r"# (\S+)\n", block.text)
                if first:
                    Path(first[1]).write_text(block.text, encoding="utf-8")


def run_line(line: str, err: io.StringIO) -> None:
    if line.startswith("kgzsl "):
        assert run_cli(shlex.split(line)[1:]) == 0, (line, err.getvalue())
    else:
        subprocess.run(["sh", "-c", line], check=True)


def commands() -> list[tuple[str, str]]:
    """Commands that are shown for another machine (a GPU, data that have to be downloaded)."""
    found = []
    for page in PAGES:
        for block in blocks(page):
            if block.language == "console":
                found += [(name(page), line.removeprefix("$ ")) for line in block.text.splitlines() if line[:2] == "$ "]
    return found


def test_shown_commands_are_commands() -> None:
    """Each is parsed to the last option, without being run."""
    top = typer.main.get_command(app)
    shown = commands()
    assert len(shown) > 5
    for page, line in shown:
        for part in line.split(" && "):
            words = [word for word in shlex.split(part) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
            assert words[0] in PROGRAMS, (page, line)
            if words[0] == "kgzsl":
                context = top.make_context("kgzsl", words[1:], resilient_parsing=False)
                label, command, rest = top.resolve_command(
                    context, [*getattr(context, "_protected_args", ()), *context.args]
                )
                while hasattr(command, "commands"):
                    label, command, rest = command.resolve_command(context, rest)
                command.make_context(label, rest, resilient_parsing=False)


def test_make_targets_that_are_shown_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page, line in commands():
        for target in re.findall(r"\bmake (?:-C \S+ )?([\w.]+)", line):
            assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), (page, target)


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "generated/" in target:
                continue  # checked by the build
            assert (page.parent / target).exists(), (page, target)
