"""Files that people hand to predict: every layout that is read, every fault that is named."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from kgzsl.cli.answers import Answers, write_answers
from kgzsl.cli.inputs import Query, given_files, read_features, read_queries
from kgzsl.errors import InputError

ROWS = np.array([[1.0, 2.5, -3.0], [0.0, 1e-3, 7.0]], dtype=np.float32)


def write(path: Path, array: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, features=array, other=np.zeros((2, 2)))
    elif path.suffix == ".mat":
        scipy.io.savemat(path, {"features": array.T, "labels": np.ones((2, 1))})  # [D, N], as xlsa17 has it
    else:
        text = "\n".join(",".join(map(repr, row)) for row in array.tolist())
        path.write_text(text + "\n")
    return path


@pytest.mark.parametrize("ending", [".npy", ".npz", ".mat", ".csv"])
def test_features_read_from_every_layout(tmp_path: Path, ending: str) -> None:
    found, names = read_features(write(tmp_path / f"x{ending}", ROWS), dim=3)
    np.testing.assert_array_equal(found, ROWS)
    assert found.dtype == np.float32
    assert names is None


def test_csv_with_header_and_names(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("image,f0,f1\na.png,1,2\nb.png,3,4\n")
    found, names = read_features(tmp_path / "x.csv", dim=2)
    assert names == ["a.png", "b.png"]
    np.testing.assert_array_equal(found, [[1, 2], [3, 4]])


def test_one_vector_is_one_row(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ROWS[0])
    assert read_features(tmp_path / "x.npy", dim=3)[0].shape == (1, 3)


def test_a_key_picks_the_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=ROWS, b=ROWS * 2)
    np.testing.assert_array_equal(read_features(tmp_path / "x.npz", dim=3, key="b")[0], ROWS * 2)
    with pytest.raises(InputError, match=r"--key .*matrices: a, b"):
        read_features(tmp_path / "x.npz", dim=3)
    with pytest.raises(InputError, match="'c' is missing; the file has: a, b"):
        read_features(tmp_path / "x.npz", dim=3, key="c")


def test_mat_without_the_key_is_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "x.mat", {"feats": ROWS, "labels": np.ones((2, 1))})
    with pytest.raises(InputError, match="'features' is missing; the file has"):
        read_features(tmp_path / "x.mat", dim=3, key="features")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1,2,3\n4,5\n", "line 2.*2 values, the first one 3"),
        ("1,2,3\n4,five,6\n", "line 2.*'five' is not a number"),
        ("", "no rows"),
        ("1,nan,3\n", r"row 0, column 1.*nan is not a finite number \(1 in all\)"),
        ("1,2,3,4\n", r"\[1, 4\], the model takes \[rows, 3\]"),
    ],
)
def test_faults_of_a_table_are_named(tmp_path: Path, text: str, parts: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=parts) as caught:
        read_features(tmp_path / "x.csv", dim=3)
    assert str(tmp_path / "x.csv") in str(caught.value)


def test_pickles_and_unknown_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="pickled objects, which are never loaded"):
        read_features(tmp_path / "x.npy", dim=3)
    (tmp_path / "x.pkl").write_bytes(b"")
    with pytest.raises(InputError, match=r"\.pkl"):
        read_features(tmp_path / "x.pkl", dim=3)
    with pytest.raises(InputError, match="no such file"):
        read_features(tmp_path / "none.npy", dim=3)


def test_queries_from_tables_and_json_lines(tmp_path: Path) -> None:
    (tmp_path / "q.tsv").write_text("head\trelation\nFrance\tcapital\nPeru\n")
    assert read_queries(tmp_path / "q.tsv") == [Query("France", "capital"), Query("Peru", None)]
    (tmp_path / "q.jsonl").write_text('{"head": "France", "relation": "capital"}\n\n{"head": "Peru"}\n')
    assert read_queries(tmp_path / "q.jsonl") == [Query("France", "capital"), Query("Peru", None)]


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("q.jsonl", '{"head": "a"}\n{"head": \n', "line 2.*not JSON"),
        ("q.jsonl", '{"relation": "a"}\n', "line 1.*no head"),
        ("q.jsonl", '{"head": null}\n', "line 1.*no head"),
        ("q.jsonl", '{"head": 5, "relation": "3"}\n', "line 1: the head is 5, not a name"),
        ("q.jsonl", '{"head": "a", "relation": 3}\n', "line 1: the relation is 3, not a name"),
        ("q.jsonl", "[]\n", "line 1: this is no object"),
        ("q.csv", "head,relation\n,capital\n", "line 2.*no head"),
        ("q.csv", "head,relation\n", "no queries"),
    ],
)
def test_faults_of_queries_are_named(tmp_path: Path, name: str, text: str, parts: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=parts):
        read_queries(tmp_path / name)


def test_faults_of_standard_input_are_told_as_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"head": 5}\n')))
    with pytest.raises(InputError, match=r"^standard input, line 1: the head is 5"), given_files([Path("-")]) as files:
        read_queries(files[0])
    with pytest.raises(InputError, match=r"^other\.csv: wrong"), given_files([Path("-")]):
        raise InputError("wrong", file="other.csv")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name, read in (
        ("x.csv", lambda file: read_features(file, dim=2)),
        ("q.tsv", read_queries),
        ("q.jsonl", read_queries),
    ):
        file = folder / name
        file.write_text(text, encoding="utf-8", errors="replace")
        with contextlib.suppress(InputError):
            read(file)


def test_answers_as_table_and_json_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = [
        Answers({"item": 0}, [{"class": "a, b", "score": 0.75}, {"class": "c", "score": 0.25}]),
        Answers({"item": 1}),
    ]
    assert write_answers(answers, tmp_path / "a.csv") == 2
    assert (tmp_path / "a.csv").read_text() == 'item,rank,class,score\n0,1,"a, b",0.75\n0,2,c,0.25\n'
    write_answers(answers[:1], tmp_path / "a.jsonl")
    wanted = '{"item": 0, "answers": [{"class": "a, b", "score": 0.75}, {"class": "c", "score": 0.25}]}\n'
    assert (tmp_path / "a.jsonl").read_text() == wanted
    write_answers(answers[:1], None)
    assert capsys.readouterr().out == wanted
    with pytest.raises(InputError, match=r"\.csv or \.tsv or \.jsonl"):
        write_answers([], tmp_path / "a.xls")
