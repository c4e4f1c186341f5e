"""From an ontology and features to a run folder, answers and reasons, by the command line alone."""

from __future__ import annotations

import csv
import html
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

FILES = {
    "recipe.yaml", "metrics.json", "history.csv", "predictions.csv", "priors.safetensors", "model.safetensors",
    "model.json", "graph.npz", "result.json", "arrays.safetensors", "report.html", "environment.json",
    "begun.json",
}  # fmt: skip


def metrics(folder: Path) -> dict[str, float]:
    found = json.loads((folder / "metrics.json").read_text())
    return {key: value for key, value in found.items() if not key.startswith(("seconds.", "peak_memory"))}


def test_run_folder_is_whole(finished) -> None:
    folder = finished.folder / "run"
    assert {file.name for file in folder.iterdir() if file.is_file()} == FILES
    found = metrics(folder)
    for name in ("zsl.top1", "gzsl.seen", "gzsl.unseen", "gzsl.harmonic", "gzsl.ausuc", "zsl.overall"):
        assert {name, f"{name}_std", f"control.shuffled.{name}", f"control.baseline.{name}"} <= set(found)
    assert found["control.chance.zsl.top1"] == 25.0  # four unseen classes
    assert found["seeds"] == 2


def test_table_has_controls_and_says_where_the_report_is(finished) -> None:
    out = (finished.folder / "run.out").read_text()
    for part in ("wgan + softmax", "ESZSL", "shuffled ontology", "chance", "2 seeds", "±", "report: run/report.html"):
        assert part in out


def test_report_tells_of_this_run(finished) -> None:
    page = (finished.folder / "run" / "report.html").read_text()
    assert "12 seen and 4 unseen classes" in page
    for part in ("Real and synthetic features", "The class graph", "Seen against unseen", "What the unseen classes"):
        assert part in page
    assert len(page) < 2_000_000


def test_environment_has_the_command(finished) -> None:
    facts = json.loads((finished.folder / "run" / "environment.json").read_text())
    assert facts["command"] == "kgzsl run zoo.yaml --out run --seeds 2"
    assert facts["seeds"] == [0, 1]


def test_predictions_cover_the_test_set_of_each_seed(finished) -> None:
    with (finished.folder / "run" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    unseen = [row for row in rows if row["kind"] == "unseen" and row["seed"] == "0"]
    assert len(unseen) == 4 * 24
    right = np.mean([row["true"] == row["predicted_among_unseen"] for row in unseen])
    per_seed = json.loads((finished.folder / "run" / "result.json").read_text())["per_seed"]
    assert 100 * right == pytest.approx(per_seed[0]["zsl.overall"], abs=1e-4)


def test_info_shows_the_run(finished) -> None:
    values = json.loads(finished.kgzsl("info", "run", "--json").out)
    assert values["what"] == "run"
    assert values["metrics"]["seeds"] == 2
    assert "wgan + softmax" in finished.kgzsl("info", "run").out


def test_running_again_repeats_the_numbers(finished, tmp_path: Path) -> None:
    done = finished.kgzsl("run", finished.folder / "run" / "recipe.yaml", "--out", tmp_path / "again", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert metrics(tmp_path / "again") == metrics(finished.folder / "run")


def test_a_finished_folder_is_kept_unless_told(finished, refused) -> None:
    refused(finished.kgzsl("run", "zoo.yaml", "--out", "run", "--seeds", 2), "finished run", "--overwrite")
    refused(finished.kgzsl("run", "zoo.yaml", "--out", "run"), "protocol.seeds: 2 there, 1 here")
    again = finished.kgzsl("run", "zoo.yaml", "--out", "run", "--seeds", 2, "--resume", "--json")
    assert json.loads(again.out)["metrics"]["seeds"] == 2


def test_predict_answers_as_the_run_did(finished, tmp_path: Path) -> None:
    unseen = np.flatnonzero(finished.arrays["labels"] >= 12)
    np.save(tmp_path / "new.npy", finished.arrays["features"][unseen])
    out = tmp_path / "answers.csv"
    done = finished.kgzsl("predict", "run", tmp_path / "new.npy", "--out", out, "--candidates", "unseen", "--top", 2)
    assert done.code == 0, done.err
    with out.open() as file:
        answers = list(csv.DictReader(file))
    assert len(answers) == 2 * len(unseen)
    best = [row["class"] for row in answers if row["rank"] == "1"]
    with (finished.folder / "run" / "predictions.csv").open() as file:
        said = {int(row["row"]): row["predicted_among_unseen"] for row in csv.DictReader(file) if row["seed"] == "0"}
    assert best == [said[row] for row in unseen.tolist()]
    assert all(row["seen"] == "False" for row in answers)
    assert all(0 <= float(row["probability"]) <= 1 for row in answers)


def test_predict_to_standard_output_with_chosen_candidates(finished, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", finished.arrays["features"][0])
    done = finished.kgzsl("predict", "run", tmp_path / "one.npy", "--candidates", "animal00,animal15")
    (line,) = done.out.splitlines()
    assert {answer["class"] for answer in json.loads(line)["answers"]} == {"animal00", "animal15"}


def test_predict_refuses_what_does_not_fit(finished, tmp_path: Path, refused) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 5)))
    out = tmp_path / "a.csv"
    refused(finished.kgzsl("predict", "run", tmp_path / "x.npy", "--out", out), "x.npy", "[rows, 24]", absent=out)
    np.save(tmp_path / "y.npy", np.zeros((2, 24)))
    done = finished.kgzsl("predict", "run", tmp_path / "y.npy", "--out", out, "--candidates", "animal1x")
    refused(done, "'animal1x'", "animal1", absent=out)
    refused(finished.kgzsl("predict", "run", tmp_path / "y.npy", "--out", tmp_path / "a.xls"), ".csv or .tsv or .jsonl")
    refused(finished.kgzsl("predict", "nothing", tmp_path / "y.npy"), "does not exist")


def test_predict_answers_what_comes_through_a_pipe(finished, monkeypatch: pytest.MonkeyPatch, refused) -> None:
    rows = finished.arrays["features"][:2].tolist()
    lines = [json.dumps(rows[0]), json.dumps({"item": "mine", "features": rows[1]})]

    def piped(text: str):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return finished.kgzsl("predict", "run", "-", "--top", 1)

    done = piped("\n".join(lines) + "\n")
    assert done.code == 0, done.err
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [one["item"] for one in answers] == ["0", "mine"]
    assert all(one["answers"][0]["class"].startswith("animal") for one in answers)
    refused(piped("[1.0, 2.0\n"), "standard input", "line 1", "not JSON")
    refused(piped('{"item": "x"}\n'), "no list of numbers")


def test_explain_names_neighbours_and_what_they_share(finished, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", finished.arrays["features"][:3])
    done = finished.kgzsl("explain", "run", tmp_path / "x.npy", "--row", 1, "--candidates", "unseen", "--json")
    (told,) = json.loads(done.out)["explanations"]
    assert told["item"] == 1
    assert len(told["nearest_seen"]) == 3
    assert told["shared"]
    assert "like animal" in finished.kgzsl("explain", "run", tmp_path / "x.npy").out


def test_explain_writes_a_page_and_a_picture_with_what_if(finished, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", finished.arrays["features"][:2])
    page, picture = tmp_path / "why.html", tmp_path / "why.svg"
    arguments = ["explain", "run", tmp_path / "x.npy", "--row", 0, "--candidates", "unseen", "--without", 1]
    done = finished.kgzsl(*arguments, "--html", page, "--picture", picture, "--json")
    assert done.code == 0, done.err
    (told,) = json.loads(done.out)["explanations"]
    (without,) = told["without"]
    assert without["kind"] == "axiom"
    assert without["leads"][1] < without["leads"][0]
    assert told["axioms"]
    for words in (told["axioms"][0]["text"], without["removed"], "What the ontology says about it"):
        assert html.escape(words) in page.read_text()
    assert told["predicted"] in page.read_text()
    assert told["nearest_seen"][0][0] in picture.read_text()


def test_ctrl_c_leaves_a_run_that_goes_on_to_the_same_numbers(zoo) -> None:
    command = [sys.executable, "-m", "kgzsl", "run", "zoo.yaml", "--out", "run"]
    # Long enough to be met in the middle; the numbers are compared with an uninterrupted run of the same length.
    longer = ["--set", "generator.epochs=60"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*command, *longer], cwd=zoo.folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environ
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "step" in line:  # training has begun
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 130, rest
    assert rest.strip().endswith("go on with: kgzsl run zoo.yaml --out run --set generator.epochs=60 --resume")
    assert not (zoo.folder / "run" / "metrics.json").exists()
    resumed = zoo.process("run", "zoo.yaml", "--out", "run", *longer, "--resume")
    assert resumed.code == 0, resumed.err
    whole = zoo.process("run", "zoo.yaml", "--out", "whole", *longer)
    assert whole.code == 0, whole.err
    assert metrics(zoo.folder / "run") == metrics(zoo.folder / "whole")


def test_a_generator_without_training_is_a_result_too(zoo) -> None:
    changes = ("generator.epochs=0", "controls=[chance]", "protocol.evaluate_every=1")
    done = zoo.kgzsl("run", "zoo.yaml", *(word for change in changes for word in ("--set", change)), "--out", "run")
    assert done.code == 0, done.err
    assert "DOES NOT BEAT" in done.out or "beats" in done.out
