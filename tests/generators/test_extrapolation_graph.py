"""Extrapolation by the class graph: neighbours are those of the graph, and an isolated class is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kgzsl import generators
from kgzsl.engine import Engine, load_tree, save_tree
from kgzsl.errors import InputError
from kgzsl.generators import Extrapolation
from kgzsl.generators.extrapolation import attention

pytestmark = pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")
INF = float("inf")
PATH = (torch.arange(6)[:, None] - torch.arange(6)[None]).abs().float()  # six classes in a row


def world() -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(6).repeat_interleave(8)
    return 10.0 * labels[:, None] + torch.randn(48, 5, generator=g), labels, torch.randn(6, 4, generator=g)


def fitted(distances: Tensor | None = PATH, on: Engine | None = None, **options: Any) -> Extrapolation:
    made = {"metric": "hops", "k": 2, "hidden": 8, "epochs": 2, "batch_size": 16, "noise": 0.0, **options}
    engine = on or Engine(device="cpu", precision="32-true", progress=False)
    return Extrapolation(**made).fit(*world(), distances=distances, engine=engine)


def means() -> Tensor:
    features, labels, _ = world()
    return torch.stack([features[labels == c].mean(0) for c in range(6)])


def test_attention_follows_the_distances_and_the_cosine_tells_ties_apart() -> None:
    priors, known = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]])
    allowed, far = torch.ones(1, 4, dtype=torch.bool), torch.tensor([[3.0, 1.0, 1.0, INF]])
    weights, classes = attention(priors, known, allowed, 3, 0.5, far, 0.0)
    assert sorted(classes[0, :2].tolist()) == [1, 2]
    expected = torch.softmax(torch.tensor([-1.0, -1.0, -3.0]) / 0.5, dim=0)
    torch.testing.assert_close(weights[0], expected)
    weights, classes = attention(priors, known, allowed, 4, 0.5, far, 0.1)
    assert classes[0, :3].tolist() == [1, 2, 0]
    assert float(weights[0, 0]) > float(weights[0, 1])
    assert float(weights[0, 3]) == 0.0  # no way there
    nowhere = attention(priors, known, allowed, 2, 0.5, torch.full((1, 4), INF), 0.1)
    alone = attention(priors, known, allowed, 2, 0.5)
    assert all(torch.equal(a, b) for a, b in zip(nowhere, alone, strict=True))


def test_a_new_class_is_made_of_its_neighbours_in_the_graph_whatever_its_prior() -> None:
    model = fitted(k=1, residual=False)
    far = torch.full((6, 6), 9.0).fill_diagonal_(1.0)
    for row in world()[2]:
        made, _ = model.sample(row.expand(6, -1) + 0.01, 1, distances=far)
        torch.testing.assert_close(made, means(), rtol=0, atol=1e-4)
    by_priors = fitted(None, metric="priors", k=1, residual=False)
    assert not torch.allclose(by_priors.sample(world()[2][:1].expand(6, -1) + 0.01, 1)[0], means(), atol=1.0)
    between, _ = fitted(residual=False, temperature=1.0, cosine=0.0).sample(
        world()[2][:1] + 0.01, 1, distances=torch.tensor([[9.0, 9.0, 1.0, 1.0, 9.0, 9.0]])
    )
    torch.testing.assert_close(between[0], means()[2:4].mean(0), rtol=0, atol=1e-3)


def test_distances_count_in_units_of_the_median_one() -> None:
    """The scale of a metric is not the temperature's: a hundredfold makes the same features."""
    asked, far = world()[2][:1] + 0.01, PATH[2:3] + 0.5
    one = fitted(residual=False).sample(asked, 1, distances=far)[0]
    torch.testing.assert_close(fitted(100 * PATH, residual=False).sample(asked, 1, distances=100 * far)[0], one)


def test_training_leaves_the_own_class_out_and_looks_along_the_graph() -> None:
    model = fitted()
    network: Any = model._modules["network"]
    labels = torch.arange(6)
    before = network(network.known, labels)
    network.means[3] = 1e6
    moved = (network(network.known, labels) - before).abs().amax(dim=1) > 1.0
    assert not moved[3]
    assert moved[2]
    assert moved[4]
    assert not moved[0]  # with two neighbours it ends at class 2


def test_an_isolated_class_is_told_and_made_by_its_prior() -> None:
    model = fitted(k=1, residual=False)
    asked = world()[2][[1, 4]] + 0.001
    far = torch.stack([torch.full((6,), INF), PATH[0]])
    with pytest.warns(UserWarning, match="1 of 2 classes are isolated in the class graph"):
        made, _ = model.sample(asked, 1, distances=far)
    torch.testing.assert_close(made, means()[[1, 0]], rtol=0, atol=1e-4)


def test_it_survives_a_file_and_resumes(tmp_path: Path) -> None:
    model, asked = fitted(), world()[2][:3]
    samples = model.sample(asked, 2, distances=PATH[3:])[0]
    save_tree(tmp_path / "m.safetensors", {"config": model.config(), "state": model.state_dict()})
    saved = load_tree(tmp_path / "m.safetensors")
    again = Extrapolation.from_config(saved["config"]).load_state_dict(saved["state"])
    assert torch.equal(again.sample(asked, 2, distances=PATH[3:])[0], samples)
    assert torch.equal(again.sample_embedded(asked, 2, distances=PATH[3:])[0], samples)
    assert torch.equal(again.sample(asked, 2)[0], model.sample(asked, 2, distances=PATH[:3])[0])  # seen classes' own

    def kept(**more: Any) -> Engine:
        return Engine(device="cpu", precision="32-true", progress=False, checkpoint=tmp_path / "c", **more)

    fitted(on=kept())
    with pytest.raises(InputError):  # a checkpoint of another graph
        fitted(2 * PATH, on=kept(resume=True))


def test_who_looks_at_the_graph_and_bad_input() -> None:
    assert generators.takes_graph("extrapolation", metric="resistance")
    assert not generators.takes_graph("extrapolation")
    assert not generators.takes_graph("wgan")
    with pytest.raises(InputError, match="metric is 'jumps'; choose priors, hops, weighted or resistance"):
        Extrapolation(metric="jumps")
    with pytest.raises(InputError, match="by hops needs distances in the class graph"):
        fitted(None)
    with pytest.raises(InputError, match="metric is 'priors'"):
        fitted(metric="priors")
    for wrong in (PATH[:3], -PATH, PATH * float("nan")):
        with pytest.raises(InputError, match="distances of shape"):
            fitted(wrong)
    model = fitted()
    with pytest.raises(InputError, match="needs distances"):
        model.sample(world()[2][:1] + 1.0, 1)
    with pytest.raises(InputError, match="distances of shape"):
        model.sample(world()[2][:1] + 1.0, 1, distances=PATH)
