"""The IRIs that the knowledge part gives a meaning to, and the prefixes that it can expand."""

from __future__ import annotations

__all__ = [
    "CHARACTERISTICS",
    "CONCEPTNET",
    "DECLARATIONS",
    "DOCUMENTATION",
    "KINDS",
    "NEGATIVE_RELATIONS",
    "OWL",
    "PREFIXES",
    "PROPERTY_KINDS",
    "RDF",
    "RDFS",
    "RDF_TYPE",
    "SKOS",
    "SUBCLASS_OF",
    "SUBPROPERTY_OF",
    "TAXONOMIC",
    "TEXT_PROPERTIES",
    "WEIGHT",
    "WELL_KNOWN_NAMES",
    "XSD",
]

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"
XSD = "http://www.w3.org/2001/XMLSchema#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
DC = "http://purl.org/dc/elements/1.1/"
DCTERMS = "http://purl.org/dc/terms/"
OBO = "http://purl.obolibrary.org/obo/"
OBO_IN_OWL = "http://www.geneontology.org/formats/oboInOwl#"
SCHEMA = "http://schema.org/"
SCHEMA_HTTPS = "https://schema.org/"
SWRL = "http://www.w3.org/2003/11/swrl#"
CONCEPTNET = "http://conceptnet.io"

#: Carries the strength of a statement, between 0 and 1 as a rule: ``<< :cat :has :fur >> kgzsl:weight 0.9``.
WEIGHT = "urn:kgzsl:weight"

RDF_TYPE = RDF + "type"
SUBCLASS_OF = RDFS + "subClassOf"
SUBPROPERTY_OF = RDFS + "subPropertyOf"

#: What a node can be; ``ClassGraph.kinds`` indexes this tuple.
KINDS = ("class", "property", "individual", "datatype", "literal", "other")

#: Relations that say "these differ": kept as edges of their own type, never counted as similarity.
NEGATIVE_RELATIONS = frozenset(
    {
        OWL + "disjointWith",
        OWL + "propertyDisjointWith",
        *(f"{CONCEPTNET}/r/{name}" for name in ("Antonym", "DistinctFrom")),
        *(f"{CONCEPTNET}/r/Not{name}" for name in ("CapableOf", "Desires", "HasProperty")),
    }
)

#: Relations that lead upwards.
TAXONOMIC = (SUBCLASS_OF, SUBPROPERTY_OF, RDF_TYPE, SKOS + "broader", SKOS + "broaderTransitive")

#: Literal-valued properties whose value is a text about the node, and the short name the text goes by.
TEXT_PROPERTIES: dict[str, str] = {
    RDFS + "label": "label",
    RDFS + "comment": "comment",
    SKOS + "prefLabel": "prefLabel",
    SKOS + "altLabel": "altLabel",
    SKOS + "hiddenLabel": "hiddenLabel",
    SKOS + "definition": "definition",
    SKOS + "scopeNote": "scopeNote",
    SKOS + "example": "example",
    SKOS + "note": "note",
    OBO + "IAO_0000115": "definition",
    OBO + "IAO_0000118": "altLabel",
    OBO + "IAO_0000112": "example",
    OBO_IN_OWL + "hasExactSynonym": "exactSynonym",
    OBO_IN_OWL + "hasRelatedSynonym": "relatedSynonym",
    OBO_IN_OWL + "hasBroadSynonym": "broadSynonym",
    OBO_IN_OWL + "hasNarrowSynonym": "narrowSynonym",
    OBO_IN_OWL + "hasSynonym": "relatedSynonym",
    SCHEMA + "name": "label",
    SCHEMA_HTTPS + "name": "label",
    SCHEMA + "alternateName": "altLabel",
    SCHEMA_HTTPS + "alternateName": "altLabel",
    SCHEMA + "description": "description",
    SCHEMA_HTTPS + "description": "description",
    DC + "description": "description",
    DCTERMS + "description": "description",
    DC + "title": "title",
    DCTERMS + "title": "title",
    "http://xmlns.com/foaf/0.1/name": "label",
}

#: ``x rdf:type T`` with these T says what x is, and makes no edge; the value is the kind of x.
DECLARATIONS: dict[str, str] = {
    OWL + "Class": "class",
    RDFS + "Class": "class",
    OWL + "DeprecatedClass": "class",
    OWL + "ObjectProperty": "property",
    OWL + "DatatypeProperty": "property",
    OWL + "AnnotationProperty": "property",
    OWL + "OntologyProperty": "property",
    OWL + "DeprecatedProperty": "property",
    RDF + "Property": "property",
    OWL + "NamedIndividual": "individual",
    OWL + "Thing": "individual",
    RDFS + "Datatype": "datatype",
    OWL + "DataRange": "datatype",
    SKOS + "Concept": "class",
}

#: What OWL tells apart among properties: only the first lead from thing to thing.
PROPERTY_KINDS = ("ObjectProperty", "DatatypeProperty", "AnnotationProperty")

#: ``p rdf:type C``: a characteristic of the property p, kept as an edge to C.
CHARACTERISTICS = frozenset(
    OWL + name
    for name in (
        "AsymmetricProperty",
        "FunctionalProperty",
        "InverseFunctionalProperty",
        "IrreflexiveProperty",
        "ReflexiveProperty",
        "SymmetricProperty",
        "TransitiveProperty",
    )
)

#: IRI-valued properties that point at documents, and say nothing of what a class is like.
DOCUMENTATION = frozenset(
    {
        RDFS + "isDefinedBy",
        RDFS + "seeAlso",
        OWL + "imports",
        OWL + "versionIRI",
        OWL + "priorVersion",
        OWL + "backwardCompatibleWith",
        OWL + "incompatibleWith",
        DC + "source",
        DC + "creator",
        DC + "contributor",
        DCTERMS + "source",
        DCTERMS + "creator",
        DCTERMS + "contributor",
        DCTERMS + "license",
        "http://www.w3.org/ns/prov#wasDerivedFrom",
        *(schema + name for schema in (SCHEMA, SCHEMA_HTTPS) for name in ("contributor", "source")),
        OBO + "IAO_0000119",
        OBO + "IAO_0000117",
        OBO + "IAO_0000233",
        OBO + "IAO_0000412",
    }
)

#: Prefixes expanded in tables and in ``align``; the KZSL ones as its own Turtle files declare them.
PREFIXES: dict[str, str] = {
    "rdf": RDF,
    "rdfs": RDFS,
    "owl": OWL,
    "xsd": XSD,
    "skos": SKOS,
    "dc": DC,
    "dcterms": DCTERMS,
    "obo": OBO,
    "oboInOwl": OBO_IN_OWL,
    "schema": SCHEMA_HTTPS,
    "foaf": "http://xmlns.com/foaf/0.1/",
    "dbo": "http://dbpedia.org/ontology/",
    "dbr": "http://dbpedia.org/resource/",
    "wd": "http://www.wikidata.org/entity/",
    "wdt": "http://www.wikidata.org/prop/direct/",
    "kgzsl": "urn:kgzsl:",
    "conceptnet": CONCEPTNET + "/c/",
    "AwA": "http://www.semanticweb.org/ontologies/AwA#",
    "ImNet-A": "http://www.semanticweb.org/ontologies/ImNet-A#",
    "ImNet-O": "http://www.semanticweb.org/ontologies/ImNet-O#",
    "cn": "http://www.semanticweb.org/ontologies/ConceptNet#",
    "NELL": "http://www.semanticweb.org/ontologies/NELL#",
    "Wikidata": "http://www.semanticweb.org/ontologies/Wikidata#",
}

#: Bare relation names of tables that mean the well-known relation.
WELL_KNOWN_NAMES: dict[str, str] = {
    "subClassOf": SUBCLASS_OF,
    "subPropertyOf": SUBPROPERTY_OF,
    "disjointWith": OWL + "disjointWith",
    "equivalentClass": OWL + "equivalentClass",
    "equivalentProperty": OWL + "equivalentProperty",
    "sameAs": OWL + "sameAs",
    "inverseOf": OWL + "inverseOf",
}
