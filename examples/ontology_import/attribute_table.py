"""A spreadsheet of attributes: a class a row, an attribute a column, as a weighted class graph.

    python examples/ontology_import/attribute_table.py --source attributes.csv --out attributes.graph
    python examples/ontology_import/attribute_table.py    # the small table

The first column names the class; a column called ``parent`` names what stands above it, one called ``description`` is
text. Every other cell is a number (0 or empty: the class lacks it), or a word (the attribute has this value).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from _shared import HERE, finish, options, run

from kgzsl import ClassGraph
from kgzsl.errors import InputError


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "attributes.graph")
    parser.add_argument("--source", default=str(HERE / "data" / "attributes.csv"), help="a .csv or .tsv file")
    given = parser.parse_args(arguments)
    finish(read_table(Path(given.source)), given.out)


def read_table(path: Path) -> ClassGraph:
    """The graph of the table: (class, has, attribute) with the number as weight, (class, attribute, word) for words."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    if len(rows) < 2:
        raise InputError("the table has no class", file=path, remedy="write a header and one class a row")
    header = [name.strip() for name in rows[0]]
    triples: list[tuple[str, str, str]] = []
    weights: list[float] = []
    texts: dict[str, list[tuple[str, str]]] = {}
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise InputError(
                f"{len(row)} cells where the header has {len(header)}",
                file=path,
                place=f"row {number}",
                remedy="repair it",
            )
        name = row[0].strip()
        texts.setdefault(name, []).append(("label", name))
        for column, cell in zip(header[1:], (cell.strip() for cell in row[1:]), strict=True):
            if column == "description" and cell:
                texts[name].append(("description", cell))
            elif column == "parent" and cell:
                triples.append((name, "subClassOf", cell))
                weights.append(1.0)
            elif column not in ("description", "parent") and cell:
                value = _number(cell)
                if value != 0:
                    triples.append((name, "has", column) if value is not None else (name, column, cell))
                    weights.append(1.0 if value is None else value)
    return ClassGraph.from_triples(triples, texts=texts, weights=weights)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


if __name__ == "__main__":
    run(main)
