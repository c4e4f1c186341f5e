"""Inductive completion: entities and relations that training never saw, from how they are linked."""

from kgzsl.tasks.kg_completion.inductive.evaluation import InductiveResult, evaluate_inductive
from kgzsl.tasks.kg_completion.inductive.fact_graph import MEETINGS, FactGraph
from kgzsl.tasks.kg_completion.inductive.ultra import Ultra

__all__ = ["MEETINGS", "FactGraph", "InductiveResult", "Ultra", "evaluate_inductive"]
