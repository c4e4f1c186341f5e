"""The command line in this process, and as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kgzsl.cli.app import run as run_cli


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    def refused(self, *parts: str) -> None:
        """Exit status 2, one line on standard error with all of ``parts``, nothing on standard output."""
        assert self.code == 2, self
        assert self.out == ""
        assert self.err.startswith("kgzsl: ")
        assert self.err.count("\n") == 1, self.err
        for part in parts:
            assert part in self.err, (part, self.err)


Runner = Callable[..., Outcome]


@pytest.fixture
def kgzsl(capsys: pytest.CaptureFixture[str]) -> Runner:
    """The command line in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run_cli([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def kgzsl_process() -> Runner:
    """The command line in a process of its own."""

    def run(*arguments: object, **options: object) -> Outcome:
        command = [sys.executable, "-m", "kgzsl", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


TURTLE = """@prefix : <http://example.org/zoo#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
:Zebra a owl:Class ; rdfs:subClassOf :Horse ; rdfs:label "zebra"@en .
:Horse a owl:Class ; rdfs:subClassOf :Animal ; rdfs:label "horse"@en .
:Tiger a owl:Class ; rdfs:subClassOf :Animal ; rdfs:label "tiger"@en .
:Animal a owl:Class .
"""


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    file = tmp_path / "zoo.ttl"
    file.write_text(TURTLE)
    return file
