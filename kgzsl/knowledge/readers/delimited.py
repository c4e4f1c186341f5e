"""Tables of triples: tab- or comma-separated, with or without a header, CURIEs and bare names."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.source import ByteSource
from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import PREFIXES, TEXT_PROPERTIES, WEIGHT, WELL_KNOWN_NAMES, XSD

__all__ = ["read_rows", "read_table", "term_reader"]

_HEADERS = {
    "subject": ("subject", "head", "h", "source", "s", "from", "src", "start"),
    "relation": ("relation", "predicate", "meta-relation", "property", "r", "p", "edge", "type", "rel", "label"),
    "object": ("object", "tail", "t", "target", "o", "to", "dst", "end"),
    "weight": ("weight", "value", "score", "w", "confidence"),
}
_ROLES = {name: role for role, names in _HEADERS.items() for name in names}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_NT_LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"(?:@([A-Za-z0-9-]+)|\^\^<?([^>\s]+)>?)?$', re.DOTALL)
_SAMPLE = 2000
_FIELD_LIMIT = 16 * 2**20


def read_table(source: ByteSource, format_name: str, builder: TripleBuilder, options: ReadOptions) -> None:
    """Read a table of triples into ``builder``.

    Names with a known prefix become IRIs, ``<...>`` and full IRIs are taken as they are, ``_:x`` is a blank node,
    and any other name is kept as it stands. The object of a text property (``rdfs:label`` ...) is a literal.

    Args:
        source: The bytes, UTF-8.
        format_name: ``tsv``, ``csv`` or ``table``; what separates the columns is found out by looking.
        builder: Receives the triples.
        options: header, columns, relation and prefixes are used.

    Raises:
        InputError: Not a table of triples; names the line.
    """
    del format_name
    rows = _rows(source)
    first = next(rows, None)
    if first is None:
        raise InputError("the file is empty", file=source.path, remedy="give a table with one triple a line")
    has_header = _is_header(first[1]) if options.header == "auto" else options.header
    table = _Table(source.path, "line", first[0], first[1], has_header, options)
    table.fill(rows if has_header else _chain([first], rows), builder, options)


def read_rows(header: Sequence[str], rows: Iterable[list[str]], builder: TripleBuilder, options: ReadOptions) -> None:
    """Read rows that are cut into cells already; see :func:`read_table`.

    Args:
        header: Names of the columns; where they do not tell what is what, the columns are told by their place.
        rows: The cells, as text.
        builder: Receives the triples.
        options: header, columns, relation and prefixes are used.

    Raises:
        InputError: Not a table of triples; names the row.
    """
    numbered = iter(enumerate(rows, 1))
    first = next(numbered, None)
    if first is None:
        raise InputError("the table is empty", remedy="give a table with one triple a row")
    named = _is_header(header)
    table = _Table(None, "row", first[0], header if named else first[1], named, options)
    table.fill(_chain([first], numbered), builder, options)


class _Table:
    """What the columns hold, and the rows into triples.

    Args:
        path: For messages.
        unit: What a row is called in messages.
        number: Of the first row.
        first: The header, or the first row.
        has_header: Which of the two it is.
        options: As the caller gave them.
    """

    def __init__(
        self,
        path: Path | None,
        unit: str,
        number: int,
        first: Sequence[str],
        has_header: bool,
        options: ReadOptions,
    ) -> None:
        self.path, self.unit = path, unit
        self.columns = _columns(number, first, has_header, options, path, unit)
        self.guessed = options.columns is None and not has_header

    def fill(self, rows: Iterator[tuple[int, list[str]]], builder: TripleBuilder, options: ReadOptions) -> None:
        """Append the triples of ``rows``."""
        if self.guessed:
            rows = self._in_order(rows)
        columns = self.columns
        term = term_reader(builder, {**PREFIXES, **options.prefixes})
        fixed = None if options.relation is None else term(options.relation, False)
        subject_at, object_at = columns.index("subject"), columns.index("object")
        relation_at = columns.index("relation") if "relation" in columns else -1
        weight_at = columns.index("weight") if "weight" in columns else -1
        width = len(columns)
        weight_code = builder.iri(WEIGHT) if weight_at >= 0 else 0
        reifies = builder.iri("http://www.w3.org/1999/02/22-rdf-syntax-ns#reifies") if weight_at >= 0 else 0
        literal_relations: dict[str, bool] = {}
        add = builder.add
        for number, row in rows:
            if len(row) != width:
                if not any(row):
                    continue
                raise InputError(
                    f"{len(row)} columns where {width} are expected: {_shorten(row)}",
                    file=self.path,
                    place=f"{self.unit} {number}",
                    remedy=f"put one triple on each {self.unit}, or say what the columns hold with columns=",
                )
            name = row[relation_at] if relation_at >= 0 else options.relation or ""
            is_text = literal_relations.get(name)
            if is_text is None:
                is_text = literal_relations[name] = _full(name, options) in TEXT_PROPERTIES
            if not row[subject_at] or not name or not (row[object_at] or is_text):
                if not any(row):
                    continue
                raise InputError(
                    f"a name is empty: {_shorten(row)}",
                    file=self.path,
                    place=f"{self.unit} {number}",
                    remedy="fill it in, or take the row out",
                )
            subject = term(row[subject_at], False)
            relation = term(name, False, relation=True) if fixed is None else fixed
            object_ = term(row[object_at], is_text)
            add(subject, relation, object_)
            if weight_at >= 0 and row[weight_at] != "":
                if not _NUMBER.match(row[weight_at]):
                    raise InputError(
                        f"the weight {row[weight_at]!r} is not a number",
                        file=self.path,
                        place=f"{self.unit} {number}",
                        remedy="give a number, or leave the column out with columns=(..., 'ignore')",
                    )
                statement = builder.blank(f"\0weight{number}")
                add(statement, reifies, builder.quote(subject, relation, object_))
                add(statement, weight_code, builder.literal(row[weight_at], None, XSD + "double"))

    def _in_order(self, rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
        """The rows; refused where head, tail, relation stand in this order, which would make a graph of nonsense."""
        sample = list(islice(rows, _SAMPLE))
        cells = [row for _, row in sample if len(row) == len(self.columns) and all(row)]
        heads, middle, last = ({row[place] for row in cells} for place in range(3))
        few = len(cells) >= 10 and len(middle) >= 4 * len(last)
        if few and not last & heads and len(middle & heads) >= 0.2 * len(middle):
            raise InputError(
                f"the middle column holds nodes, and the last one {len(last)} relations such as {min(last)!r}",
                file=self.path,
                remedy="give columns=('subject', 'object', 'relation'); or ('subject', 'relation', 'object') to insist",
            )
        return _chain(sample, rows)


def term_reader(builder: TripleBuilder, prefixes: dict[str, str]) -> Callable[..., int]:
    """A function from a name in a table to the code of its term."""
    iris = builder.iris
    seen: dict[str, int] = {}

    def term(name: str, is_text: bool, relation: bool = False) -> int:
        if is_text:
            return _text(name, builder)
        code = seen.get(name)
        if code is None:
            code = seen[name] = _name(name, relation)
        return code

    def _name(name: str, relation: bool) -> int:
        if name.startswith("_:"):
            return builder.blank(name[2:])
        if name.startswith("<") and name.endswith(">"):
            return iris[name[1:-1]]
        if name.startswith('"') and _NT_LITERAL.match(name):
            return _text(name, builder)
        prefix, colon, local = name.partition(":")
        if colon and prefix in prefixes and not local.startswith("//"):
            return iris[prefixes[prefix] + local]
        if relation and name in WELL_KNOWN_NAMES:
            return iris[WELL_KNOWN_NAMES[name]]
        return iris[name]

    return term


def _text(name: str, builder: TripleBuilder) -> int:
    found = _NT_LITERAL.match(name)
    if found is None:
        return builder.literal(name)
    value, language, datatype = found.groups()
    return builder.literal(value.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\"), language, datatype)


def _full(name: str, options: ReadOptions) -> str:
    prefix, colon, local = name.strip("<>").partition(":")
    expansion = options.prefixes.get(prefix, PREFIXES.get(prefix)) if colon else None
    return name.strip("<>") if expansion is None else expansion + local


def _rows(source: ByteSource) -> Iterator[tuple[int, list[str]]]:
    """(line number, fields) of every line; quotes mean what csv means by them where they surround a field."""
    lines = _text_lines(source)
    head = source.peek(1 << 14).decode("utf-8", errors="replace").splitlines()[:50]
    delimiter = _delimiter(head, source)
    if delimiter == " ":
        for number, line in enumerate(lines, 1):
            yield number, line.split()
        return
    if delimiter == "\t":
        for number, line in enumerate(lines, 1):
            fields = line[:-1].split("\t")
            yield number, [_unquote(field) for field in fields] if '"' in line else fields
        return
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(lines, delimiter=delimiter, strict=False)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(
            f"the table cannot be read ({error})",
            file=source.path,
            place=f"line {reader.line_num}",
            remedy="look for a quotation mark that is not closed",
        ) from error


def _unquote(field: str) -> str:
    """What csv.writer made of a field, undone; other quotation marks belong to the text."""
    if len(field) < 2 or not (field.startswith('"') and field.endswith('"')):
        return field
    inner = field[1:-1].replace('""', "\0")
    return field if '"' in inner else inner.replace("\0", '"')


def _text_lines(source: ByteSource) -> Iterator[str]:
    for number, raw in enumerate(source.lines(), 1):
        try:
            yield (raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw).decode("utf-8") + "\n"
        except UnicodeDecodeError as error:
            raise InputError(
                "the text is not valid UTF-8",
                file=source.path,
                place=f"line {number}, byte {error.start + 1}",
                remedy="save the file as UTF-8 (iconv -f latin1 -t utf-8 converts a Latin-1 file)",
            ) from error


def _delimiter(head: Sequence[str], source: ByteSource) -> str:
    filled = [line for line in head if line.strip()]
    for candidate in ("\t", ",", ";", " "):
        counts = {line.count(candidate) for line in filled if line.count(candidate)}
        if filled and counts and sum(candidate in line for line in filled) >= max(1, len(filled) - 1):
            if candidate == " " and counts - {1, 2}:
                continue
            return candidate
    raise InputError(
        "this does not look like a table: no tab, comma or semicolon separates columns",
        file=source.path,
        place="line 1",
        remedy="give one triple a line, subject<TAB>relation<TAB>object, or name the format with format=",
    )


def _is_header(row: Sequence[str]) -> bool:
    roles = [_ROLES.get(cell.strip().lower()) for cell in row]
    return "subject" in roles and "object" in roles and len(row) >= 2


def _columns(
    number: int, row: Sequence[str], has_header: bool, options: ReadOptions, path: Path | None, unit: str
) -> tuple[str, ...]:
    if options.columns is not None:
        if len(options.columns) != len(row):
            raise InputError(
                f"columns= names {len(options.columns)} columns, the file has {len(row)}: {_shorten(row)}",
                file=path,
                place=f"{unit} {number}",
                remedy="name every column; 'ignore' skips one",
            )
        return options.columns
    if has_header and _is_header(row):
        columns: list[str] = []
        for cell in row:
            role = _ROLES.get(cell.strip().lower(), "ignore")
            columns.append("ignore" if role in columns else role)
        if "relation" in columns or options.relation is not None:
            return tuple(columns)
    elif len(row) == 3:
        return ("subject", "relation", "object")
    elif len(row) == 4 and (has_header or _NUMBER.match(row[3])):
        return ("subject", "relation", "object", "weight")
    if len(row) == 2:
        problem = f"two columns name no relation: {_shorten(row)}"
        remedy = "say what they hold: columns=('object', 'subject'), relation='rdfs:subClassOf' reads parent child"
    else:
        problem = f"{len(row)} column{'s' if len(row) != 1 else ''} where a triple has three: {_shorten(row)}"
        remedy = "say what they hold, e.g. columns=('subject', 'relation', 'object', 'ignore')"
    raise InputError(problem, file=path, place=f"{unit} {number}", remedy=remedy)


def _shorten(row: Sequence[str]) -> str:
    text = " | ".join(row)
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _chain(
    first: Sequence[tuple[int, list[str]]], rest: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield from first
    yield from rest
