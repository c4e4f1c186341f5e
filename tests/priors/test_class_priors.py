import errno

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import save_file

from kgzsl import InputError
from kgzsl.knowledge import ClassPriors

NAMES = ("cat", "dog", "zebra")
MATRIX = np.array([[0.5, 1.0], [2.0, -3.0], [0.0, 4.0]], dtype=np.float32)


def priors(**made):
    return ClassPriors(NAMES, MATRIX, made)


def test_rows_go_by_name_and_are_read_only():
    found = priors()
    assert found["dog"].tolist() == [2.0, -3.0]
    assert (len(found), found.dim, "cat" in found, list(found)) == (3, 2, True, list(NAMES))
    with pytest.raises(ValueError, match="read-only"):
        found.matrix[0, 0] = 1
    source = MATRIX.copy()
    kept = ClassPriors(NAMES, source)
    source[:] = 7
    assert np.array_equal(kept.matrix, MATRIX)


def test_align_names_every_missing_class_with_the_nearest():
    assert priors().align(["zebra", "cat"]).matrix.tolist() == [[0.0, 4.0], [0.5, 1.0]]
    with pytest.raises(InputError, match=r"'zebre' \(nearest: 'zebra'\), 'qqq';"):
        priors().align(["cat", "zebre", "qqq"])


def test_joining_goes_by_name_and_keeps_the_columns():
    left = ClassPriors(NAMES, MATRIX, {"encoder": "a", "columns": ["big", "red"]})
    right = ClassPriors(NAMES[::-1], MATRIX[::-1, :1], {"encoder": "b"})
    both = left | right
    assert np.array_equal(both.matrix, np.concatenate([MATRIX, MATRIX[:, :1]], axis=1))
    assert both.columns == ("big", "red", "b 0")
    assert both.made["encoder"] == "a | b"
    assert [part["dim"] for part in both.made["parts"]] == [2, 1]
    assert [part["dim"] for part in (both | right).made["parts"]] == [2, 1, 1]
    with pytest.raises(InputError, match="'dog'"):
        left | right.align(["cat", "zebra"])
    with pytest.raises(InputError, match="only the second has 'dog'"):
        left.align(["cat", "zebra"]) | right


def test_normalised():
    rows = ClassPriors(NAMES, [[3, 4], [0, 0], [0, 2]]).normalised()
    assert rows.matrix == pytest.approx(np.array([[0.6, 0.8], [0, 0], [0, 1]]))
    # Column 0 of (1, 2, 3): mean 2, deviation sqrt(2/3); column 1 is constant.
    columns = ClassPriors(NAMES, [[1, 0.1], [2, 0.1], [3, 0.1]]).normalised("standard")
    assert columns.matrix == pytest.approx(np.array([[-(1.5**0.5), 0], [0, 0], [1.5**0.5, 0]]))
    assert priors().normalised("none").matrix is not None
    with pytest.raises(InputError, match="'l3'"):
        priors().normalised("l3")


@pytest.mark.parametrize("count", [2, 3, 50])
def test_shuffled_moves_every_row(count):
    original = ClassPriors([str(i) for i in range(count)], np.arange(count)[:, None])
    for seed in range(20):
        order = original.shuffled(seed).matrix[:, 0]
        assert sorted(order) == list(range(count))
        assert (order != np.arange(count)).all()
    assert np.array_equal(original.shuffled(3).matrix, original.shuffled(3).matrix)


def test_to_tensor_is_a_copy():
    import torch

    tensor = priors().to_tensor(dtype=torch.float64)
    tensor[0, 0] = 9
    assert tensor.dtype == torch.float64
    assert priors()["cat"][0] == 0.5


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    matrix=arrays(
        np.float32, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.floats(-(2.0**99), 2.0**99, width=32)
    ),
    data=st.data(),
)
def test_what_is_saved_is_read_back_exactly(tmp_path, matrix, data):
    text = st.text(st.characters(codec="utf-8"), max_size=8)
    names = data.draw(st.lists(text, min_size=len(matrix), max_size=len(matrix), unique=True))
    made = data.draw(st.dictionaries(text.filter(lambda key: key != "columns"), st.integers() | text | st.none()))
    original = ClassPriors(names, matrix, made)
    found = ClassPriors.load(original.save(tmp_path / "p.safetensors"))
    assert found.names == original.names
    assert found.matrix.tobytes() == original.matrix.tobytes()
    assert found.made == original.made


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match="disk is full"):
        priors().save(tmp_path / "p.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("names", "matrix", "made", "match"),
    [
        (("a", "a"), [[1], [2]], {}, "'a' is there twice, in rows 0 and 1"),
        (("a", "b"), [[1, 2], [3, np.nan]], {}, r"row 1, column 1: the vector of class 'b' has the value nan"),
        (("a", "b"), [[1, 2], [np.inf, np.nan]], {}, "2 values like it"),
        (("a",), [[1e300]], {}, "finite float32"),
        (("a",), [1.0], {}, r"shape \[1\]"),
        (("a",), np.zeros((1, 0)), {}, r"shape \[1, 0\]"),
        (("a",), [["x"]], {}, "not real numbers"),
        (("a",), [[1.0], [2.0]], {}, "1 class names for 2 rows"),
        (("a",), [[1.0]], {"x": {1}}, "JSON"),
        (("a",), [[1.0]], {"columns": ["x", "y"]}, "2 column names for 1 columns"),
    ],
)
def test_what_cannot_be_class_vectors(names, matrix, made, match):
    with pytest.raises(InputError, match=match):
        ClassPriors(names, np.asarray(matrix), made)


# ------------------------------------------------------------------ other people's files


def test_mat_of_the_xlsa17_layout(tmp_path):
    cells = np.array([[np.array(name)] for name in NAMES], dtype=object)
    scipy.io.savemat(tmp_path / "a.mat", {"att": MATRIX.T, "original_att": 2 * MATRIX.T, "allclasses_names": cells})
    found = ClassPriors.read(tmp_path / "a.mat")
    assert found.names == NAMES
    assert np.array_equal(found.matrix, MATRIX)
    assert found.made["transposed"]
    assert np.array_equal(ClassPriors.read(tmp_path / "a.mat", key="original_att").matrix, 2 * MATRIX)


def test_a_square_att_has_the_classes_as_columns_in_mat_and_as_rows_elsewhere(tmp_path):
    square = np.array([[1.0, 2.0], [3.0, 4.0]])
    scipy.io.savemat(tmp_path / "a.mat", {"att": square})
    np.savez(tmp_path / "a.npz", att=square)
    assert ClassPriors.read(tmp_path / "a.mat", names=["x", "y"])["x"].tolist() == [1, 3]
    assert ClassPriors.read(tmp_path / "a.npz", names=["x", "y"])["x"].tolist() == [1, 2]


def test_mat_of_version_7_3(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["att"] = MATRIX  # MATLAB's [2, 3], with the axes reversed as HDF5 has them
        cells = file.create_dataset("allclasses_names", (1, 3), dtype=h5py.ref_dtype)
        for index, name in enumerate(NAMES):
            file[f"#refs#/{index}"] = np.array([[ord(letter)] for letter in name], dtype=np.uint16)
            cells[0, index] = file[f"#refs#/{index}"].ref
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    with (tmp_path / "a.mat").open("r+b") as raw:
        raw.write(header)
    found = ClassPriors.read(tmp_path / "a.mat")
    assert found.names == NAMES
    assert np.array_equal(found.matrix, MATRIX)


def test_npz_with_column_names(tmp_path):
    np.savez(tmp_path / "a.npz", features=np.ones((9, 4)), labels=np.ones(9), att=MATRIX, class_names=NAMES,
             attribute_names=["big", "red"])  # fmt: skip
    found = ClassPriors.read(tmp_path / "a.npz")
    assert found.columns == ("big", "red")
    assert np.array_equal(found.matrix, MATRIX)
    with pytest.raises(InputError, match=r"no array 'at'; it has att"):
        ClassPriors.read(tmp_path / "a.npz", key="at")


def test_safetensors_of_somebody_else(tmp_path):
    save_file({"w": MATRIX}, tmp_path / "a.safetensors")
    assert np.array_equal(ClassPriors.read(tmp_path / "a.safetensors", names=NAMES).matrix, MATRIX)
    with pytest.raises(InputError, match="does not name its classes"):
        ClassPriors.read(tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="no class priors written by kgzsl"):
        ClassPriors.load(tmp_path / "a.safetensors")


def test_a_saved_file_can_be_read_too(tmp_path):
    path = priors(encoder="x").save(tmp_path / "p.safetensors")
    assert ClassPriors.read(path).names == NAMES


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("cat,0.5,1\ndog,2,-3\nzebra,0,4\n", None),
        ("name\tbig\tred\ncat\t0.5\t1\ndog\t2\t-3\n\nzebra\t0\t4\n", ("big", "red")),
        ('\ufeffname;big;red\n"cat";0.5;1\ndog;2;-3\nzebra;0;4', ("big", "red")),
    ],
)
def test_csv_with_and_without_header(tmp_path, text, columns):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    found = ClassPriors.read(tmp_path / "a.csv")
    assert found.names == NAMES
    assert np.array_equal(found.matrix, MATRIX)
    assert found.columns == columns


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("cat,1,2\ndog,1\n", "a.csv, line 2: 2 cells where the rows before have 3"),
        ("cat,1,2\ndog,1,two\n", "a.csv, line 2, column 3: 'two' is not a number"),
        ("cat,1,two\ndog,1,2\n", "a.csv, line 1, column 3: 'two' is not a number"),
        ("cat,1\ncat,2\n", "a.csv: the class 'cat' is there twice"),
        ("cat,1\ndog,nan\n", "a.csv, row 1, column 0: .*nan"),
        ("name,big\n", "no row of numbers"),
        ("", "no row of numbers"),
    ],
)
def test_csv_that_is_wrong(tmp_path, text, match):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=match):
        ClassPriors.read(tmp_path / "a.csv")


def test_names_that_do_not_fit(tmp_path):
    np.savez(tmp_path / "a.npz", att=MATRIX, class_names=NAMES)
    with pytest.raises(InputError, match="4 class names for a matrix of 3 x 2"):
        ClassPriors.read(tmp_path / "a.npz", names=["a", "b", "c", "d"])
    with pytest.raises(InputError, match="in another order"):
        ClassPriors.read(tmp_path / "a.npz", names=NAMES[::-1])
    np.savez(tmp_path / "b.npz", one=MATRIX, two=MATRIX)
    with pytest.raises(InputError, match=r"not clear.*one, two.*key="):
        ClassPriors.read(tmp_path / "b.npz", names=NAMES)


@pytest.mark.parametrize("suffix", ["npz", "mat", "safetensors", "csv.gz"])
def test_damaged_files(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"\x00\x01 not a file of this kind" * 20)
    with pytest.raises(InputError, match=f"a.{suffix}.*not (a )?readable"):
        ClassPriors.read(path)
    with pytest.raises(InputError, match="no such file"):
        ClassPriors.read(tmp_path / f"none.{suffix}")


def test_pickled_arrays_are_never_opened(tmp_path):
    np.savez(tmp_path / "a.npz", att=np.array([[object()]], dtype=object), names=["a"])
    with pytest.raises(InputError, match="not clear"):
        ClassPriors.read(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"cannot be read from a \.pkl file"):
        (tmp_path / "a.pkl").write_bytes(b"")
        ClassPriors.read(tmp_path / "a.pkl")
