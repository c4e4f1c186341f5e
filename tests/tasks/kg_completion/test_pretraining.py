"""What stands in for the generator while pair features are trained, and what they are trained by."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from kgzsl.engine import Engine
from kgzsl.tasks.kg_completion import pretraining
from kgzsl.tasks.kg_completion.pretraining import PairPretraining, RelationAttention


def test_a_relation_may_not_use_its_own_pairs() -> None:
    """Its prototype is that of a world where it has none; asked as a stranger it would be nearest to itself."""
    random = torch.Generator().manual_seed(0)
    priors, means = torch.randn(5, 4, generator=random), torch.randn(5, 6, generator=random)
    attention = RelationAttention(priors)
    own = torch.arange(5)
    found = attention(priors, means, own)
    for number in range(5):
        others = own[own != number]
        without = RelationAttention(priors[others])
        torch.testing.assert_close(found[number], without(priors[number : number + 1], means[others])[0])
    stranger = attention(priors, means)
    assert bool(((stranger * torch.nn.functional.normalize(means, dim=1)).sum(1) > 0.9).all())
    assert not torch.allclose(stranger, found)


def test_nearer_priors_weigh_more() -> None:
    attention = RelationAttention(torch.eye(3))
    near = attention(torch.tensor([[1.0, 0.2, 0.0]]), torch.eye(3))[0]
    assert near[0] > near[1] > near[2]


class Sample(NamedTuple):
    """Three relations with two queries each, of four candidates."""

    relation: Tensor
    offsets: Tensor
    wrong: Tensor

    def __len__(self) -> int:
        return len(self.relation)


class Gain(nn.Module):
    """In place of an encoder: what it is asked for is looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def tables(self) -> list[nn.Parameter]:
        return []

    def scalars(self) -> list[nn.Parameter]:
        return [self.gain]


@pytest.mark.parametrize("loss", ["margin", "softmax"])
def test_the_loss_is_its_formula_by_prototypes_of_other_relations_and_without_true_answers(loss, monkeypatch) -> None:
    random = torch.Generator().manual_seed(1)
    table = torch.nn.functional.normalize(torch.randn(6, 4, 5, generator=random), dim=2)
    means, priors = torch.randn(3, 5, generator=random), torch.randn(3, 4, generator=random)
    wrong = torch.tensor([[False, True, False, False], [False, False, True, True]]).repeat(3, 1)
    sample = Sample(torch.arange(6) // 2, torch.tensor([0, 2, 4, 6]), wrong)
    drawn: list[int] = []

    def features(encoder, graph, sample, query):
        drawn.extend(query.tolist())
        return table[query] * encoder.gain

    monkeypatch.setattr(pretraining, "_features", features)
    monkeypatch.setattr(pretraining, "relation_means", lambda *_: means)
    graph = SimpleNamespace(device=torch.device("cpu"), neighbours=None)
    engine = Engine(device="cpu", precision="32-true", progress=False)
    attention, margin = RelationAttention(priors), 0.7
    options = {"batch_size": 16, "support": 2, "lr": 0.1, "table_lr": 0.1, "margin": margin}
    loop = PairPretraining(Gain(), attention, graph, sample, engine, loss=loss, prototype="transfer", **options)
    scale = float(loop.log_scale.detach().exp())
    expected = []
    with torch.no_grad():
        # Each relation plays the unseen one: its prototype is made in a world where it is not.
        others = [[other for other in range(3) if other != number] for number in range(3)]
        prototypes = [RelationAttention(priors[o])(priors[n : n + 1], means[o])[0] for n, o in enumerate(others)]
    found = float(loop.step(0)["loss"])
    for query in drawn:
        scores = (table[query] @ prototypes[query // 2]).tolist()
        rivals = [score for score, is_true in zip(scores[1:], wrong[query, 1:].tolist(), strict=True) if not is_true]
        if loss == "margin":
            expected.append(sum(max(0.0, margin - scores[0] + rival) for rival in rivals))
        else:
            expected.append(math.log(sum(math.exp(scale * (score - scores[0])) for score in [scores[0], *rivals])))
    assert len(drawn) == 16
    assert len(set(drawn)) > 3
    assert found == pytest.approx(sum(expected) / len(expected), rel=1e-4)
