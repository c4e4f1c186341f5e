"""Ranking by evidence: what the facts of other relations say for a pair."""

from kgzsl.tasks.kg_completion.evidence.evidence_completer import EvidenceCompleter
from kgzsl.tasks.kg_completion.evidence.facts import FactEvidence

__all__ = ["EvidenceCompleter", "FactEvidence"]
