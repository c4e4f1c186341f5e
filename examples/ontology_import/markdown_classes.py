"""A folder of Markdown notes, one for each class, as a class graph.

    python examples/ontology_import/markdown_classes.py --source notes --out notes.graph
    python examples/ontology_import/markdown_classes.py    # the small folder

The first heading names the class (else the file does). A line ``is a: [[mammal]], [[pet]]`` says what stands above it,
``eats: [[mouse]]`` links it by another relation, ``not: [[dog]]`` says what it is not. Any other ``[[link]]`` is a
relation ``mentions``; all other lines are text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from _shared import HERE, finish, options, run

from kgzsl import ClassGraph
from kgzsl.errors import InputError

LINK = re.compile(r"\[\[([^\]|]+)(?:\|[^\]]*)?\]\]")
STATEMENT = re.compile(r"^([A-Za-z][\w -]{0,40}):\s*((?:\[\[[^\]]+\]\][,\s]*)+)$")
RELATIONS = {"is a": "subClassOf", "not": "disjointWith"}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "notes.graph")
    parser.add_argument("--source", default=str(HERE / "data" / "markdown"), help="a folder of .md files")
    given = parser.parse_args(arguments)
    finish(read_notes(Path(given.source)), given.out)


def read_notes(folder: Path) -> ClassGraph:
    """The graph of the notes."""
    files = sorted(folder.glob("**/*.md"))
    if not files:
        raise InputError("there is no .md file in it", file=folder, remedy="give a folder of Markdown notes")
    triples: list[tuple[str, str, str]] = []
    texts: dict[str, list[tuple[str, str]]] = {}
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        heading = next((line.lstrip("# ").strip() for line in lines if line.startswith("# ")), file.stem)
        name, prose = heading.lower(), []
        for line in lines:
            statement = STATEMENT.match(line.strip())
            if statement is not None:
                relation = statement.group(1).strip().lower()
                relation = RELATIONS.get(relation, relation.replace(" ", "_"))
                triples += [(name, relation, other.lower()) for other in LINK.findall(statement.group(2))]
            elif line.strip() and not line.startswith("#"):
                triples += [(name, "mentions", other.lower()) for other in LINK.findall(line)]
                prose.append(LINK.sub(lambda found: found.group(1), line.strip()))
        texts[name] = [("label", heading)]
        if prose:
            texts[name].append(("description", " ".join(prose)))
    return ClassGraph.from_triples(triples, texts=texts)


if __name__ == "__main__":
    run(main)
