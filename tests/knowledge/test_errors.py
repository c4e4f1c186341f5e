"""Bad and hostile input: refused or bounded, in one line that names file, place and remedy."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from kgzsl import ClassGraph, InputError
from kgzsl.knowledge.readers import ReadOptions, read_triples

RDF = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e/">'
BOMB = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))

CASES: dict[str, tuple[str, bytes, str, str, str]] = {
    # name: (file, content, place, problem, remedy)
    "truncated turtle": (
        "a.ttl",
        b"@prefix : <http://a/> .\n:a :b ",
        "line 2, column 7",
        "ends in the middle",
        "fetch it",
    ),
    "broken turtle": (
        "a.ttl",
        b"@prefix : <http://a/> .\n:a :b , :c .",
        "line 2, column 7",
        "not well-formed",
        "correct",
    ),
    "not utf-8": ("a.ttl", b'@prefix : <http://a/> .\n:a :b "\xff" .', "line 2, column 8", "not valid UTF-8", "iconv"),
    "iri with spaces": ("a.nt", b"<http://a/x y> <http://a/p> <http://a/z> .\n", "line 1", "IRI", "lenient=True"),
    "rdf/xml against its grammar": (
        "a.owl",
        f'{RDF}\n<rdf:Description e:p="a\nb"/>\n<rdf:Description rdf:ID="1 2"/></rdf:RDF>'.encode(),
        "",
        "not well-formed rdf/xml",
        "correct that place",
    ),
    "two hyphens in a comment": (
        "a.owl",
        f"<?xml version='1.0'?>\n{RDF}\n<!-- a -- b -->\n</rdf:RDF>".encode(),
        "line 3, column 10",  # expat points behind the hyphens
        "not well-formed XML",
        "two hyphens",
    ),
    "truncated xml": ("a.owl", f"{RDF}\n<rdf:Description>".encode(), "line 2", "no element found", "cut off"),
    "external entity": (
        "a.owl",
        f'<!DOCTYPE r [\n<!ENTITY x SYSTEM "file:///etc/passwd">]>{RDF}</rdf:RDF>'.encode(),
        "line 2",
        "lies outside the file",
        "remove it",
    ),
    "external document type": (
        "a.owl",
        f'<!DOCTYPE r SYSTEM "http://example.org/x.dtd">{RDF}</rdf:RDF>'.encode(),
        "line 1",
        "nothing is fetched",
        "SYSTEM",
    ),
    "entity bomb": (
        "a.owl",
        f'<!DOCTYPE r [<!ENTITY e0 "{"a" * 100}">{BOMB}]>{RDF}<e:x>&e9;</e:x></rdf:RDF>'.encode(),
        "line 1",
        "entity bomb",
        "do not use",
    ),
    "unknown encoding": ("a.owl", b'<?xml version="1.0" encoding="klingon"?><a/>', "", "'klingon'", "UTF-8"),
    "broken json": ("a.jsonld", b'{"@id": ', "line 1", "json-ld", ""),
    "json that is no json-ld": ("a.json", b'{"a": 1}', "", "no JSON-LD", "ontology"),
    "too few columns": ("a.tsv", b"a\tb\tc\na\tb\n", "line 2", "2 columns where 3", "columns="),
    "two columns": ("a.txt", b"parent child\n", "line 1", "name no relation", "rdfs:subClassOf"),
    "no table": ("a.txt", b"hello\n", "line 1", "does not look like a table", "format="),
    "table not utf-8": ("a.csv", b"a,b,c\n\xff,b,c\n", "line 2, byte 1", "not valid UTF-8", "iconv"),
    "weight that is no number": ("a.tsv", b"s\tr\to\tweight\na\tb\tc\tmuch\n", "line 2", "'much'", "ignore"),
    "empty": ("a.ttl", b"", "", "empty", "fetch"),
    "no triples": ("a.ttl", b"@prefix : <http://a/> .\n", "", "no triple", "statements"),
    "unknown suffix": ("a.xyz", b"\x00\x01", "", "not known", "format="),
    "arrays": ("a.npz", b"PK\x03\x04", "", "holds arrays, not a saved class graph", "ClassPriors.read"),
    "pickle": ("a.pkl", b"\x80\x04.", "", "unpickled", "export"),
    "broken gzip": (
        "a.nt.gz",
        gzip.compress(b"<http://a/a> <http://a/b> <http://a/c> .\n" * 99)[:60],
        "",
        "broken",
        "again",
    ),
    "broken zstd": ("a.nt.zst", b"(\xb5/\xfd\x04\x00hello", "", "broken", "again"),
    "not zstd": ("a.nt.zst", b"hello", "", "broken", "again"),
    "not xz": ("a.nt.xz", b"hello", "", "broken", "again"),
    "not bz2": ("a.nt.bz2", b"hello", "", "broken", "again"),
    "not gzip": ("a.nt.gz", b"hello", "", "broken", "again"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_names_file_place_and_remedy(name: str, tmp_path: Path) -> None:
    file, content, place, problem, remedy = CASES[name]
    path = tmp_path / file
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        ClassGraph.read(path)
    message = str(caught.value)
    assert str(path) in message
    assert place in message
    assert problem.lower() in message.lower()
    assert remedy in message
    assert "\n" not in message


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.ttl: there is no such file"):
        ClassGraph.read(tmp_path / "nowhere.ttl")


def test_folder_without_triples(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(InputError, match=r"holds no triples.*readme\.txt"):
        ClassGraph.read(tmp_path)


def test_unknown_format_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "a.ttl").write_text("")
    with pytest.raises(InputError, match="did you mean turtle"):
        ClassGraph.read(tmp_path / "a.ttl", format="turtel")


def test_object_that_is_no_graph() -> None:
    with pytest.raises(InputError, match="from int"):
        ClassGraph.read(3)


def test_entities_of_owl_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.owl"
    path.write_text(
        f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e "http://e/">]>{RDF}'
        '<rdf:Description rdf:about="&e;a"><e:p rdf:resource="&e;b"/></rdf:Description></rdf:RDF>'
    )
    assert set(ClassGraph.read(path).iris) == {"http://e/a", "http://e/b"}


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "utf-8-sig"])
def test_xml_in_other_encodings(encoding: str, tmp_path: Path) -> None:
    declared = encoding.removesuffix("-sig")
    path = tmp_path / "a.owl"
    path.write_bytes(
        (
            f'<?xml version="1.0" encoding="{declared}"?>{RDF}'
            '<rdf:Description rdf:about="http://e/café"><e:p rdf:resource="http://e/b"/></rdf:Description></rdf:RDF>'
        ).encode(encoding)
    )
    assert "http://e/café" in ClassGraph.read(path).iris


def test_line_breaks_in_xml_attributes_are_spaces_and_lines_are_still_right(tmp_path: Path) -> None:
    path = tmp_path / "a.owl"
    text = f'{RDF}\n<rdf:Description rdf:about="http://e/a"\n e:p="one\ntwo\r\nthree\tfour" e:q=\'"\n>\'>'
    text += '\n<!-- e:p="x\ny" -->'
    text += '<e:text>a="b\nc"</e:text>\n</rdf:Description>\n'
    path.write_text(text + "</rdf:RDF>", newline="")
    triples = read_triples(path, None, ReadOptions()).triples
    values = {term.partition("\0")[2] for term in triples.terms if "\0" in term}
    # XML 1.0: in an attribute each break or tab is one space (CR LF counts as one break), in an element it stays.
    assert values == {"one two three four", '" >', 'a="b\nc"'}
    bad = text + '<rdf:Description rdf:about="http://e/ a"/></rdf:RDF>'
    path.write_text(bad, newline="")
    line = bad[: bad.index("http://e/ a")].count("\n") + 1
    with pytest.raises(InputError, match=rf"line {line}: an IRI is not valid"):
        ClassGraph.read(path)


def test_iri_with_spaces_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.nt"
    path.write_text("<http://a/x y> <http://a/p> <http://a/z> .\n")
    graph = ClassGraph.read(path, lenient=True)
    assert "http://a/x y" in graph.iris
    assert "without a check" in graph.account.notes[0]


def test_byte_budget(tmp_path: Path) -> None:
    path = tmp_path / "a.nt"
    path.write_text("<http://a/a> <http://a/b> <http://a/c> .\n" * 1000)
    with pytest.raises(InputError, match="budget of 1,000 bytes"):
        ClassGraph.read(path, max_bytes=1000)


def test_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.ttl"
    path.write_text("")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(InputError, match="permission"):
        ClassGraph.read(path)


HOSTILE = {
    "zip bomb": """
with gzip.open(path, "wb", compresslevel=6) as file:
    line = b"# " + b" " * 1022 + b"\\n"
    for _ in range(600):
        file.write(line * 1024)
""",
    "xz bomb": """
import lzma
with lzma.open(path, "wb", preset=1) as file:
    line = b"# " + b" " * 1022 + b"\\n"
    for _ in range(600):
        file.write(line * 1024)
""",
    "zst bomb": """
import pyarrow
path.write_bytes(pyarrow.Codec("zstd").compress(b" " * (400 * 2**20), asbytes=True))
""",
    "bz2 bomb": """
import bz2
one = bz2.compress((b"# " + b" " * 1021 + b"\\n") * 2**16)
path.write_bytes(one * 20)
""",
    "100 MB n-triples literal": """
path.write_bytes(b"<http://a/s> <http://a/p> <http://a/o> .\\n<http://a/s> <http://a/p> \\"" + b"a" * 10**8 + b"\\" .")
""",
    "100 MB n-quads literal": """
path.write_bytes(b'<http://a/s> <http://a/p> "' + b"a" * 10**8 + b'" <http://a/g> .')
""",
    "100 MB json-ld literal": """
path.write_bytes(b'{"@id":"http://a/s","http://a/p":"' + b"a" * 10**8 + b'"}')
""",
    "100 MB json-ld escapes": """
path.write_bytes(b'{"@id":"http://a/s","http://a/p":"' + b"\\\\u00e9" * (10**8 // 6) + b'"}')
""",
    "100 MB xml attribute": """
path.write_bytes(RDF + b'<rdf:Description e:p="' + b"a" * 10**8 + b'"/></rdf:RDF>')
""",
    "100 MB xml comment": """
path.write_bytes(RDF + b"<!-- " + b"a" * 10**8 + b" --></rdf:RDF>")
""",
    "100 MB owl/xml attribute": """
path.write_bytes(b'<Ontology xmlns="http://www.w3.org/2002/07/owl#" a="' + b"a" * 10**8 + b'"/>')
""",
    "100 MB csv cell": 'path.write_bytes(b"a,b,c\\nd,e,\\"" + b"f" * 10**8 + b"\\"")',
    "csv cell without an end": 'path.write_bytes(b"a,b,c\\nd,e,\\"" + b"f\\n" * (5 * 10**7))',
    "100 MB wordnet line": 'path.write_bytes(b"00001740 03 n 01 entity 0 000 | " + b"a" * 10**8)',
    "100 MB conceptnet line": """
path.write_bytes(b'/a\\t/r/IsA\\t/c/en/cat\\t/c/en/animal\\t{"weight": 1.0, "text": "' + b"a" * 10**8 + b'"}')
""",
    "deep conceptnet": """
path.write_bytes(b'/a\\t/r/IsA\\t/c/en/cat\\t/c/en/animal\\t{"weight": ' + b"[" * 10**6 + b"]" * 10**6 + b"}")
""",
    "100 MB obo graph literal": """
path.write_bytes(b'{"graphs": [{"nodes": [{"id": "http://a/A", "lbl": "' + b"a" * 10**8 + b'"}]}]}')
""",
    "wide obo graph": """
path.write_bytes(b'{"graphs": [{"nodes": [' + b"[]," * (3 * 10**7) + b"[]]}]}")
""",
    "deep turtle": """
deep = b"[ <http://a/p> " * 10**6 + b"<http://a/o>" + b"]" * 10**6
path.write_bytes(b"<http://a/s> <http://a/p> " + deep + b" .")
""",
    "deep collection": 'path.write_bytes(b"<http://a/s> <http://a/p> " + b"(" * 10**6 + b")" * 10**6 + b" .")',
    "deep json": """
path.write_bytes(b'{"@id":"http://a/s","http://a/p":' + b'{"http://a/p":' * 10**6 + b"1" + b"}" * 10**6 + b"}")
""",
    "deep xml": f"path.write_bytes(b'{RDF}' + b'<e:a><e:b>' * 10**6)",
    "100 MB literal": 'path.write_bytes(b"<http://a/s> <http://a/p> \\"" + b"a" * 10**8 + b"\\" .")',
    "100 MB xml literal": """
path.write_bytes(b"<?xml version='1.0'?>" + RDF + b"<rdf:Description><e:p>" + b"a" * 10**8
    + b"</e:p></rdf:Description></rdf:RDF>")
""",
    "100 MB cell": 'path.write_bytes(b"a\\tb\\t" + b"c" * 10**8)',
    "deep functional syntax": """
path.write_bytes(b"Ontology(<http://a/o> SubClassOf(" + b"ObjectComplementOf(" * 10**6 + b")" * 10**6 + b" <http://a/A>))")
""",
    "deep functional syntax in a text": """
path.write_bytes(b'Ontology(<http://a/o> AnnotationAssertion(<http://a/p> <http://a/A> "' + b"(" * 10**7 + b'"))')
""",
    "deep manchester": """
path.write_bytes(b"Ontology: <http://a/o>\\nClass: <http://a/A>\\n SubClassOf: " + b"not (" * 10**6 + b")" * 10**6)
""",
    "deep owl/xml": """
path.write_bytes(b'<Ontology xmlns="http://www.w3.org/2002/07/owl#">' + b"<ObjectComplementOf>" * 10**6)
""",
    "100 MB functional literal": """
path.write_bytes(b'Ontology(<http://a/o> AnnotationAssertion(<http://a/p> <http://a/A> "' + b"a" * 10**8 + b'"))')
""",
    "entity bomb in owl/xml": """
lines = [f'<!ENTITY e{i} "' + f"&e{i-1};" * 10 + '">' for i in range(1, 30)]
path.write_text('<!DOCTYPE O [<!ENTITY e0 "aaaaaaaaaa">' + "".join(lines)
    + ']><Ontology xmlns="http://www.w3.org/2002/07/owl#">&e29;</Ontology>')
""",
    "100 MB obo line": """
path.write_bytes(b"format-version: 1.4\\n\\n[Term]\\nid: A:1\\nname: " + b"a" * 10**8)
""",
    "endless obo line": """
path.write_bytes(b"format-version: 1.4\\n\\n[Term]\\nid: A:1\\nname: a" + b" \\\\\\n" * 10**7)
""",
    "obo with a million marks": """
path.write_bytes(b'format-version: 1.4\\n\\n[Term]\\nid: A:1\\ndef: "'
    + b'\\\\"' * 10**6 + b'" [' + b'a"' * 10**6 + b"]")
""",
    "obo qualifiers": """
path.write_bytes(b"format-version: 1.4\\n\\n[Term]\\nid: A:1\\nis_a: A:2 {" + b"a=b{" * 10**6 + b"}")
""",
    "deep obo graph": """
path.write_bytes(b'{"graphs": ' + b"[" * 10**6 + b"]" * 10**6 + b"}")
""",
    "entity bomb": """
lines = [f'<!ENTITY e{i} "' + f"&e{i-1};" * 10 + '">' for i in range(1, 30)]
path.write_text('<!DOCTYPE r [<!ENTITY e0 "aaaaaaaaaa">' + "".join(lines) + ']><r>&e29;</r>')
""",
}
SUFFIX = {
    "zip bomb": "nt.gz",
    "xz bomb": "nt.xz",
    "bz2 bomb": "nt.bz2",
    "100 MB n-triples literal": "nt",
    "100 MB n-quads literal": "nq",
    "100 MB json-ld literal": "jsonld",
    "100 MB json-ld escapes": "jsonld",
    "100 MB xml attribute": "owl",
    "100 MB xml comment": "owl",
    "100 MB owl/xml attribute": "owx",
    "100 MB csv cell": "csv",
    "csv cell without an end": "csv",
    "100 MB obo graph literal": "json",
    "wide obo graph": "json",
    "zst bomb": "nt.zst",
    "deep json": "jsonld",
    "deep xml": "owl",
    "100 MB xml literal": "owl",
    "entity bomb": "owl",
    "deep functional syntax": "ofn",
    "deep functional syntax in a text": "ofn",
    "deep manchester": "omn",
    "deep owl/xml": "owx",
    "100 MB functional literal": "ofn",
    "entity bomb in owl/xml": "owx",
    "100 MB obo line": "obo",
    "endless obo line": "obo",
    "obo with a million marks": "obo",
    "obo qualifiers": "obo",
    "deep obo graph": "json",
    "100 MB cell": "tsv",
}
FILES = {
    "100 MB wordnet line": "data.noun",
    "100 MB conceptnet line": "conceptnet-assertions.csv",
    "deep conceptnet": "conceptnet-assertions.csv",
}
CHILD = """
import gzip, resource, sys, time
from pathlib import Path
path = Path(sys.argv[1])
RDF = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e/">'
{make}
import kgzsl
start = time.process_time()
try:
    graph = kgzsl.ClassGraph.read(path)
    print("read", graph.account.balanced)
except kgzsl.InputError as error:
    print("refused", str(error)[:300])
print(time.process_time() - start)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_bounded(name: str, tmp_path: Path) -> None:
    path = tmp_path / FILES.get(name, f"hostile.{SUFFIX.get(name, 'ttl')}")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (30, 30))

    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(make=HOSTILE[name]), str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=limit,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said, seconds, megabytes = done.stdout.strip().splitlines()
    assert said.startswith(("refused", "read True"))
    assert float(seconds) < 10  # the bound that the project promises: no hang
    assert float(megabytes) < 1024


def test_read_triples_closes_its_file_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.ttl"
    path.write_text("broken")
    with pytest.raises(InputError):
        read_triples(path, None, ReadOptions())
    path.unlink()
    assert not path.exists()
