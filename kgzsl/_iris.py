"""Which names are IRIs, and what the last part of one is."""

from __future__ import annotations

import re

__all__ = ["is_absolute_iri", "last_part"]

# Schemes of IRIs that need no authority. Not any word before a colon: in tables names such as concept:city:paris or
# w:person:p3 are no IRIs.
_SCHEMES = (
    "acct ark cid data did doi file ftp ftps geo hdl http https info ipfs ipns lsid magnet mailto ni nih oid orcid sip "
    "sips swh tag tel urn uuid xmpp"
)
_START = re.compile(rf"(?:[a-z][a-z0-9+.-]*://|(?:{'|'.join(_SCHEMES.split())}):).", re.IGNORECASE)
_NEVER = re.compile(r"[\x00-\x20\x7f-\x9f]")


def is_absolute_iri(name: str) -> bool:
    """Whether a name is an IRI that may be written into RDF as it is.

    It has an authority (``http://...``, any scheme) or one of the schemes that RDF uses without one (``urn:``,
    ``tag:``, ``did:``, ``mailto:``, ``file:``, ``geo:`` ..., in small letters or large), and no character that an IRI
    may not have: no space, no control character.
    """
    if _START.match(name) is None or _NEVER.search(name):
        return False
    import pyoxigraph

    try:
        pyoxigraph.NamedNode(name)  # what reads RDF here knows what is legal
    except ValueError:
        return False
    return True


def last_part(iri: str) -> str:
    """What stands behind the last ``#``, ``/`` or ``:`` of an IRI."""
    return re.split("[#/:]", iri)[-1]
