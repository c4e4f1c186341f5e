"""Write an OWL ontology of Latin letters from the Unicode database in Python's ``unicodedata``.

    python examples/ontology_import/unicode_characters.py --out ontologies/latin_characters.ttl

Each letter becomes a class: which letters of the alphabet are in it, in which case, which marks it bears and where they
sit. The output depends on the letters alone, so that the same letters give the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from kgzsl._files import atomic_text
from kgzsl.datasets.latin_characters import IRI, drawn_letters
from kgzsl.datasets.latin_letters import Letter, Mark
from kgzsl.errors import InputError

HEADER = f"""\
# Latin letters, described by the Unicode Character Database.
# Written by examples/ontology_import/unicode_characters.py; do not edit by hand.
@prefix : <{IRI}> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix dcterms: <http://purl.org/dc/terms/> .

<{IRI.rstrip("#")}> a owl:Ontology ;
    rdfs:label "Latin letters"@en ;
    dcterms:title "Latin letters and their marks"@en ;
    dcterms:description "Letters of the Latin script: base letters, case, marks and the places of marks."@en ;
    dcterms:source <https://www.unicode.org/ucd/> ;
    dcterms:license <https://www.unicode.org/license.txt> .
"""

SCHEMA = """
### Kinds of things

:LatinLetter a owl:Class ;
    rdfs:label "Latin letter"@en ;
    rdfs:comment "A letter of the Latin script as one character."@en .

:Alphabetic a owl:Class ;
    rdfs:label "letter of the alphabet"@en ;
    rdfs:comment "A letter of the alphabet regardless of case and marks."@en .

:BaseForm a owl:Class ;
    rdfs:label "base form"@en ;
    rdfs:comment "The shape of a letter of the alphabet in one case, without marks."@en .

:Mark a owl:Class ;
    rdfs:label "mark"@en ;
    rdfs:comment "Something added to the base form of a letter."@en .

:MarkShape a owl:Class ;
    rdfs:label "shape of a mark"@en ;
    rdfs:comment "What a mark looks like, wherever it sits."@en .

:Place a owl:Class ;
    rdfs:label "place of a mark"@en ;
    rdfs:comment "Where a mark sits on a letter."@en .

:Case a owl:Class ;
    rdfs:label "case"@en ;
    rdfs:comment "Capital or small."@en .

:Capital rdfs:subClassOf :Case ; a owl:Class ; rdfs:label "capital"@en ; owl:disjointWith :Small .

:Small rdfs:subClassOf :Case ; a owl:Class ; rdfs:label "small"@en .

[] a owl:AllDisjointClasses ;
    owl:members ( :LatinLetter :Alphabetic :BaseForm :Mark :MarkShape :Place :Case ) .

### Properties

:contains a owl:ObjectProperty ;
    rdfs:label "contains"@en ;
    rdfs:comment "The letter of the alphabet that a letter is a form of; a ligature contains two."@en ;
    rdfs:domain :LatinLetter ;
    rdfs:range :Alphabetic .

:hasBase a owl:ObjectProperty ;
    rdfs:label "has base"@en ;
    rdfs:comment "The shape to which the marks of a letter are added."@en ;
    rdfs:domain :LatinLetter ;
    rdfs:range :BaseForm .

:hasCase a owl:ObjectProperty, owl:FunctionalProperty ;
    rdfs:label "has case"@en ;
    rdfs:comment "Whether a letter is capital or small."@en ;
    rdfs:domain :LatinLetter ;
    rdfs:range :Case .

:hasMark a owl:ObjectProperty ;
    rdfs:label "has mark"@en ;
    rdfs:comment "A mark that a letter bears."@en ;
    rdfs:domain :LatinLetter ;
    rdfs:range :Mark .

:hasMarkShape a owl:ObjectProperty ;
    rdfs:label "has mark of shape"@en ;
    rdfs:comment "The shape of a mark that a letter bears."@en ;
    rdfs:domain :LatinLetter ;
    rdfs:range :MarkShape .

:markPosition a owl:ObjectProperty ;
    rdfs:label "mark position"@en ;
    rdfs:comment "The place of a mark that a letter bears."@en ;
    rdfs:domain :LatinLetter ;
    rdfs:range :Place .

:shape a owl:ObjectProperty, owl:FunctionalProperty ;
    rdfs:label "shape"@en ;
    rdfs:comment "The shape of a mark."@en ;
    rdfs:domain :Mark ;
    rdfs:range :MarkShape .

:place a owl:ObjectProperty, owl:FunctionalProperty ;
    rdfs:label "place"@en ;
    rdfs:comment "The place of a mark."@en ;
    rdfs:domain :Mark ;
    rdfs:range :Place .

:hasMarkShape owl:propertyChainAxiom ( :hasMark :shape ) .

:markPosition owl:propertyChainAxiom ( :hasMark :place ) .

### Groups of letters

:CapitalLetter a owl:Class ;
    rdfs:label "Latin capital letter"@en ;
    rdfs:subClassOf :LatinLetter , [ a owl:Restriction ; owl:onProperty :hasCase ; owl:someValuesFrom :Capital ] ;
    owl:disjointWith :SmallLetter .

:SmallLetter a owl:Class ;
    rdfs:label "Latin small letter"@en ;
    rdfs:subClassOf :LatinLetter , [ a owl:Restriction ; owl:onProperty :hasCase ; owl:someValuesFrom :Small ] .

:MarkedLetter a owl:Class ;
    rdfs:label "letter with a mark"@en ;
    owl:equivalentClass [ a owl:Class ; owl:intersectionOf ( :LatinLetter
        [ a owl:Restriction ; owl:onProperty :hasMark ; owl:someValuesFrom :Mark ] ) ] ;
    rdfs:subClassOf :LatinLetter .

:PlainLetter a owl:Class ;
    rdfs:label "letter without a mark"@en ;
    rdfs:subClassOf :LatinLetter ;
    owl:disjointWith :MarkedLetter .

:Ligature a owl:Class ;
    rdfs:label "ligature"@en ;
    rdfs:comment "A letter that joins two letters of the alphabet."@en ;
    rdfs:subClassOf :LatinLetter .

:DotlessLetter a owl:Class ;
    rdfs:label "dotless letter"@en ;
    rdfs:comment "A small letter i or j whose dot is missing."@en ;
    rdfs:subClassOf :SmallLetter .
"""

PLACE_WORDS = {
    "above": "above it",
    "below": "below it",
    "attached below": "attached to it below",
    "attached above right": "attached to it above on the right",
    "through": "through it",
    "attached": "attached to it",
}


def local(words: str) -> str:
    """The end of an IRI from words: ``"acute accent"`` becomes ``"AcuteAccent"``."""
    return words.title().replace(" ", "")


def some(prop: str, filler: str) -> str:
    """An existential restriction in Turtle."""
    return f"[ a owl:Restriction ; owl:onProperty :{prop} ; owl:someValuesFrom :{filler} ]"


def sentence(letter: Letter) -> str:
    """A description of the letter in words, as its comment."""
    base = " and ".join(item if letter.case == "capital" else item.lower() for item in letter.bases)
    if letter.is_ligature:
        text = f"The {letter.case} letters {base} joined"
    else:
        text = f"The {letter.case} letter {base}"
    if letter.dotless:
        text += " without its dot"
    marks = []
    for mark in letter.marks:
        article = "an" if mark.shape[0] in "aeio" else "a"
        marks.append(f"{article} {mark.shape} {PLACE_WORDS[mark.place]}")
    return text + (f", with {' and '.join(marks)}." if marks else ".")


def mark_name(mark: Mark) -> str:
    """The end of a mark's IRI. Its place is in its name, so that it differs from its shape."""
    return local(mark.name if mark.name != mark.shape else f"{mark.name} mark")


def parts(letters: Iterable[Letter]) -> Iterator[str]:
    """The classes that letters are described with: alphabet, base forms, shapes, places and marks."""
    letters = tuple(letters)
    yield "\n### Letters of the alphabet and their base forms\n"
    for base in sorted({base for letter in letters for base in letter.bases}):
        yield f':Letter{base} a owl:Class ; rdfs:subClassOf :Alphabetic ; rdfs:label "letter {base}"@en .'
    for case, base in sorted({(letter.case, base) for letter in letters for base in letter.bases}):
        shown = base if case == "capital" else base.lower()
        yield (
            f":Base{case.title()}{base} a owl:Class ; rdfs:subClassOf :BaseForm ; "
            f'rdfs:label "base form of {case} {shown}"@en .'
        )
    marks = sorted({mark for letter in letters for mark in letter.marks})
    yield "\n### Marks, their shapes and their places\n"
    for shape in sorted({mark.shape for mark in marks}):
        yield f':{local(shape)} a owl:Class ; rdfs:subClassOf :MarkShape ; rdfs:label "{shape}"@en .'
    for place in sorted({mark.place for mark in marks}):
        yield f':{local(place)} a owl:Class ; rdfs:subClassOf :Place ; rdfs:label "{place}"@en .'
    for mark in marks:
        yield (
            f':{mark_name(mark)} a owl:Class ; rdfs:label "{mark.name}"@en ;\n'
            f"    rdfs:subClassOf :Mark , {some('shape', local(mark.shape))} , {some('place', local(mark.place))} ."
        )


def letter_axioms(letter: Letter) -> str:
    """One letter as a class."""
    parents = [f":{letter.case.title()}Letter", ":MarkedLetter" if letter.marks else ":PlainLetter"]
    if letter.is_ligature:
        parents.append(":Ligature")
    if letter.dotless:
        parents.append(":DotlessLetter")
    facts = [some("hasCase", letter.case.title())]
    facts += [some("contains", f"Letter{base}") for base in letter.bases]
    facts += [some("hasBase", f"Base{letter.case.title()}{base}") for base in letter.bases]
    facts += [some("hasMark", mark_name(mark)) for mark in letter.marks]
    facts += [some("hasMarkShape", shape) for shape in sorted({local(mark.shape) for mark in letter.marks})]
    facts += [some("markPosition", place) for place in sorted({local(mark.place) for mark in letter.marks})]
    separator = " ,\n        "
    return (
        f":{letter.local_name} a owl:Class ;\n"
        f'    rdfs:label "{letter.name}"@en ;\n'
        f'    rdfs:comment "{sentence(letter)}"@en ;\n'
        f'    skos:notation "{letter.codepoint}" ;\n'
        f'    skos:altLabel "{letter.character}" ;\n'
        f"    rdfs:subClassOf {separator.join([' , '.join(parents), *facts])} .\n"
    )


def ontology(letters: Iterable[Letter]) -> str:
    """The whole ontology in Turtle."""
    letters = tuple(letters)
    body = [HEADER, SCHEMA, *parts(letters), "\n### Letters\n", *(letter_axioms(letter) for letter in letters)]
    return "\n".join(body)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("latin_characters.ttl"), help="file to write")
    options = parser.parse_args(arguments)
    letters = drawn_letters()
    try:
        atomic_text(options.out, ontology(letters))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {len(letters)} letters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
