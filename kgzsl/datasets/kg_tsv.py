"""Folders of triples, one a line: train, valid and test files of head, relation, tail."""

from __future__ import annotations

import bz2
import csv
import gzip
import lzma
import re
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import IO, cast

from kgzsl.datasets.kg_names import split_from_names
from kgzsl.datasets.kg_relations import relation_names
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.errors import InputError

__all__ = ["ENDINGS", "TYPES_FILES", "find_file", "find_part", "open_text", "read_triples", "read_tsv_folder"]

_NAMES: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "valid": ("valid", "val", "dev", "validation"),
    "test": ("test",),
    "support": ("msg", "support"),
}
ENDINGS = ("txt", "tsv", "csv", "txt.gz", "tsv.gz", "csv.gz", "txt.bz2", "tsv.bz2", "txt.xz", "tsv.xz")
"""How the files of triples end that are read."""
TYPES_FILES = ("entity2types.json", "entity2types.json.gz")
"""What a folder of triples may call the file that tells the classes of its entities."""
_COMMENT = re.compile(r"#+(?:[^\S\t][^\t]*)?$")
_HEADER_WORDS = (
    {"head", "h", "subject", "s", "source", "from"},
    {"relation", "r", "predicate", "p", "property", "rel", "meta-relation"},
    {"tail", "t", "object", "o", "target", "to"},
)


def read_tsv_folder(
    folder: str | PathLike[str],
    *,
    train: str | None = None,
    valid: str | None = None,
    test: str | Sequence[str] | None = None,
    support: str | None = None,
    order: str = "hrt",
    unseen_relations: Sequence[str] | str | None = None,
    valid_relations: Sequence[str] | str | None = None,
    name: str | None = None,
    graph_source: str | None = None,
    types: str | None = None,
) -> KGSplit:
    """A knowledge graph from a folder with ``train``, ``valid`` and ``test`` files (``.txt``, ``.tsv``, ``.csv``; also
    compressed with gzip, bzip2 or xz).

    One triple a line, head relation tail, apart by tabs (or, in ``.csv``, commas; else white space, where each line has
    three words). A header line is recognised by its words. Unseen relations are those of test that are not in train.
    Repeated triples are kept, and counted in the notes: figures that were published about such folders count them.

    Args:
        folder: The folder.
        train: File in it, where it is called otherwise than ``train.txt`` and the like.
        valid: The same; ``valid``, ``val``, ``dev`` or ``validation``. May be absent.
        test: The same; several are joined.
        support: Graph given only at test time: ``msg`` or ``support``. May be absent.
        order: What the three fields are: ``"hrt"`` is head, relation, tail; some collections have ``"rht"`` or
            ``"htr"``.
        unseen_relations: Names, see :func:`kgzsl.datasets.kg_relations.relation_names`; left out, as above. Train must
            have no triple of them; :func:`kgzsl.datasets.pack_triples` makes such a split anew.
        valid_relations: Names; left out, those of valid that are neither in train nor unseen.
        name: What to call the data set; by default the folder's name.
        graph_source: Path of the schema that belongs to the data.
        types: File in it that tells the classes of entities, see :func:`kgzsl.datasets.kg_types.read_types`; left out,
            ``entity2types.json`` where it is there.

    Raises:
        InputError: A file is missing or damaged, a line has not three fields, or an unseen relation is in train.
    """
    base = Path(folder)
    if not base.is_dir():
        raise InputError("there is no such folder", file=base, remedy="give a folder with train, valid and test files")
    files = {
        "train": [_given_or_found(base, "train", train)],
        "valid": [_given_or_found(base, "valid", valid)],
        "test": [_given_or_found(base, "test", t) for t in ([test] if isinstance(test, str) or test is None else test)],
        "support": [_given_or_found(base, "support", support)],
    }
    for part in ("train", "test"):
        if None in files[part]:
            raise InputError(
                f"there is no {part} file here",
                file=base,
                remedy=f"put a {part}.txt into it: head, relation, tail on each line, apart by tabs",
            )
    parts = {
        key: [t for file in found if file is not None for t in read_triples(file, order=order)]
        for key, found in files.items()
    }
    unseen = None if unseen_relations is None else relation_names(unseen_relations)
    shown = {relation for _, relation, _ in parts["train"]}.intersection(unseen or ())
    if shown:
        raise InputError(
            f"training shows {sorted(shown)[0]!r}, which is to be unseen",
            file=base,
            place="unseen_relations",
            remedy="take its triples out of train, or let kgzsl pack FOLDER --unseen-relations NAMES split all anew",
        )
    told = (
        next((base / name for name in TYPES_FILES if (base / name).is_file()), None) if types is None else base / types
    )
    split = split_from_names(
        parts["train"],
        parts["valid"],
        parts["test"],
        support=parts["support"],
        unseen_relations=unseen,
        valid_relations=None if valid_relations is None else relation_names(valid_relations, "valid_relations"),
        name=name or base.resolve().name,
        graph_source=graph_source,
        source=str(base),
    )
    if told is None:
        return split
    from kgzsl.datasets.kg_types import with_types

    return with_types(split, told)


def _three_with_commas(line: str) -> bool:
    """Whether what looks like a comment may as well be a fact, whose head begins so."""
    return len(next(csv.reader([line], skipinitialspace=True))) == 3


def read_triples(path: str | PathLike[str], *, order: str = "hrt") -> Iterator[tuple[str, str, str]]:
    """The triples of one file as (head, relation, tail), line by line.

    Empty lines and comments, which begin with ``#`` and a space and have no tab (with commas, below the first line,
    not three fields), are passed over.

    Args:
        path: The file.
        order: What the three fields of a line are, see :func:`read_tsv_folder`.

    Raises:
        InputError: A line has not three fields (its number is given), or the file is missing, damaged or not UTF-8.
    """
    file = Path(path)
    if sorted(order) != ["h", "r", "t"]:
        raise InputError(f"the order {order!r} is no order of h, r and t", remedy="use 'hrt', 'rht' or the like")
    head, relation, tail = (order.index(letter) for letter in "hrt")
    words = [_HEADER_WORDS["hrt".index(letter)] for letter in order]
    comma = ".csv" in file.suffixes[-2:]
    separator: str | None = None
    begun = False
    try:
        with open_text(file) as stream:
            for number, line in enumerate(stream, start=1):
                line = line.rstrip("\r\n")
                if number == 1:
                    line = line.removeprefix("\ufeff")
                if not line.strip() or (_COMMENT.match(line) and not (begun and comma and _three_with_commas(line))):
                    continue
                if not begun:
                    # KZSL's .csv files are apart by tabs, whatever they are called.
                    separator = "\t" if "\t" in line else "," if comma else None
                first, begun = not begun, True
                # Of commas some may stand within quotation marks.
                cells = next(csv.reader([line], skipinitialspace=True)) if separator == "," else line.split(separator)
                fields = [field.strip() for field in cells]
                if len(fields) != 3 or not all(fields):
                    raise InputError(
                        f"{len(fields)} field(s) instead of head, relation, tail: {line[:60]!r}",
                        file=file,
                        place=f"line {number}",
                        remedy=f"separate the three by {'commas' if separator == ',' else 'tabs'}",
                    )
                if first and all(field.lower() in known for field, known in zip(fields, words, strict=True)):
                    continue
                yield fields[head], fields[relation], fields[tail]
    except UnicodeDecodeError as error:
        raise InputError(f"this is not UTF-8 text ({error})", file=file, remedy="convert it to UTF-8") from error
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise InputError("there is no such file", file=file, remedy="check the path") from error
        raise InputError(f"damaged or cut short ({error})", file=file, remedy="download or copy it again") from error


def open_text(file: Path) -> IO[str]:
    """A text file, also one compressed with gzip, bzip2 or xz (by its ending), as UTF-8."""
    if file.suffix == ".gz":
        return cast(IO[str], gzip.open(file, "rt", encoding="utf-8"))
    if file.suffix == ".bz2":
        return cast(IO[str], bz2.open(file, "rt", encoding="utf-8"))
    if file.suffix == ".xz":
        return cast(IO[str], lzma.open(file, "rt", encoding="utf-8"))
    return file.open(encoding="utf-8")


def find_part(folder: Path, part: str) -> Path | None:
    """The file of ``"train"``, ``"valid"``, ``"test"`` or ``"support"`` in a folder, or None."""
    return next((file for stem in _NAMES[part] if (file := find_file(folder, stem)) is not None), None)


def find_file(folder: Path, stem: str) -> Path | None:
    """The file of triples called ``stem`` in a folder, with any ending that is read, or None."""
    return next((file for ending in ENDINGS if (file := folder / f"{stem}.{ending}").is_file()), None)


def _given_or_found(base: Path, part: str, given: str | None) -> Path | None:
    if given is None:
        return find_part(base, part)
    if not (base / given).is_file():
        raise InputError("there is no such file", file=base / given, remedy=f"check the name of the {part} file")
    return base / given
