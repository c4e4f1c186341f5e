"""Wheel and source distribution: built, complete, and working where nothing of this checkout is on the path."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import kgzsl

ROOT = Path(__file__).resolve().parents[1]


def test_the_version_is_one_and_comes_from_the_distribution() -> None:
    from importlib.metadata import version

    assert kgzsl.__version__ == version("kgzsl")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build")
    pytest.importorskip("hatch_vcs")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return out


@pytest.mark.slow
def test_the_wheel_has_all_that_is_no_python(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for wanted in (
        "kgzsl/py.typed",
        "kgzsl/_ontologies/latin_characters.ttl",
        "kgzsl/_recipes/flowers.yaml",
        "kgzsl/report/page/page.css",
        "kgzsl/report/page/page.html.j2",
        "kgzsl/report/page/comparison.html.j2",
    ):
        assert wanted in names
    assert not any(name.startswith(("tests/", "docs/")) for name in names)


@pytest.mark.slow
def test_the_source_distribution_can_be_built_and_tested_again(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    for wanted in ("pyproject.toml", "Makefile", "README.md", "LICENSE", "kgzsl/__init__.py", "tests/conftest.py"):
        assert wanted in names
    assert not any(name.startswith((".venv", "runs/", "site/")) for name in names)


@pytest.mark.slow
def test_the_installed_wheel_works_away_from_here(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    place = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True, timeout=300)
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONSAFEPATH": "1"}
    graph = tmp_path / "g.graph"
    ask = "import kgzsl; print(kgzsl.__file__)"
    where = subprocess.run([sys.executable, "-c", ask], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert str(place) in where.stdout
    for arguments in (["--version"], ["recipes"], ["import", "latin_characters.ttl", "--out", str(graph)]):
        if arguments[0] == "import":
            arguments[1] = str(place / "kgzsl" / "_ontologies" / "latin_characters.ttl")
        done = subprocess.run(
            [sys.executable, "-m", "kgzsl", *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
    assert graph.is_file()
