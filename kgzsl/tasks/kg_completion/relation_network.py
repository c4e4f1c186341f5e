"""Prototypes of relations by a graph network over the schema: DOZSL's propagation variant."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.priors.base import PriorWarning

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph
    from kgzsl.priors.propagation import PropagationEncoder

__all__ = ["network_of", "propagated_prototypes"]


def network_of(network: str, options: Mapping[str, Any] | None = None) -> PropagationEncoder:
    """The graph network of this name, not trained; targets keep their lengths unless ``normalise`` is told.

    Raises:
        InputError: No such encoder, an option that it has not, or an encoder that cannot be taught vectors.
    """
    from kgzsl import priors
    from kgzsl.priors.propagation import PropagationEncoder

    kind = priors.encoders.find(network)
    if not issubclass(kind, PropagationEncoder):
        known = ", ".join(
            name for name in sorted(priors.encoders.names) if issubclass(priors.encoders.find(name), PropagationEncoder)
        )
        raise InputError(f"the network {network!r} cannot be taught vectors", remedy=f"choose {known}")
    made = priors.make(network, **{"normalise": False, **(options or {})})
    assert isinstance(made, PropagationEncoder)
    return made


def propagated_prototypes(
    network: PropagationEncoder,
    schema: ClassGraph,
    relations: Sequence[str],
    seen: Tensor,
    means: Tensor,
    *,
    engine: Engine,
) -> tuple[Tensor, Tensor]:
    """Prototypes of all relations that the schema knows, told by a graph network that learned those of the seen ones.

    DOZSL's propagation variant (Geng et al., "Disentangled Ontology Embedding for Zero-shot Learning", KDD 2022,
    section 4.3), after Wang et al. (CVPR 2018): ``min_f sum_seen |f(G)_r - m_r|^2`` with m_r the mean pair feature of
    relation r, and then ``f(G)_u`` for a relation u that was never seen. The network is taught what is particular to a
    relation, ``(m_r - m) / s``: m is the mean over the seen relations, s the root mean square of what is left.

    Args:
        network: See :func:`network_of`; it is trained here.
        schema: The schema graph.
        relations: Names of the R relations.
        seen: int64 [S], which of them have been seen.
        means: float [S, D], their mean pair features.
        engine: Seed, device, progress, checkpoints.

    Returns:
        float32 [R, D], and bool [R]: of which relations the schema knows something to go by. Other rows are m.

    Raises:
        InputError: The schema knows fewer than two seen relations.
    """
    nodes = torch.as_tensor(schema.align(list(relations)).indices, dtype=torch.int64)
    there = nodes >= 0
    taught = there[seen]
    if int(taught.sum()) < 2:
        raise InputError(
            f"the schema knows {int(taught.sum())} of {len(seen)} seen relations: nothing to learn from",
            remedy="say in graph.mapping what it calls them",
        )
    base = means.float().mean(dim=0).cpu()
    rest = means.float().cpu() - base
    scale = rest.square().sum(dim=1).mean().sqrt().clamp(min=1e-12)
    names = [relations[i] for i in seen[taught].tolist()]
    network.regress(schema, names, rest[taught] / scale, engine=engine)
    found = base.repeat(len(relations), 1)
    with warnings.catch_warnings():
        # Which relations these are is said by the run, of all its methods at once.
        warnings.simplefilter("ignore", PriorWarning)
        told = network.priors([name for name, known in zip(relations, there.tolist(), strict=True) if known]).matrix
    found[there] += scale * torch.from_numpy(told.copy())
    return found, there
