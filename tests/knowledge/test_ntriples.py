"""The fast way through N-Triples gives what the parser gives: the same triples, the same refusals, the same lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyoxigraph
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgzsl.errors import InputError
from kgzsl.knowledge.readers import ReadOptions, ntriples, read_triples
from kgzsl.knowledge.readers.rdf import intern_quads
from kgzsl.knowledge.triples import TripleBuilder, Triples

PLAIN = "<http://e.org/a> <http://e.org/p> <http://e.org/b> .\n"
LINES = [
    PLAIN,
    '<http://e.org/a> <http://e.org/p> "a text . with <signs> # and _:more" .\n',
    '<http://e.org/a> <http://e.org/p> "Käse"@de .\n',
    '<http://e.org/a> <http://e.org/p> "colour"@en-GB .\n',
    '<http://e.org/a> <http://e.org/p> "x"@EN .\n',
    '<http://e.org/a> <http://e.org/p> "x"@de-CH-1996 .\n',
    '<http://e.org/a> <http://e.org/p> "1"^^<http://www.w3.org/2001/XMLSchema#integer> .\n',
    '<http://e.org/a> <http://e.org/p> "1"^^<http://www.w3.org/2001/XMLSchema#string> .\n',
    '<http://e.org/a> <http://e.org/p> "a \\"quoted\\" text,\\na line, \\u00e9 and \\U0001F415" .\n',
    '<http://e.org/a> <http://e.org/p> "" .\n',
    "_:x <http://e.org/p> _:y.z .\n",
    "_:x <http://e.org/p> _:x .\n",
    "<http://e.org/a>\t<http://e.org/p>\t<http://e.org/b>.\n",
    "<http://e.org/a><http://e.org/p><http://e.org/b>.\n",
    "<http://e.org/a> <http://e.org/p> <http://e.org/b> . # a comment\n",
    "<http://e.org/a> <http://e.org/p> <http://e.org/b> .\r\n",
    "# a comment\n",
    "\n",
    "<http://e.org/\\u00e9> <http://e.org/p> <http://e.org/é> .\n",
    "<http://e.org/a> <http://e.org/says> <<( <http://e.org/a> <http://e.org/p> <http://e.org/b> )>> .\n",
]
BROKEN = [
    "<http://e.org/a b> <http://e.org/p> <http://e.org/b> .\n",
    "<relative> <http://e.org/p> <http://e.org/b> .\n",
    '"literal" <http://e.org/p> <http://e.org/b> .\n',
    "<http://e.org/a> _:p <http://e.org/b> .\n",
    '<http://e.org/a> "p" <http://e.org/b> .\n',
    "<http://e.org/a> <http://e.org/p> <http://e.org/b> <http://e.org/g> .\n",
    "<http://e.org/a> <http://e.org/p> .\n",
    '<http://e.org/a> <http://e.org/p> "x"@x-toolongatag .\n',
    '<http://e.org/a> <http://e.org/p> "x"^^<http://www.w3.org/1999/02/22-rdf-syntax-ns#langString> .\n',
    '<http://e.org/a> <http://e.org/p> "\\q" .\n',
    '<http://e.org/a> <http://e.org/p> "open .\n',
    '<http://e.org/a> <http://e.org/p> "two" "texts" .\n',
    "<http://e.org/a> <http://e.org/p> <http://e.org/%zz> .\n",
    "<http://e.org/a> <http://e.org/p> <http://e.org/b>\n",
    "junk <http://e.org/a> <http://e.org/p> <http://e.org/b> .\n",
]


def fast(path: Path) -> Triples:
    return read_triples(path, "n-triples", ReadOptions()).triples


def slow(data: bytes) -> Triples:
    builder = TripleBuilder()
    intern_quads(pyoxigraph.parse(data, pyoxigraph.RdfFormat.N_TRIPLES), builder)
    return builder.build()


def same(ours: Triples, theirs: Triples) -> None:
    assert ours.terms == theirs.terms
    for column in ("subjects", "predicates", "objects", "quoted"):
        np.testing.assert_array_equal(getattr(ours, column), getattr(theirs, column))
    assert (ours.num_iris, ours.num_blanks, ours.duplicates) == (theirs.num_iris, theirs.num_blanks, theirs.duplicates)


@given(lines=st.lists(st.sampled_from(LINES), min_size=1, max_size=12), chunk=st.integers(1, 400))
def test_any_mixture_of_lines(tmp_path_factory: pytest.TempPathFactory, lines: list[str], chunk: int) -> None:
    path = tmp_path_factory.mktemp("mixed") / "x.nt"
    path.write_bytes("".join(lines).encode())
    if not any(" <http" in line or "<<" in line for line in lines):
        return  # comments alone: no triple, which is another message
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ntriples, "_CHUNK", chunk)
        theirs = slow(path.read_bytes())
        if len(theirs):
            same(fast(path), theirs)


@pytest.mark.parametrize("line", BROKEN)
@pytest.mark.parametrize("before", [0, 1, 3000])
def test_refused_with_the_right_line(tmp_path: Path, line: str, before: int) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        slow((PLAIN + line + PLAIN).encode())
    path = tmp_path / "x.nt"
    path.write_text(PLAIN * before + line + PLAIN)
    with pytest.raises(InputError, match=rf"x\.nt, line ({before + 1}|{before + 2})\b"):
        fast(path)


def test_bytes_that_are_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "x.nt"
    path.write_bytes(PLAIN.encode() * 2 + b'<http://e.org/a> <http://e.org/p> "caf\xe9" .\n')
    with pytest.raises(InputError, match="line 3"):
        fast(path)


def test_plain_lines_never_meet_the_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.nt"
    path.write_text("".join(LINES[:10]) * 50)
    monkeypatch.setattr(
        "kgzsl.knowledge.readers.rdf.intern_quads", lambda *_, **__: pytest.fail("the parser was asked")
    )
    with pytest.raises(pytest.fail.Exception):
        fast(path)  # line 6 has a rare language tag
    path.write_text("".join(LINES[:5] + LINES[6:10]) * 50)
    assert len(fast(path)) == 9


def test_w3c_n_triples(data: Callable[[str], Path]) -> None:
    folder = data("ontologies/w3c/rdf-n-triples")
    seen = 0
    for path in sorted(folder.glob("**/*.nt")):
        raw = path.read_bytes()
        try:
            theirs = slow(raw)
        except (SyntaxError, ValueError):
            with pytest.raises(InputError):
                fast(path)
            continue
        if len(theirs):
            same(fast(path), theirs)
            seen += 1
    assert seen > 20
