"""RMPI: reasoning over the subgraph around a triple, with messages from relation to relation."""

from kgzsl.tasks.kg_completion.inductive.rmpi.line_graph import CONNECTIONS, connected_means
from kgzsl.tasks.kg_completion.inductive.rmpi.network import RmpiNetwork
from kgzsl.tasks.kg_completion.inductive.rmpi.rmpi import Rmpi
from kgzsl.tasks.kg_completion.inductive.rmpi.subgraphs import Subgraphs, Surrounds

__all__ = ["CONNECTIONS", "Rmpi", "RmpiNetwork", "Subgraphs", "Surrounds", "connected_means"]
