"""Bad input to a run: exit status 2, one line that names file, place and remedy, and nothing half-written."""

from __future__ import annotations

import resource

import numpy as np
import pytest


def test_truncated_turtle(zoo, refused) -> None:
    file = zoo.folder / "zoo.ttl"
    file.write_text(file.read_text()[:-12])
    out = zoo.folder / "run"
    refused(zoo.kgzsl("run", "zoo.yaml", "--out", "run"), "zoo.ttl", "line", absent=out)


def test_labels_outside_the_class_list(zoo, refused) -> None:
    labels = zoo.arrays["labels"].copy()
    labels[7] = 16
    zoo.save(labels=labels)
    done = zoo.kgzsl("run", "zoo.yaml", "--out", "run")
    refused(done, "zoo.npz", "labels", "16", "7", absent=zoo.folder / "run")


def test_features_that_are_not_numbers(zoo, refused) -> None:
    features = zoo.arrays["features"].copy()
    features[3, 5] = np.nan
    zoo.save(features=features)
    refused(zoo.kgzsl("run", "zoo.yaml", "--out", "run"), "zoo.npz", "features", "3", absent=zoo.folder / "run")


def test_an_unseen_class_among_the_training_rows(zoo, refused) -> None:
    labels = zoo.arrays["labels"]
    seen, unseen = np.flatnonzero(labels < 12), np.flatnonzero(labels >= 12)
    zoo.save(trainval_loc=np.append(seen[40:], unseen[0]), test_seen_loc=seen[:40], test_unseen_loc=unseen[1:])
    done = zoo.kgzsl("run", "zoo.yaml", "--out", "run")
    refused(done, "zoo.npz", "trainval_loc", f"animal{labels[unseen[0]]}", absent=zoo.folder / "run")


def test_a_class_missing_from_the_priors(zoo, refused) -> None:
    table = "".join(f"animal{i:02d},{i},{i * i}\n" for i in range(15)) + "animal99,1,2\n"
    (zoo.folder / "priors.csv").write_text(table)
    change = f"priors=[{{name: file, path: {zoo.folder / 'priors.csv'}}}]"
    done = zoo.kgzsl("run", "zoo.yaml", "--set", change, "--out", "run")
    refused(done, "priors.csv: no class vector for 'animal15'", "nearest", absent=zoo.folder / "run")


def test_a_class_missing_from_the_graph(zoo, refused) -> None:
    file = zoo.folder / "zoo.ttl"
    file.write_text(file.read_text().replace("animal15", "animal51"))
    done = zoo.kgzsl("run", "zoo.yaml", "--out", "run")
    refused(done, "zoo.ttl: 1 of 16 names", "'animal15' (nearest: animal51", absent=zoo.folder / "run")


def test_a_mat_without_a_needed_key(zoo, refused) -> None:
    import scipy.io

    folder = zoo.folder / "xlsa"
    folder.mkdir()
    scipy.io.savemat(folder / "res101.mat", {"feature": np.zeros((4, 6)), "labels": np.ones((6, 1))})
    scipy.io.savemat(folder / "att_splits.mat", {"att": np.eye(3), "trainval_loc": np.ones((2, 1))})
    done = zoo.kgzsl("run", "zoo.yaml", "--set", f"dataset={folder}", "--out", "run")
    refused(done, "res101.mat", "'features'", "feature", absent=zoo.folder / "run")


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("generater: {name: wgan}", ["generater", "'generator'", "line 9"]),
        ("controls: [chance, shufled]", ["shufled", "shuffled", "line 9"]),
    ],
)
def test_a_recipe_with_an_unknown_key(zoo, refused, line: str, parts: list[str]) -> None:
    zoo.recipe.write_text(zoo.recipe.read_text() + line + "\n")
    refused(zoo.kgzsl("run", "zoo.yaml", "--out", "run"), "zoo.yaml", *parts, absent=zoo.folder / "run")
    assert not (zoo.folder / "run").exists()


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("generator.hiden=3", "'hidden'"),
        ("generator.name=wgans", "wgan"),
        ("classifier.name=softmx", "softmax"),
        ("protocol.seed=3", "'seeds'"),
        ("priors=[{name: attribute}]", "attributes"),
        ("train.device=gpu", "cpu"),
        ("dataset=latin_character", "latin_characters"),
    ],
)
def test_overrides_are_checked(zoo, refused, change: str, part: str) -> None:
    refused(zoo.kgzsl("run", "zoo.yaml", "--set", change, "--out", "run"), part, absent=zoo.folder / "run")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("dataset=latin_character", "latin_characters"),
        ("dataset={name: latin_characters, sise: 16}", "'size'"),
        ("dataset={name: latin_characters, size: 17}", "use 16"),
        ("dataset={name: latin_characters, images_per_class: five}", "images_per_class is 'five'"),
    ],
)
def test_what_is_wrong_with_the_data_set_is_told_with_its_place(zoo, refused, change: str, part: str) -> None:
    done = zoo.kgzsl("run", "zoo.yaml", "--set", change, "--out", "run")
    refused(done, "zoo.yaml", "--set dataset", part, absent=zoo.folder / "run")


def test_a_run_that_fails_before_anything_is_kept_leaves_no_folder(zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect too: the recipe that goes round it must not find its folder taken."""

    def slip(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a slip of ours")

    monkeypatch.setattr("kgzsl.tasks.image_classification.run", slip)
    assert zoo.kgzsl("run", "zoo.yaml", "--out", "run").code == 1
    assert not (zoo.folder / "run").exists()


def test_an_unknown_recipe_names_the_nearest(zoo, refused) -> None:
    refused(zoo.kgzsl("run", "latin_caracters", "--out", "run"), "latin_characters")


def test_print_config_writes_every_default_and_reads_back(zoo) -> None:
    shown = zoo.kgzsl("run", "zoo.yaml", "--set", "generator.hidden=8", "--print-config")
    assert shown.code == 0
    assert "hidden: 8" in shown.out
    assert "controls:" in shown.out
    zoo.recipe.write_text(shown.out)
    assert zoo.kgzsl("run", "zoo.yaml", "--print-config").out == shown.out
    assert not (zoo.folder / "run").exists()


def test_priors_can_be_named_on_the_command_line(zoo, refused) -> None:
    import yaml

    shown = yaml.safe_load(zoo.kgzsl("run", "zoo.yaml", "--prior", "attributes+tfidf", "--print-config").out)
    assert [one["name"] for one in shown["priors"]] == ["attributes", "tfidf"]
    shown = yaml.safe_load(zoo.kgzsl("run", "zoo.yaml", "--prior", "{name: transe, dim: 8}", "--print-config").out)
    assert (shown["priors"][0]["name"], shown["priors"][0]["dim"]) == ("transe", 8)
    refused(zoo.kgzsl("run", "zoo.yaml", "--prior", "att,text", "--out", "run"), "--prior att,text is not one choice")


def test_a_full_disk_leaves_a_run_that_can_go_on(zoo, refused) -> None:
    """No file may grow beyond 20 kB: the first checkpoint or result that is larger fails."""
    done = zoo.process(
        "run", "zoo.yaml", "--out", "run",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )  # fmt: skip
    refused(done, "could not save", "run")
    folder = zoo.folder / "run"
    assert not (folder / "metrics.json").exists()
    assert not [file for file in folder.rglob("*") if ".partial-" in file.name]
    again = zoo.kgzsl("run", "zoo.yaml", "--out", "run", "--resume")
    assert again.code == 0, again.err
    assert (folder / "metrics.json").exists()


def test_a_disk_that_was_full_from_the_start_leaves_no_folder(zoo, refused) -> None:
    done = zoo.process(
        "run", "zoo.yaml", "--out", "run", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    )
    refused(done, "recipe.yaml", "could not save", absent=zoo.folder / "run")


def test_a_run_does_not_touch_a_folder_of_something_else(zoo, refused) -> None:
    (zoo.folder / "docs").mkdir()
    (zoo.folder / "docs" / "thesis.tex").write_text("years")
    refused(zoo.kgzsl("run", "zoo.yaml", "--out", "docs", "--overwrite"), "docs", "holds no run")
    assert [file.name for file in (zoo.folder / "docs").iterdir()] == ["thesis.tex"]
