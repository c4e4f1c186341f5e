"""Inductive completion: entities and relations that training never saw, from how they are linked."""

from kgzsl.tasks.kg_completion.inductive.adapting import adapt_meetings
from kgzsl.tasks.kg_completion.inductive.completer import InductiveCompleter
from kgzsl.tasks.kg_completion.inductive.drawn_evaluation import evaluate_drawn
from kgzsl.tasks.kg_completion.inductive.evaluation import InductiveModel, InductiveResult, evaluate_inductive
from kgzsl.tasks.kg_completion.inductive.fact_graph import MEETINGS, FactGraph
from kgzsl.tasks.kg_completion.inductive.informed import InformedUltra
from kgzsl.tasks.kg_completion.inductive.informed_completer import InformedCompleter
from kgzsl.tasks.kg_completion.inductive.rmpi import Rmpi
from kgzsl.tasks.kg_completion.inductive.rmpi_completer import RmpiCompleter
from kgzsl.tasks.kg_completion.inductive.schema_meetings import CHAIN_MEETINGS, SCHEMA_MEETINGS, schema_meetings
from kgzsl.tasks.kg_completion.inductive.surroundings import Surroundings
from kgzsl.tasks.kg_completion.inductive.tasks import InductiveTask
from kgzsl.tasks.kg_completion.inductive.ultra import Ultra
from kgzsl.tasks.kg_completion.inductive.ultra_completer import UltraCompleter

__all__ = [
    "CHAIN_MEETINGS",
    "MEETINGS",
    "SCHEMA_MEETINGS",
    "FactGraph",
    "InductiveCompleter",
    "InductiveModel",
    "InductiveResult",
    "InductiveTask",
    "InformedCompleter",
    "InformedUltra",
    "Rmpi",
    "RmpiCompleter",
    "Surroundings",
    "Ultra",
    "UltraCompleter",
    "adapt_meetings",
    "evaluate_drawn",
    "evaluate_inductive",
    "schema_meetings",
]
