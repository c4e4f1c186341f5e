"""The import benchmark: its triples, its check, its report; and the memory that it promises."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kgzsl import ClassGraph, benchmarks
from kgzsl.benchmarks import import_graph
from kgzsl.errors import InputError


def test_generated_triples_are_the_same_each_time(tmp_path: Path) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    import_graph.write_triples(first, 1000)
    import_graph.write_triples(second, 1000)
    assert first.getvalue() == second.getvalue()
    path = tmp_path / "x.nt"
    path.write_bytes(first.getvalue())
    graph = ClassGraph.read(path)
    # Of ten triples of an entity: a type, a label, a number, seven relations.
    assert graph.account.triples + graph.account.duplicates == 1000
    assert graph.texts.num_texts == 100
    assert graph.account.balanced


@pytest.mark.parametrize("compressed", [False, True])
def test_report(compressed: bool) -> None:
    report = benchmarks.run("import", triples=2000, laps=1, compressed=compressed)
    assert report["name"] == "import"
    assert report["ratio"] == pytest.approx(report["baseline_s"] / report["ours_s"])
    assert report["over_bare"] == pytest.approx(report["ours_s"] / report["bare_s"])
    assert report["sizes"]["triples"] == 2000
    assert "distinct triples" in report["checked"]
    assert {"import", "import-large"} <= set(benchmarks.names())
    with pytest.raises(InputError, match="triples=5"):
        benchmarks.run("import", triples=5)


def test_the_check_notices_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.nt"
    with path.open("wb") as file:
        import_graph.write_triples(file, 200)
    read = ClassGraph.read

    def forgetful(source: Path, **options: object) -> ClassGraph:
        path.with_name("y.nt").write_bytes(b"".join(Path(source).read_bytes().splitlines(keepends=True)[:-1]))
        return read(path.with_name("y.nt"), **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ClassGraph, "read", forgetful)
    with pytest.raises(AssertionError, match="1 triples differ"):
        import_graph._check(path)


def test_memory_for_a_triple(tmp_path: Path) -> None:
    """120 bytes for a triple beyond the distinct strings, at a size where the fixed costs no longer show."""
    path = tmp_path / "x.nt"
    with path.open("wb") as file:
        import_graph.write_triples(file, 1_000_000)
    found = import_graph.measure_memory(path)
    assert 0 < found["bytes_per_triple"] < 120
