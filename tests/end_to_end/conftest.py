"""A tiny world on disk: an ontology, features, a recipe; and the command line to run it."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kgzsl.cli.app import run as run_cli

CLASSES, UNSEEN, PARTS, DIM, ROWS = 16, 4, 8, 24, 24
NAMES = [f"animal{number:02d}" for number in range(CLASSES)]

RECIPE = """\
task: image_classification
dataset: {name: FOLDER/zoo.npz}
graph: {source: zoo.ttl}
priors: [{name: attributes}]
generator: {name: wgan, hidden: 64, epochs: 40, batch_size: 32, lr: 0.003, penalty: 1, prior_size: 4}
classifier: {name: softmax, samples_per_class: 20, epochs: 30, lr: 0.01}
protocol: {evaluate_every: 40, hits: [2]}
train: {device: cpu, precision: 32-true}
"""


@dataclass
class Done:
    code: int
    out: str
    err: str


@dataclass
class Zoo:
    """The folder, and what is in it."""

    folder: Path
    arrays: dict[str, np.ndarray]

    @property
    def recipe(self) -> Path:
        return self.folder / "zoo.yaml"

    def save(self, **changes: np.ndarray) -> None:
        np.savez(self.folder / "zoo.npz", **{**self.arrays, **changes})

    def kgzsl(self, *arguments: object) -> Done:
        """The command line in this process, here."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_cli([str(argument) for argument in arguments])
        return Done(code, out.getvalue(), err.getvalue())

    def process(self, *arguments: object, **options: object) -> Done:
        """The command line in a process of its own, here."""
        done = subprocess.run(
            [sys.executable, "-m", "kgzsl", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            **options,  # type: ignore[call-overload]
        )
        return Done(done.returncode, done.stdout, done.stderr)


def make_zoo(folder: Path) -> Zoo:
    random = np.random.default_rng(0)
    while True:  # every class another set of parts, each part in several seen classes
        parts = (random.random((CLASSES, PARTS)) < 0.5).astype(np.float32)
        if len(np.unique(parts, axis=0)) == CLASSES and parts[:-UNSEEN].sum(axis=0).min() >= 3:
            break
    mixing = random.normal(size=(PARTS, DIM))
    labels = np.repeat(np.arange(CLASSES), ROWS)
    features = np.maximum(parts[labels] @ mixing + 0.3 * random.normal(size=(len(labels), DIM)), 0)
    lines = ["@prefix : <http://example.org/zoo#> .", "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> ."]
    lines += ["@prefix owl: <http://www.w3.org/2002/07/owl#> .", ":has a owl:ObjectProperty ."]
    for row, name in enumerate(NAMES):
        lines.append(f':{name} a owl:Class ; rdfs:subClassOf :Family{row % 3} ; rdfs:label "{name}"@en .')
        for part in np.flatnonzero(parts[row]):
            some = f"[ a owl:Restriction ; owl:onProperty :has ; owl:someValuesFrom :Part{part} ]"
            lines.append(f":{name} rdfs:subClassOf {some} .")
    lines += [f":Family{i} a owl:Class ; rdfs:subClassOf :Animal ." for i in range(3)]
    lines += [f":Part{i} a owl:Class ." for i in range(PARTS)]
    (folder / "zoo.ttl").write_text("\n".join(lines) + "\n")
    (folder / "zoo.yaml").write_text(RECIPE.replace("FOLDER", str(folder)))
    order = random.permutation(len(labels))
    arrays = {
        "features": features[order].astype(np.float32),
        "labels": labels[order],
        "class_names": np.array(NAMES),
        "unseen_classes": np.arange(CLASSES - UNSEEN, CLASSES),
        "att": parts,
    }
    zoo = Zoo(folder, arrays)
    zoo.save()
    return zoo


@pytest.fixture
def zoo(tmp_path: Path) -> Zoo:
    """A fresh world."""
    return make_zoo(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """A world with a finished run in ``run``; not to be changed."""
    zoo = make_zoo(tmp_path_factory.mktemp("zoo"))
    done = zoo.kgzsl("run", "zoo.yaml", "--out", "run", "--seeds", 2)
    assert done.code == 0, done.err
    (zoo.folder / "run.out").write_text(done.out)
    return zoo


Refusal = Callable[..., None]


@pytest.fixture
def refused() -> Refusal:
    """Checks for exit status 2, one line with all parts, and nothing written."""

    def check(done: Done, *parts: str, absent: Path | None = None) -> None:
        assert done.code == 2, done
        line = done.err.strip().splitlines()[-1]
        assert line.startswith("kgzsl: ")
        assert "Traceback" not in done.err
        for part in parts:
            assert part in line, (part, line)
        assert absent is None or not absent.exists()

    return check


COMPLETION = """\
task: kg_completion
dataset: FOLDER/kg
graph: {source: schema.ttl}
priors: [{name: attributes, generalise: true}]
generator: null
pairs: {steps: 10}
train: {device: cpu, precision: 32-true}
"""

SCHEMA = """\
@prefix : <http://example.org/geo#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
:hasCity a owl:ObjectProperty ; rdfs:domain :Country ; rdfs:range :City .
:largestCity a owl:ObjectProperty ; rdfs:subPropertyOf :hasCity ; rdfs:domain :Country ; rdfs:range :City .
:port a owl:ObjectProperty ; rdfs:subPropertyOf :hasCity ; rdfs:domain :Country ; rdfs:range :City .
:capital a owl:ObjectProperty ; rdfs:subPropertyOf :hasCity ; rdfs:domain :Country ; rdfs:range :City .
:speaks a owl:ObjectProperty ; rdfs:domain :Country ; rdfs:range :Language .
:writes a owl:ObjectProperty ; rdfs:domain :Country ; rdfs:range :Language .
:borders a owl:ObjectProperty ; rdfs:domain :Country ; rdfs:range :Country .
:near a owl:ObjectProperty ; rdfs:domain :City ; rdfs:range :City .
:inRegion a owl:ObjectProperty ; rdfs:domain :Country ; rdfs:range :Region .
"""


@pytest.fixture(scope="session")
def countries(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Twelve countries whose capitals no training triple tells, with a finished run in ``run``; not to be changed."""
    folder = tmp_path_factory.mktemp("geo")
    (folder / "kg").mkdir()
    train, test = [], []
    for i in range(12):
        country = f"country{i}"
        train += [(country, "hasCity", f"city{i}_{j}") for j in range(3)]
        train += [(country, "largestCity", f"city{i}_0"), (country, "port", f"city{i}_2")]
        train += [(country, "speaks", f"language{i % 4}"), (country, "writes", f"language{i % 4}")]
        train += [(country, "inRegion", f"region{i % 3}"), (country, "borders", f"country{(i + 3) % 12}")]
        train += [(f"city{i}_0", "near", f"city{i}_1")]
        test.append((country, "capital", f"city{i}_0"))
    for name, triples in (("train", train), ("test", test)):
        (folder / "kg" / f"{name}.txt").write_text("".join("\t".join(triple) + "\n" for triple in triples))
    (folder / "schema.ttl").write_text(SCHEMA)
    (folder / "geo.yaml").write_text(COMPLETION.replace("FOLDER", str(folder)))
    world = Zoo(folder, {})
    done = world.kgzsl("run", "geo.yaml", "--out", "run")
    assert done.code == 0, done.err
    (folder / "run.out").write_text(done.out)
    return world
