"""OBO 1.4 as OWL: stanzas to the triples that the OBO to OWL mapping gives."""

from __future__ import annotations

from collections import Counter

from kgzsl.errors import InputError
from kgzsl.knowledge.readers.obo_clauses import OboClauses
from kgzsl.knowledge.readers.obo_lines import Stanza, obo_stanzas, split_quoted, unescape
from kgzsl.knowledge.readers.obo_names import OboNames
from kgzsl.knowledge.readers.options import ReadOptions
from kgzsl.knowledge.readers.source import ByteSource
from kgzsl.knowledge.triples import TripleBuilder
from kgzsl.knowledge.vocabulary import OBO_IN_OWL, OWL, RDFS, SUBPROPERTY_OF

__all__ = ["read_obo"]

_HEADER_TEXTS = {
    "format-version": OBO_IN_OWL + "hasOBOFormatVersion",
    "date": OBO_IN_OWL + "date",
    "saved-by": OBO_IN_OWL + "savedBy",
    "auto-generated-by": OBO_IN_OWL + "auto-generated-by",
    "default-namespace": OBO_IN_OWL + "hasDefaultNamespace",
    "namespace-id-rule": OBO_IN_OWL + "NamespaceIdRule",
    "remark": RDFS + "comment",
}


def read_obo(source: ByteSource, format_name: str, builder: TripleBuilder, options: ReadOptions) -> None:
    """Read terms, relations and instances.

    ``GO:0000001`` becomes ``http://purl.obolibrary.org/obo/GO_0000001``, ``part_of`` the IRI of its RO or BFO
    reference, ``relationship: r T`` a subclass of "some r T", ``intersection_of`` an equivalent class, and so on, so
    that the graph is that of the ontology's .owl form. Clauses without a meaning in OWL are counted in a note.

    Args:
        source: The bytes, UTF-8.
        format_name: ``obo``.
        builder: Receives the triples.
        options: Passed on to the functional syntax that ``owl-axioms`` may hold.

    Raises:
        InputError: A line that is not OBO; names it.
    """
    del format_name
    stanzas = list(obo_stanzas(source))
    header, frames = stanzas[0], stanzas[1:]
    if not header.lines and not frames:
        raise InputError("the file holds no stanza", file=source.path, remedy="an OBO file begins with format-version:")
    names = OboNames(unescape(next(iter(header.values("ontology")), "")) or source.path.name.partition(".")[0])
    _learn(header, frames, names)
    metadata = {f.id for f in frames if f.kind == "Typedef" and "true" in f.values("is_metadata_tag")}
    clauses = OboClauses(builder, names, metadata, source.path)
    _header(header, clauses, options)
    for stanza in frames:
        clauses.stanza(stanza)
    if clauses.left_out:
        parts = ", ".join(f"{count} {tag}" for tag, count in sorted(Counter(clauses.left_out).items()))
        builder.notes.append(f"OBO clauses that say nothing in OWL were left out: {parts}")


def _learn(header: Stanza, frames: list[Stanza], names: OboNames) -> None:
    """Prefixes of the header, and the IRIs of relations."""
    for value in header.values("idspace"):
        parts = value.split(None, 2)
        if len(parts) >= 2:
            names.spaces[unescape(parts[0])] = unescape(parts[1])
    names.equivalent |= {unescape(value) for value in header.values("treat-xrefs-as-equivalent")}
    for stanza in frames:
        if stanza.kind == "Typedef":
            names.learn(stanza.id, [unescape(value.split(None, 1)[0]) for value in stanza.values("xref") if value])


def _header(header: Stanza, clauses: OboClauses, options: ReadOptions) -> None:
    out, names = clauses.out, clauses.names
    ontology = out.iri(names.ontology_iri)
    out.declare(ontology, "Ontology")
    for line in header.lines:
        tag, text = line.tag, unescape(line.value)
        if tag == "data-version":
            version = f"{names.ontology_iri.removesuffix('.owl')}/{text.strip('/')}/{names.ontology.split('/')[-1]}.owl"
            out.add(ontology, OWL + "versionIRI", out.iri(version.replace(" ", "_")))
        elif tag == "import":
            out.add(ontology, OWL + "imports", out.iri(text if ":" in text else f"file:///{text}"))
        elif tag in _HEADER_TEXTS:
            out.add(ontology, _HEADER_TEXTS[tag], out.text(text))
        elif tag == "property_value":
            clauses.property_value(ontology, line)
        elif tag == "subsetdef":
            _definition(clauses, line.value, "SubsetProperty", "comment")
        elif tag == "synonymtypedef":
            _definition(clauses, line.value, "SynonymTypeProperty", "label")
        elif tag == "owl-axioms":
            from kgzsl.knowledge.readers.owl_syntax import read_functional_text

            read_functional_text(text, clauses.builder, options, clauses.path)
        elif tag not in ("ontology", "idspace"):
            clauses.left_out.append(tag)


def _definition(clauses: OboClauses, value: str, above: str, text: str) -> None:
    """``subsetdef: name "text"``, ``synonymtypedef: name "text" SCOPE``."""
    out = clauses.out
    name, _, rest = value.partition(" ")
    node = out.iri(clauses.names(unescape(name)))
    out.declare(node, "AnnotationProperty")
    out.add(node, SUBPROPERTY_OF, out.iri(OBO_IN_OWL + above))
    quoted = split_quoted(rest)
    if quoted is not None:
        out.add(node, RDFS + text, out.text(quoted[0]))
