"""From pictures to answers: a folder of images packed, run, and new images answered and explained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kgzsl.cli.app import run

COLOURS = {"red": (220, 20, 20), "green": (20, 220, 20), "blue": (20, 20, 220)}
# A wall of one colour in its upper half and another one in its lower half; the last two are never shown.
WALLS = [(a, b) for a in COLOURS for b in COLOURS]
UNSEEN = ["wall blue red", "wall green blue"]


def draw(file: Path, upper: str, lower: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    picture = np.zeros((12, 10, 3))
    picture[:6], picture[6:] = COLOURS[upper], COLOURS[lower]
    noisy = np.clip(picture + random.normal(scale=12, size=picture.shape), 0, 255)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noisy.astype(np.uint8)).save(file)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images, the ontology, and a finished run on them."""
    folder = tmp_path_factory.mktemp("walls")
    said = ["@prefix : <urn:wall#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> ."]
    for number, (upper, lower) in enumerate(WALLS):
        name = f"wall {upper} {lower}"
        said.append(f':w{number} rdfs:subClassOf :Wall ; rdfs:label "{name}" ; :upper :{upper} ; :lower :{lower} .')
        for i in range(6):
            draw(folder / "photos" / name / f"{i}.png", upper, lower, 10 * number + i)
    for name in UNSEEN:
        draw(folder / "new" / "deeper" / f"{name}.jpg", *name.split()[1:], seed=999)
    (folder / "walls.ttl").write_text("\n".join(said))
    pack = ["pack", str(folder / "photos"), "--backbone", "pixels:4", "--unseen", ",".join(UNSEEN), "--quiet"]
    assert run([*pack, "--graph", str(folder / "walls.ttl"), "--out", str(folder / "walls")]) == 0
    (folder / "walls.yaml").write_text(
        f"task: image_classification\ndataset: {folder / 'walls'}\ngraph: {folder / 'walls.ttl'}\n"
        "priors: [{name: attributes}]\ngenerator: null\nprotocol: {seeds: 1, validation: none}\ncontrols: [chance]\n"
    )
    assert run(["run", str(folder / "walls.yaml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder


def answers(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert run(["predict", *arguments]) == 0
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return {Path(line["item"]).stem: line["answers"][0]["class"] for line in lines}


def test_a_folder_of_new_images_is_answered(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answers([str(place / "run"), str(place / "new"), "--candidates", "unseen", "--quiet"], capsys)
    assert found == {name: name for name in UNSEEN}


def test_classes_may_be_named_one_option_at_a_time(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more.txt").write_text(f"# one more\n{UNSEEN[1]}\n")
    pack = ["pack", str(place / "photos"), "--backbone", "pixels:4", "--json", "--out", str(tmp_path / "walls")]
    assert run([*pack, "--unseen", UNSEEN[0], "--unseen", str(tmp_path / "more.txt")]) == 0
    assert json.loads(capsys.readouterr().out)["unseen"] == UNSEEN
    one_by_one = [part for name in UNSEEN for part in ("--candidates", name)]
    found = answers([str(place / "run"), str(place / "new"), *one_by_one, "--quiet"], capsys)
    assert found == {name: name for name in UNSEEN}
    assert run(["predict", str(place / "run"), str(place / "new"), "--candidates", "unseen", *one_by_one]) == 2
    assert "--candidates unseen stands beside others" in capsys.readouterr().err


def test_images_are_answered_one_by_one_and_explained(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(place / "new" / "deeper" / f"{name}.jpg") for name in reversed(UNSEEN)]
    assert list(answers([str(place / "run"), *files, "--candidates", "unseen"], capsys)) == list(reversed(UNSEEN))
    assert run(["explain", str(place / "run"), files[0], "--candidates", "unseen", "--without", "1", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["explanations"]
    assert (told["item"], told["predicted"]) == (files[0], UNSEEN[1])
    assert told["axioms"][0]["text"].startswith(f"{UNSEEN[1]} is a kind of")
    (without,) = told["without"]
    assert without["kind"] == "axiom"
    assert without["removed"].startswith((f"{UNSEEN[1]} upper", f"{UNSEEN[1]} lower"))
    assert without["scores"][1] < without["scores"][0]


def test_a_run_on_features_answers_images_with_the_backbone_named(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = json.loads((place / "run" / "model.json").read_text())
    assert model["backbone"] == "pixels:4"
    import shutil

    shutil.copytree(place / "run", tmp_path / "run")
    (tmp_path / "run" / "model.json").write_text(json.dumps({**model, "backbone": None}))
    arguments = [str(tmp_path / "run"), str(place / "new"), "--candidates", "unseen"]
    assert run(["predict", *arguments]) == 2
    assert "name it with --backbone" in capsys.readouterr().err
    assert run(["predict", *arguments, "--backbone", "pixels:5"]) == 2
    assert "makes vectors of 75, the run takes 48" in capsys.readouterr().err
    assert answers([*arguments, "--backbone", "pixels:4"], capsys) == {name: name for name in UNSEEN}


def test_a_class_joins_from_the_new_statements_alone(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = (
        "@prefix : <urn:wall#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
        ":late rdfs:subClassOf :Wall ; :upper :blue ; :lower :green .\n"
    )
    (tmp_path / "new.ttl").write_text(said)
    (tmp_path / "all.ttl").write_text((place / "walls.ttl").read_text() + "\n" + said)
    answers_of = {}
    for name in ("new", "all"):
        graph, out = str(tmp_path / f"{name}.ttl"), str(tmp_path / name)
        assert run(["add-class", str(place / "run"), "--iri", "late", "--graph", graph, "--out", out, "--quiet"]) == 0
        assert run(["predict", out, str(place / "new"), "--candidates", "unseen"]) == 0
        answers_of[name] = capsys.readouterr().out
    assert answers_of["new"] == answers_of["all"]
    assert "late" in answers_of["new"]
    beside = place / "run+late"
    assert run(["add-class", str(place / "run"), "--iri", "late", "--graph", str(tmp_path / "new.ttl"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert Path(told["run"]) == beside
    assert told["classes"] == len(WALLS) + 1
    assert run(["add-class", str(place / "run"), "--iri", "late", "--graph", str(tmp_path / "new.ttl")]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_run_is_followed_while_it_goes_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = place / "followed"
    trained = ["--set", "generator={name: wgan, hidden: 8, epochs: 1}", "--set", "classifier.samples_per_class=5"]
    assert run(["run", str(place / "walls.yaml"), *trained, "--out", str(out), "--quiet", "--track", "csv"]) == 0
    lines = (out / "log.csv").read_text().splitlines()
    assert lines[0] == "seed,stage,step,name,value"
    assert any(line.startswith("0,train/wgan,") and ",critic," in line for line in lines)
    assert any(line.startswith(",metrics,,zsl.top1,") for line in lines)
    assert run(["run", str(place / "walls.yaml"), "--out", str(place / "never"), "--track", "tensorbord"]) == 2
    assert "did you mean 'tensorboard'" in capsys.readouterr().err
    assert not (place / "never").exists()


@pytest.mark.parametrize(
    ("sources", "problem"),
    [
        (["new", "walls.ttl"], "walls.ttl: this is no image, and others are"),
        (["nothing.png"], "nothing.png: there is no such file"),
        (["broken.png"], "broken.png: this image cannot be read"),
        (["empty"], "empty: there are no images here"),
        (["walls.ttl", "walls.yaml"], "several files at once can only be images"),
    ],
)
def test_what_cannot_be_answered_is_one_line(
    place: Path, sources: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    (place / "empty").mkdir(exist_ok=True)
    assert run(["predict", str(place / "run"), *(str(place / one) for one in sources)]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert problem in told[-1]


def test_what_cannot_be_packed_is_one_line(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = ["pack", str(place / "photos"), "--unseen", UNSEEN[0], "--out", str(tmp_path / "out"), "--quiet"]
    labels = tmp_path / "y.csv"
    labels.write_text("a\n")
    for more, problem in (
        ([], "give --backbone"),
        (["--backbone", "pixels:4", "--labels", str(labels)], "leave out --labels"),
        (["--backbone", "pixels:zero"], "the size 'zero' of a thumbnail"),
        (["--backbone", "gradients:30"], "not a multiple of 4"),
    ):
        assert run([*pack, *more]) == 2
        assert problem in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (tmp_path / "x.npy").write_bytes(b"")
    assert run(["pack", str(tmp_path / "x.npy"), "--unseen", "a", "--out", str(tmp_path / "out")]) == 2
    assert "give --labels" in capsys.readouterr().err
