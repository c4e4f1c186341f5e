"""Ordinary completion: relations and entities that training has seen, by embeddings, types and rules of the schema."""

from kgzsl.tasks.kg_completion.ordinary.embedding_completer import EmbeddingCompleter
from kgzsl.tasks.kg_completion.ordinary.protocol import OrdinaryProtocol
from kgzsl.tasks.kg_completion.ordinary.type_rules import range_rule, type_rule
from kgzsl.tasks.kg_completion.schema_rules import SchemaRules

__all__ = ["EmbeddingCompleter", "OrdinaryProtocol", "SchemaRules", "range_rule", "type_rule"]
