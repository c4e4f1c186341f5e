"""One table with features, labels and names of rows, as feature stores write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kgzsl import InputError
from kgzsl._feature_files import read_features
from kgzsl.datasets import pack
from kgzsl.datasets.tables import read_array, read_list

NAMES = ["cat", "dog", "fox"]
X = np.arange(36, dtype=np.float32).reshape(12, 3) / 8
Y = np.arange(12) % 3


def table(folder: Path, kind: str, labels: list[object]) -> Path:
    pandas = pytest.importorskip("pandas")
    found = pandas.DataFrame(X, columns=["a", "b", "c"])
    found.insert(1, "label", labels)
    file = folder / f"all.{kind}"
    if kind == "csv":
        found.to_csv(file, index=False)
    else:
        pytest.importorskip("pyarrow")
        found.to_parquet(file)
    return file


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("told", [False, True])
def test_labels_in_the_features_own_file_are_no_feature(kind: str, numbers: bool, told: bool, tmp_path: Path) -> None:
    file = table(tmp_path, kind, Y.tolist() if numbers else [NAMES[i] for i in Y])
    options = {"classes": NAMES} if numbers else {}
    data = pack(
        file, tmp_path / "out", labels=file if told else None, labels_key="label", unseen=["fox"], **options
    )  # fmt: skip
    np.testing.assert_array_equal(data.features.numpy(), X)
    assert data.labels.tolist() == Y.tolist()
    with pytest.raises(InputError, match="there is no 'labl'; did you mean 'label'"):
        pack(file, tmp_path / "other", labels_key="labl", unseen=["fox"])


def test_two_arrays_in_one_file_need_one_key(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", features=X, y=np.array(NAMES)[Y])
    data = pack(tmp_path / "x.npz", tmp_path / "out", labels_key="y", unseen=["fox"])
    np.testing.assert_array_equal(data.features.numpy(), X)
    with pytest.raises(InputError, match=r"features have no labels; give --labels FILE.*or --labels-key"):
        pack(tmp_path / "x.npz", tmp_path / "other", unseen=["fox"])


def test_a_matrix_of_columns_is_turned(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X.T)
    (tmp_path / "y.txt").write_text("\n".join(NAMES[i] for i in Y))
    data = pack(tmp_path / "x.npy", tmp_path / "out", labels=tmp_path / "y.txt", unseen=["fox"])
    np.testing.assert_array_equal(data.features.numpy(), X)


def test_a_header_over_labels_is_told(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "y.csv").write_text("\n".join(["label", *(NAMES[i] for i in Y)]))
    with pytest.raises(
        InputError, match=r"13 labels for 12 rows .* 'label', a header\?; if so, give --labels-key label"
    ):
        pack(tmp_path / "x.npy", tmp_path / "out", labels=tmp_path / "y.csv", unseen=["fox"])
    data = pack(tmp_path / "x.npy", tmp_path / "out", labels=tmp_path / "y.csv", labels_key="label", unseen=["fox"])
    assert data.labels.tolist() == Y.tolist()


@pytest.mark.parametrize("index", [None, "number"])
def test_the_index_of_pandas_is_no_feature(index: str | None, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    found = pandas.DataFrame(X, columns=["a", "b", "c"], index=pandas.Index(np.arange(12)[::-1], name=index))
    found.to_parquet(tmp_path / "x.parquet")
    np.testing.assert_array_equal(read_array(tmp_path / "x.parquet"), X)
    rows, names = read_features(tmp_path / "x.parquet", dim=3)
    assert rows.tolist() == X.tolist()
    assert names is None


def test_labels_in_another_order_are_refused(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    found = pandas.DataFrame(X, columns=["a", "b", "c"]).assign(id=[f"i{n}" for n in range(12)])
    found.to_parquet(tmp_path / "x.parquet")
    labels = pandas.DataFrame({"id": found["id"], "label": [NAMES[i] for i in Y]})
    labels.to_csv(tmp_path / "y.csv", index=False)
    options = {"labels_key": "label", "unseen": ["fox"]}
    assert pack(tmp_path / "x.parquet", tmp_path / "out", labels=tmp_path / "y.csv", **options).dim == 3
    labels.iloc[[0, 1, 3, 2, *range(4, 12)]].to_csv(tmp_path / "y.csv", index=False)
    with pytest.raises(InputError, match=r"y\.csv, row 2: .*'id' is 'i3' here and 'i2' in x\.parquet; sort both"):
        pack(tmp_path / "x.parquet", tmp_path / "other", labels=tmp_path / "y.csv", **options)
    labels.insert(0, "number", range(12))
    labels.to_parquet(tmp_path / "y.parquet")
    with pytest.raises(InputError, match="the file holds 3 columns; name one of: number, id, label"):
        read_list(tmp_path / "y.parquet")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_short_floats_are_read(dtype: torch.dtype, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.tensor(X).to(dtype)}, tmp_path / "x.safetensors")
    expected = torch.tensor(X).to(dtype).float().numpy()
    np.testing.assert_array_equal(read_array(tmp_path / "x.safetensors"), expected)
    np.testing.assert_array_equal(read_features(tmp_path / "x.safetensors", dim=3)[0], expected)
