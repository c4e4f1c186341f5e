"""What an ontology and facts say after a run was made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl.errors import InputError, nearest
from kgzsl.report.run_folder import RunFolder

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph
    from kgzsl.tasks.kg_completion.endpoint import EndpointFacts
    from kgzsl.tasks.kg_completion.entity_labels import Labels
    from kgzsl.tasks.kg_completion.evidence.kinds import Types
    from kgzsl.tasks.kg_completion.proposing import ProposingCompleter

__all__ = ["grown_schema", "require_entities", "take_news"]


def grown_schema(folder: RunFolder, file: Path | None) -> ClassGraph | None:
    """The run's graph with what ``file`` says, read as the run read its own; None where there is neither.

    What the file imports is looked for in a ``catalog-v001.xml`` beside it, and in the run's
    catalogue where that is found.

    Raises:
        InputError: The file cannot be read.
    """
    from kgzsl.knowledge import ClassGraph

    kept = folder.graph()
    if file is None:
        return kept
    spec = folder.recipe.get("graph")
    options = dict(spec) if isinstance(spec, dict) else {}
    reading = {key: options[key] for key in ("projection", "language", "lenient", "imports") if key in options}
    catalogue = options.get("catalogue")
    if isinstance(catalogue, str) and Path(catalogue).exists():  # written as from the recipe's folder
        reading["catalogue"] = catalogue
    if options.get("reasoning", "none") != "none":
        reading["reasoning"] = options["reasoning"]
    more = ClassGraph.read(file, **reading)
    return more if kept is None else kept.merge(more)


def take_news(
    model: ProposingCompleter,
    relation: str,
    facts: Path | None,
    schema: ClassGraph | None,
    was: ClassGraph | None,
    base: str,
    *,
    ask: Callable[[list[str]], EndpointFacts] | None = None,
) -> tuple[str, dict[str, Any], list[str]]:
    """Let the model know facts that came after training, and the relation that is asked for.

    Args:
        model: The run's; it is changed.
        relation: Its name.
        facts: A file of facts, or None.
        schema: What the ontology says.
        was: What it said when the run was made, where it says more now.
        base: Put before names that are no IRIs, where the facts are RDF or an endpoint's.
        ask: Asks an endpoint for the facts of relations by their IRIs.

    Returns:
        The relation's own name; for machines and for people.

    Raises:
        InputError: The file or the endpoint is bad, or neither a fact nor the schema has the relation.
    """
    from kgzsl.datasets.fact_files import read_facts
    from kgzsl.datasets.kg_rdf import is_rdf
    from kgzsl.tasks.kg_completion.new_facts import named_types, names_of_iris, require_relation, take_facts

    values: dict[str, Any] = {}
    lines: list[str] = []
    if schema is not None and was is not None:
        lines += model.take_schema(schema)
    if facts is not None:
        triples, told, left_out = read_facts(facts)
        types: Types = told
        if is_rdf(facts):
            triples, types = names_of_iris(triples, model, base), named_types(told, model, base)
        news = take_facts(model, triples, types=types, schema=schema, was=was)
        lines += [*news.lines(), *left_out]
        values["facts"] = {**news.to_dict(), "left_out": left_out}
    if ask is not None:
        values["endpoint"], more = _take_endpoint(model, relation, ask, schema, was, base)
        lines += more
    try:
        relation, notes = require_relation(model, relation, schema=schema, was=was)
    except InputError as error:
        raise InputError(error.problem, file=facts, remedy=error.remedy) from None
    return relation, values, [*lines, *notes]


def _take_endpoint(
    model: ProposingCompleter,
    relation: str,
    ask: Callable[[list[str]], EndpointFacts],
    schema: ClassGraph | None,
    was: ClassGraph | None,
    base: str,
) -> tuple[dict[str, Any], list[str]]:
    """As with ``--facts``: let the model know what an endpoint says with its relations and the one asked for."""
    from kgzsl.tasks.kg_completion.naming import is_iri, own_relation
    from kgzsl.tasks.kg_completion.new_facts import named_types, names_of_iris, take_facts
    from kgzsl.tasks.kg_completion.writing import iri_of

    wanted = [iri_of(name, base) for name in model.relations_]
    if model.TAKES_NAMES and is_iri(relation) and own_relation(model, relation, schema) is None:
        wanted.append(relation)
    found = ask(wanted)
    triples, left_out = names_of_iris(found.triples, model, base), []
    if not model.takes_entities:
        known = model._entity_ids
        mine = [fact for fact in triples if fact[0] in known and fact[2] in known]
        if len(mine) < len(triples):
            left_out.append(
                f"{len(triples) - len(mine)} about entities that the run does not know are left out: it has no vector "
                "for what came after training"
            )
        triples = mine
    there = {end for head, _, tail in triples for end in (head, tail)}
    types = {name: kinds for name, kinds in named_types(found.types, model, base).items() if name in there}
    news = take_facts(model, triples, types=types, schema=schema, was=was)
    told = {**news.to_dict(), "left_out": left_out, "graphs": list(found.graphs)}
    return told, [*news.lines(found.source()), *left_out]


def require_entities(
    model: ProposingCompleter,
    names: Sequence[str] | None,
    labels: Callable[[], Labels],
    schema: ClassGraph | None,
    facts: Path | None = None,
) -> list[str] | None:
    """The model's names of entities that people name, by labels, too; None for None.

    Args:
        model: Has the entities.
        names: What somebody wrote.
        labels: Gives what the run calls entities.
        schema: The run's graph.
        facts: A file of facts that came since, which may call some otherwise.

    Raises:
        InputError: One is in no fact of the run, and in none that came since; or several may be meant.
    """
    from kgzsl.datasets.kg_rdf import is_rdf, rdf_labels
    from kgzsl.tasks.kg_completion.entity_labels import by_label, own_entity

    @cache
    def every() -> Labels:
        told = labels()
        if facts is not None and is_rdf(facts):
            # Another label, in another language say, takes none away.
            told = {**told, **{one: (*told.get(one, ()), *more) for one, more in rdf_labels(facts).items()}}
        return by_label(told)

    if names is None:
        return None
    found = []
    for name in names:
        own = own_entity(model, name, every, lambda: schema)
        if own is None:
            close = nearest(name, model._entity_ids)
            hint = f"did you mean {' or '.join(map(repr, close))}? Else give" if close else "give"
            raise InputError(
                f"no entity is called {name!r}: it occurs nowhere",
                remedy=f"{hint} facts about it with --facts or --endpoint",
            )
        found.append(own)
    return found
