"""What each clause of an OBO stanza says in OWL."""

from __future__ import annotations

from pathlib import Path

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.obo_lines import OboLine, Stanza, split_quoted, unescape, xrefs
from kgzsl.knowledge.readers.obo_names import OboNames
from kgzsl.knowledge.readers.owl_emit import Note, OwlEmitter
from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import OBO, OBO_IN_OWL, OWL, RDFS, SUBCLASS_OF, SUBPROPERTY_OF, XSD

__all__ = ["OboClauses"]

_KINDS = {"Term": "Class", "Typedef": "ObjectProperty", "Instance": "NamedIndividual"}
_TEXTS = {
    "name": RDFS + "label",
    "comment": RDFS + "comment",
    "namespace": OBO_IN_OWL + "hasOBONamespace",
    "created_by": OBO_IN_OWL + "created_by",
    "creation_date": OBO_IN_OWL + "creation_date",
    "consider": OBO_IN_OWL + "consider",
    "expand_expression_to": OBO + "IAO_0000424",
    "expand_assertion_to": OBO + "IAO_0000425",
}
_FLAGS = {
    "is_obsolete": OWL + "deprecated",
    "is_cyclic": OBO_IN_OWL + "is_cyclic",
    "is_anti_symmetric": OBO_IN_OWL + "is_anti_symmetric",
    "is_class_level": OBO_IN_OWL + "is_class_level",
}
_CHARACTERISTICS = {
    "is_transitive": "TransitiveProperty",
    "is_symmetric": "SymmetricProperty",
    "is_asymmetric": "AsymmetricProperty",
    "is_reflexive": "ReflexiveProperty",
    "is_functional": "FunctionalProperty",
    "is_inverse_functional": "InverseFunctionalProperty",
}
_SCOPES = {"EXACT": "Exact", "BROAD": "Broad", "NARROW": "Narrow", "RELATED": "Related"}
_OLD_SYNONYMS = {f"{scope.lower()}_synonym": scope for scope in _SCOPES}
_CARDINALITIES = {"cardinality": "exact", "minCardinality": "min", "min_cardinality": "min"} | {
    "maxCardinality": "max",
    "max_cardinality": "max",
}
_QUALIFIED = {"exact": "qualifiedCardinality", "min": "minQualifiedCardinality", "max": "maxQualifiedCardinality"}
_REASON = OBO + "IAO_0000231"
_MERGED = OBO + "IAO_0000227"
_REPLACED = OBO + "IAO_0100001"


class OboClauses:
    """Adds stanzas to a builder.

    Args:
        builder: Receives the triples.
        names: Expands identifiers.
        metadata: Relations that are annotation properties.
        path: For messages.
    """

    def __init__(self, builder: TripleBuilder, names: OboNames, metadata: set[str], path: Path) -> None:
        self.builder = builder
        self.out = OwlEmitter(builder)
        self.names = names
        self.metadata = metadata
        self.path = path
        self.left_out: list[str] = []

    def node(self, name: str) -> int:
        """The term of an identifier as written."""
        return self.out.iri(self.names(unescape(name.strip())))

    def stanza(self, stanza: Stanza) -> None:
        """All clauses of one stanza."""
        kind = _KINDS.get(stanza.kind)
        if kind is None:
            self.left_out.append(f"[{stanza.kind}]")
            return
        out, subject = self.out, self.out.iri(self.names(stanza.id))
        if stanza.kind == "Typedef" and stanza.id in self.metadata:
            kind = "AnnotationProperty"
        out.declare(subject, kind)
        out.add(subject, OBO_IN_OWL + "id", out.text(stanza.id))
        if stanza.id in self.names.shorthands:
            out.add(subject, OBO_IN_OWL + "shorthand", out.text(stanza.id))
        for line in stanza.lines:
            self._clause(stanza, subject, line)
        for tag in ("intersection_of", "union_of"):
            self._group(stanza, subject, tag)

    def _clause(self, stanza: Stanza, subject: int, line: OboLine) -> None:
        tag, value, out = line.tag, line.value, self.out
        if tag in _TEXTS:
            quoted = split_quoted(value) if tag.startswith("expand_") else None
            out.add(subject, _TEXTS[tag], out.text(unescape(value) if quoted is None else quoted[0]))
        elif tag == "def":
            text, rest = self._quoted(line)
            out.axiom(subject, OBO + "IAO_0000115", out.text(text), self._references(rest))
        elif tag == "synonym" or tag in _OLD_SYNONYMS:
            self._synonym(subject, line)
        elif tag == "xref" or tag.startswith("xref_"):
            self._xref(subject, value)
        elif tag == "alt_id":
            self._alternative(subject, stanza, unescape(value))
        elif tag == "subset":
            out.add(subject, OBO_IN_OWL + "inSubset", self.node(value))
        elif tag == "replaced_by":
            out.add(subject, _REPLACED, self.node(value))
        elif tag == "property_value":
            self.property_value(subject, line)
        elif tag in _FLAGS:
            if value == "true":
                out.add(subject, _FLAGS[tag], out.text("true", None, XSD + "boolean"))
                out.declare(out.iri(_FLAGS[tag]), "AnnotationProperty")
        elif tag not in ("intersection_of", "union_of", "is_metadata_tag"):
            self._logical(stanza, subject, line)

    def _logical(self, stanza: Stanza, subject: int, line: OboLine) -> None:
        tag, value, out = line.tag, line.value, self.out
        relation = stanza.kind == "Typedef"
        notes = self._line_notes(line)
        if tag == "is_a":
            out.axiom(subject, SUBPROPERTY_OF if relation else SUBCLASS_OF, self.node(value), notes)
        elif tag == "relationship":
            self._relationship(stanza, subject, line, notes)
        elif tag == "disjoint_from":
            out.axiom(subject, OWL + ("propertyDisjointWith" if relation else "disjointWith"), self.node(value), notes)
        elif tag == "equivalent_to":
            out.axiom(subject, OWL + ("equivalentProperty" if relation else "equivalentClass"), self.node(value), notes)
        elif tag == "instance_of":
            out.declare(subject, self.names(unescape(value)))
        elif tag in ("domain", "range"):
            out.add(subject, RDFS + tag, self.node(value))
        elif tag == "inverse_of":
            out.add(subject, OWL + "inverseOf", self.node(value))
        elif tag in _CHARACTERISTICS:
            if value == "true":
                out.declare(subject, _CHARACTERISTICS[tag])
        elif tag == "transitive_over":
            out.add(subject, OWL + "propertyChainAxiom", out.sequence([subject, self.node(value)]))
        elif tag in ("holds_over_chain", "equivalent_to_chain"):
            chain = [self.node(link) for link in value.split()]
            out.add(subject, OWL + "propertyChainAxiom", out.sequence(chain))
        else:
            self.left_out.append(tag)

    def _relationship(self, stanza: Stanza, subject: int, line: OboLine, notes: tuple[Note, ...]) -> None:
        name, target = self._pair(line)
        relation, object_ = self.node(name), self.node(target)
        if stanza.kind == "Instance" or unescape(name) in self.metadata:
            self.out.axiom(subject, self.names(unescape(name)), object_, notes)
        elif stanza.kind == "Typedef":
            self.left_out.append("relationship of a relation")
        else:
            self.out.below(subject, self._restriction(relation, object_, line), notes)

    def _restriction(self, relation: int, filler: int, line: OboLine) -> int:
        """``some`` by default; the qualifiers ``all_only``, ``cardinality`` and its kin ask for something else."""
        qualifiers = dict(line.qualifiers)
        for key, kind in _CARDINALITIES.items():
            if qualifiers.get(key, "").isdigit():
                number = self.out.number(int(qualifiers[key]))
                return self.out.restriction(relation, _QUALIFIED[kind], number, ("onClass", filler))
        if qualifiers.get("all_only") == "true":
            return self.out.restriction(relation, "allValuesFrom", filler)
        return self.out.some(relation, filler)

    def _group(self, stanza: Stanza, subject: int, tag: str) -> None:
        lines = [line for line in stanza.lines if line.tag == tag]
        if not lines:
            return
        if stanza.kind != "Term":
            self.left_out += [f"{tag} of a relation"] * len(lines)
            return
        parts = []
        for line in lines:
            names = line.value.split()
            if len(names) == 1:
                parts.append(self.node(names[0]))
            else:
                name, target = self._pair(line)
                parts.append(self._restriction(self.node(name), self.node(target), line))
        name = "intersectionOf" if tag == "intersection_of" else "unionOf"
        whole = parts[0] if len(parts) == 1 else self.out.listed(name, parts)
        self.out.add(subject, OWL + "equivalentClass", whole)

    def property_value(self, subject: int, line: OboLine) -> None:
        """``property_value: relation target`` or ``property_value: relation "text" datatype``."""
        name, _, rest = line.value.partition(" ")
        predicate = self.names(unescape(name))
        quoted = split_quoted(rest)
        if quoted is not None:
            text, datatype = quoted
            value = self.out.text(text, None, self.names(datatype) if datatype else None)
        elif rest.strip():
            value = self.node(rest.split()[0])
        else:
            raise self._bad(line, "a property_value has a relation and a value")
        self.out.axiom(subject, predicate, value, self._line_notes(line))

    def _synonym(self, subject: int, line: OboLine) -> None:
        text, rest = self._quoted(line)
        before, bracket, after = rest.partition("[")
        words = before.split()
        scope = _OLD_SYNONYMS.get(line.tag, "RELATED")
        if words and words[0] in _SCOPES:
            scope = words.pop(0)
        notes = self._references(bracket + after)
        if words:
            notes = (*notes, (self.out.iri(OBO_IN_OWL + "hasSynonymType"), self.node(words[0]), ()))
        self.out.axiom(subject, f"{OBO_IN_OWL}has{_SCOPES[scope]}Synonym", self.out.text(text), notes)

    def _xref(self, subject: int, value: str) -> None:
        name, _, rest = value.partition(' "')
        quoted = split_quoted(f'"{rest}') if rest else None
        notes = () if quoted is None else ((self.out.iri(RDFS + "label"), self.out.text(quoted[0]), ()),)
        self.out.axiom(subject, OBO_IN_OWL + "hasDbXref", self.out.text(unescape(name.strip())), notes)

    def _alternative(self, subject: int, stanza: Stanza, name: str) -> None:
        """The old identifier is a text of the new term, and a deprecated term of its own, as the OWL API has it."""
        out = self.out
        out.add(subject, OBO_IN_OWL + "hasAlternativeId", out.text(name))
        old = out.iri(self.names(name))
        out.declare(old, _KINDS[stanza.kind])
        out.add(old, OWL + "deprecated", out.text("true", None, XSD + "boolean"))
        out.add(old, _REPLACED, subject)
        out.add(old, _REASON, out.iri(_MERGED))

    def _references(self, text: str) -> tuple[Note, ...]:
        relation = self.out.iri(OBO_IN_OWL + "hasDbXref")
        return tuple((relation, self.out.text(name), ()) for name in xrefs(text))

    def _line_notes(self, line: OboLine) -> tuple[Note, ...]:
        """Qualifiers that are no cardinalities annotate the axiom."""
        shape = {*_CARDINALITIES, "all_only", "all_some"}
        return tuple(
            (self.out.iri(self.names(name) if ":" in name else OBO_IN_OWL + name), self.out.text(value), ())
            for name, value in line.qualifiers
            if name not in shape
        )

    def _pair(self, line: OboLine) -> tuple[str, str]:
        names = line.value.split()
        if len(names) < 2:
            raise self._bad(line, f"{line.tag} has a relation and a term")
        return names[0], names[1]

    def _quoted(self, line: OboLine) -> tuple[str, str]:
        found = split_quoted(line.value)
        if found is None:
            raise self._bad(line, f"the text of {line.tag} stands in quotation marks")
        return found

    def _bad(self, line: OboLine, rule: str) -> InputError:
        return InputError(
            f"{line.value[:60]!r} does not fit: {rule}",
            file=self.path,
            place=f"line {line.number}",
            remedy="correct the line (OBO 1.4 format)",
        )
