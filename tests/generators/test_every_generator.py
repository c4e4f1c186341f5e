"""What every generator promises, asked of every one that has a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kgzsl import generators
from kgzsl.engine import Engine, load_tree, save_tree
from kgzsl.errors import InputError
from kgzsl.generators import FeatureGenerator

pytestmark = pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")
SMALL: dict[str, Any] = {"hidden": 16, "epochs": 2, "batch_size": 24}
OPTIONS: dict[str, dict[str, Any]] = {
    "cada-vae": {**SMALL, "noise_dim": 3},
    "ce-gzsl": {**SMALL, "embedding": 8, "projection": 4, "comparator": 4, "critic_steps": 2},
    "cycle-wgan": {**SMALL, "critic_steps": 2},
    "diffusion": {**SMALL, "steps": 3},
    "extrapolation": {**SMALL, "k": 2},
    "f-vaegan": {**SMALL, "critic_steps": 2},
    "linear": {},
    "lisgan": {**SMALL, "critic_steps": 2},
    "tf-vaegan": {**SMALL, "critic_steps": 2},
    "wgan": {**SMALL, "critic_steps": 2},
}
TRAINED = sorted(set(OPTIONS) - {"linear"})


def world() -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    priors = torch.randn(6, 4, generator=g)
    labels = torch.arange(6).repeat_interleave(16)
    features = (priors @ torch.randn(4, 7, generator=g))[labels] + 0.3 * torch.randn(96, 7, generator=g)
    return features.clamp_min(-0.5), labels, priors


def engine(**options: Any) -> Engine:
    return Engine(device="cpu", precision="32-true", progress=False, **options)


def fitted(name: str, on: Engine | None = None, **options: Any) -> FeatureGenerator:
    return generators.make(name, **{**OPTIONS[name], **options}).fit(*world(), engine=on or engine())


def test_every_name_is_tried_here() -> None:
    assert generators.generators.names == sorted(OPTIONS)


@pytest.mark.parametrize("name", TRAINED)
def test_training_without_gradients_around_it_trains(name: str) -> None:
    _, _, priors = world()
    with torch.no_grad():
        inside = fitted(name)
    torch.testing.assert_close(inside.sample(priors, 3), fitted(name).sample(priors, 3))


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_samples_repeat_themselves_and_survive_a_file(name: str, tmp_path: Path) -> None:
    features, _, priors = world()
    model = fitted(name)
    samples, rows = model.sample(priors[:3], 5)
    assert samples.shape == (15, 7)
    assert samples.isfinite().all()
    assert rows.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert torch.equal(fitted(name).sample(priors[:3], 5)[0], samples)
    other = fitted(name, engine(seed=1)).sample(priors[:3], 5)[0]
    assert not torch.equal(other, samples)
    save_tree(tmp_path / "m.safetensors", {"config": model.config(), "state": model.state_dict()})
    saved = load_tree(tmp_path / "m.safetensors")
    again = type(model).from_config(saved["config"]).load_state_dict(saved["state"])
    assert again.config() == model.config()
    assert torch.equal(again.sample(priors[:3], 5)[0], samples)
    assert torch.equal(again.embed(features), model.embed(features))
    embedded, made_of = model.sample_embedded(priors[:3], 5)
    assert torch.equal(made_of, rows)
    assert torch.equal(again.sample_embedded(priors[:3], 5)[0], embedded)
    assert embedded.shape[1] == model.embed(features).shape[1]
    assert model.embeds == (embedded.shape[1] != 7)


@pytest.mark.parametrize("name", TRAINED)
def test_resumed_equals_uninterrupted(name: str, tmp_path: Path) -> None:
    options = {"ema": 0.5, "lr_decay": 0.5, "souls": 2}
    whole = fitted(name, **options)

    def stop(model: FeatureGenerator, epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    fresh = generators.make(name, **OPTIONS[name], **options)
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(*world(), engine=engine(checkpoint=tmp_path), callback=stop, callback_every_epochs=1)
    resumed = fitted(name, engine(checkpoint=tmp_path, resume=True), **options)
    assert torch.equal(whole.sample(world()[2], 3)[0], resumed.sample(world()[2], 3)[0])
    assert whole.history is not None
    assert resumed.history is not None
    assert whole.history.rows == resumed.history.rows
    assert "souls" in whole.history.rows[0]


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_a_sample_depends_on_its_own_prior_alone(name: str) -> None:
    """With the same noise the order of the asked classes is the order of the answers."""
    priors = world()[2]
    model = fitted(name)
    # sixteen rows, so that torch draws the same numbers for the first half of a larger tensor
    one = model.sample(priors[:1], 16, generator=torch.Generator().manual_seed(1))[0]
    first_of_two = model.sample(priors[:2], 16, generator=torch.Generator().manual_seed(1))[0][:16]
    if name == "diffusion":  # draws noise for all rows at each step, so the first step alone is the same
        assert one.shape == first_of_two.shape
    else:
        torch.testing.assert_close(one, first_of_two, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(model.sample(priors[:1], 4)[0], model.sample(9 * priors[1:2] + 5, 4)[0])


@pytest.mark.parametrize("name", TRAINED)
def test_bad_options_are_refused_by_name(name: str) -> None:
    for option in ({"hidden": 0}, {"lr": 0.0}, {"souls": -1}, {"ema": 1.0}):
        with pytest.raises(InputError, match=f"{next(iter(option))} is .*; (give|choose) "):
            generators.make(name, **option)
    with pytest.raises(InputError, match="not fitted"):
        generators.make(name).sample(torch.zeros(1, 4), 1)
    with pytest.raises(InputError, match="do not fit a generator for 4-d"):
        fitted(name, epochs=0).sample(torch.zeros(1, 5), 1)


@pytest.mark.parametrize("name", TRAINED)
def test_episodes_hold_classes_out(name: str) -> None:
    """With a share of classes held out the numbers are others; with none they are those without the option."""
    priors = world()[2]
    base = fitted(name).sample(priors, 3)[0]
    assert torch.equal(fitted(name, hold_out=0.0).sample(priors, 3)[0], base)
    held = fitted(name, hold_out=0.3)
    assert held.sample(priors, 3)[0].isfinite().all()
    assert not torch.equal(held.sample(priors, 3)[0], base)
    one_class = generators.make(name, **OPTIONS[name], hold_out=0.3)
    features, labels, _ = world()
    one_class.fit(features[:16], labels[:16], priors[:1], engine=engine())  # nothing to hold out
    with pytest.raises(InputError, match=r"hold_out is 1\.0; give a number from 0 on and below 1"):
        generators.make(name, hold_out=1.0)


def test_a_step_sees_no_row_of_the_classes_that_it_holds_out() -> None:
    from kgzsl.generators.loop import Episode, TrainingData

    features, labels, priors = world()
    episode = Episode(labels, 0.34)
    data = TrainingData(features, labels, priors, (), engine(), episode=episode)
    seen: set[frozenset[int]] = set()
    for _ in range(20):
        episode.renew(data.engine.generator())
        shown = set(data.draw(200)[0].tolist())
        hidden = set(data.draw(200, held_out=True)[0].tolist())
        assert len(hidden) == 2
        assert shown.isdisjoint(hidden)
        assert shown | hidden == set(range(6))
        seen.add(frozenset(hidden))
    assert len(seen) > 5


@pytest.mark.parametrize("name", ["ce-gzsl", "cycle-wgan", "f-vaegan", "lisgan", "tf-vaegan", "wgan"])
def test_an_episode_of_the_wgan_family_judges_the_generator_on_classes_that_nothing_else_learns_from(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kgzsl.generators.loop import GeneratorLoop, TrainingData
    from kgzsl.generators.wgan_loop import WGANLoop

    given = torch.nn.functional.normalize(world()[2], dim=1)
    drawn: list[Tensor] = []
    learnt: list[tuple[str, set[int], set[int]]] = []  # who, from which classes, and which are held out
    draw, update, judge, step = TrainingData.draw, GeneratorLoop.update, GeneratorLoop.add_terms, WGANLoop._critic_step

    def held_out(loop: GeneratorLoop) -> set[int]:
        assert loop._data.episode is not None
        return set(torch.nonzero(loop._data.episode.hidden).flatten().tolist())

    def spy_draw(data: TrainingData, *arguments: Any, **options: Any) -> tuple[Tensor, Tensor, Tensor]:
        found = draw(data, *arguments, **options)
        drawn.append(found[0])
        return found

    def spy_update(loop: GeneratorLoop, group: str, loss: Tensor) -> None:
        learnt.append((group, set(drawn[-1].tolist()), held_out(loop)))
        update(loop, group, loss)

    def spy_judge(loop: GeneratorLoop, fake: Tensor, labels: Tensor, priors: Tensor) -> tuple:
        learnt.append(("network", set(torch.cdist(priors, given).argmin(1).tolist()), held_out(loop)))
        return judge(loop, fake, labels, priors)

    def spy_step(loop: WGANLoop, *parts: Any) -> tuple[Tensor, Tensor]:
        learnt.append(("critic", set(torch.cdist(parts[4], given).argmin(1).tolist()), held_out(loop)))
        return step(loop, *parts)

    monkeypatch.setattr(TrainingData, "draw", spy_draw)
    monkeypatch.setattr(GeneratorLoop, "update", spy_update)
    monkeypatch.setattr(GeneratorLoop, "add_terms", spy_judge)
    monkeypatch.setattr(WGANLoop, "_critic_step", spy_step)
    fitted(name, hold_out=0.34)
    others = {"ce-gzsl": {"embedding"}, "tf-vaegan": {"decoder"}}.get(name, set())
    assert {who for who, _, _ in learnt} >= {"network", "critic", *others}
    for who, classes, hidden in learnt:
        assert len(hidden) == 2
        assert classes <= hidden if who == "network" else classes.isdisjoint(hidden), who


def test_an_episode_of_cada_vae_judges_the_way_from_the_prior_on_other_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    from kgzsl.generators.cada_vae import CADALoop

    met = []
    loss = CADALoop._loss

    def spy(self: CADALoop, shown: tuple, drawn: tuple) -> tuple:
        met.append((set(shown[0].tolist()), set(drawn[0].tolist())))
        return loss(self, shown, drawn)

    monkeypatch.setattr(CADALoop, "_loss", spy)
    fitted("cada-vae", hold_out=0.34)
    assert all(shown.isdisjoint(drawn) for shown, drawn in met)
    met.clear()
    fitted("cada-vae")
    assert all(shown == drawn for shown, drawn in met)


def test_an_episode_of_diffusion_learns_features_and_what_priors_say_from_different_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from kgzsl.generators.diffusion import DiffusionLoop

    told: list[torch.Tensor] = []
    add_terms = DiffusionLoop.add_terms

    def spy(self: DiffusionLoop, made: torch.Tensor, labels: torch.Tensor, priors: torch.Tensor) -> tuple:
        told.append(labels)
        return add_terms(self, made, labels, priors)

    asked: list[torch.Tensor] = []
    monkeypatch.setattr(DiffusionLoop, "add_terms", spy)
    network = generators.make("diffusion", **OPTIONS["diffusion"])._networks  # its class is private to the module

    def watched(self: object, *arguments: object) -> dict[str, torch.nn.Module]:
        made = network(*arguments)
        made["network"].register_forward_pre_hook(lambda _, inputs: asked.append(inputs[2]))
        return made

    monkeypatch.setattr(type(generators.make("diffusion")), "_networks", watched)
    fitted("diffusion", hold_out=0.34, forget=0.5)
    mixed = 0
    for labels, priors in zip(told, asked, strict=False):
        hidden = (priors == 0).all(dim=1)
        assert set(labels[hidden].tolist()).isdisjoint(labels[~hidden].tolist())
        mixed += bool(hidden.any() and not hidden.all())
    assert mixed > 3


def test_extrapolation_looks_at_no_class_that_is_held_out() -> None:
    priors = world()[2]
    model = fitted("extrapolation")
    network = model._modules["network"]
    hidden = torch.zeros(len(priors), dtype=torch.bool)
    hidden[[1, 4]] = True
    before = network(network.known, hidden=hidden)
    network.means[hidden] = 1e6
    assert torch.equal(network(network.known, hidden=hidden), before)
    assert not torch.equal(network(network.known), before)


def weighed(name: str, weights: Tensor | None, on: Engine | None = None, **options: Any) -> FeatureGenerator:
    made = generators.make(name, **{**OPTIONS[name], **options})
    return made.fit(*world(), engine=on or engine(), sample_weight=weights)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_equal_weights_are_none_and_others_change_what_is_learnt(name: str) -> None:
    priors = world()[2]
    base = fitted(name).sample(priors, 3)[0]
    assert torch.equal(weighed(name, torch.full((96,), 0.3)).sample(priors, 3)[0], base)
    some = torch.linspace(0.1, 3.0, 6).repeat_interleave(16)
    assert not torch.equal(weighed(name, some).sample(priors, 3)[0], base)
    torch.testing.assert_close(weighed(name, 7 * some).sample(priors, 3)[0], weighed(name, some).sample(priors, 3)[0])
    for bad in (some[:5], -some, 0 * some, some / 0):
        with pytest.raises(InputError, match="sample_weight"):
            weighed(name, bad)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_a_class_without_weight_is_not_there(name: str) -> None:
    features, labels, priors = world()
    weights = torch.ones(96)
    weights[32:48] = 0.0  # a class of weight 0, the others alike
    torn = features.clone()
    torn[32:48] = 1e3
    alone = generators.make(name, **OPTIONS[name])
    whole = generators.make(name, **OPTIONS[name])
    alone.fit(features, labels, priors, engine=engine(), sample_weight=weights)
    whole.fit(torn, labels, priors, engine=engine(), sample_weight=weights)
    torch.testing.assert_close(alone.sample(priors, 3)[0], whole.sample(priors, 3)[0])


@pytest.mark.parametrize("name", TRAINED)
def test_weights_resume_and_a_run_with_others_is_refused(name: str, tmp_path: Path) -> None:
    weights = torch.linspace(0.1, 3.0, 6).repeat_interleave(16)
    whole = weighed(name, weights, hold_out=0.3)

    def stop(model: FeatureGenerator, epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    fresh = generators.make(name, **OPTIONS[name], hold_out=0.3)
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(
            *world(), engine=engine(checkpoint=tmp_path), callback=stop, callback_every_epochs=1, sample_weight=weights
        )
    resumed = weighed(name, weights, engine(checkpoint=tmp_path, resume=True), hold_out=0.3)
    assert torch.equal(whole.sample(world()[2], 3)[0], resumed.sample(world()[2], 3)[0])
    with pytest.raises(InputError, match="weights"):
        weighed(name, weights.flip(0), engine(checkpoint=tmp_path, resume=True), hold_out=0.3)


def test_rows_are_drawn_as_often_as_they_weigh() -> None:
    from kgzsl.generators.loop import Episode, TrainingData

    features, labels, priors = world()
    weights = torch.linspace(1.0, 6.0, 6, dtype=torch.float64).repeat_interleave(16)
    data = TrainingData(features, labels, priors, (), engine(), weights=weights)
    drawn = torch.bincount(data.draw(40_000)[0], minlength=6) / 40_000
    torch.testing.assert_close(drawn, torch.arange(1.0, 7.0) / 21, atol=0.02, rtol=0.0)
    episode = Episode(labels, 0.5)
    episode.renew(torch.Generator().manual_seed(0))
    data = TrainingData(features, labels, priors, (), engine(), episode=episode, weights=weights)
    for held_out, mask in ((True, episode.hidden), (False, ~episode.hidden)):
        drawn = torch.bincount(data.draw(40_000, held_out=held_out)[0], minlength=6) / 40_000
        expected = torch.arange(1.0, 7.0) * mask
        torch.testing.assert_close(drawn, expected / expected.sum(), atol=0.02, rtol=0.0)


def test_the_linear_generator_s_weights_are_those_of_repeated_classes() -> None:
    """A class of weight 2 counts in the regression as two classes with its prior and its mean do."""
    features, labels, priors = world()
    weights = torch.where(labels == 1, 2.0, 1.0)
    options: dict[str, Any] = {"ridge": 0.1, "covariance": "none", "priors": "none", "clip": False}
    found = weighed("linear", weights, **options).means(priors)
    again = torch.cat([features, features[labels == 1]])
    # The penalty goes by the mean diagonal of the kernel, which the twin changes: compare at equal penalties.
    kernel = (priors @ priors.T + 1).diagonal()
    share = torch.where(torch.arange(6) == 1, 2.0, 1.0)
    options["ridge"] = 0.1 * float((share * kernel).mean() / torch.cat([kernel, kernel[1:2]]).mean())
    twin = generators.make("linear", **options)
    twin.fit(again, torch.cat([labels, torch.full((16,), 6)]), torch.cat([priors, priors[1:2]]), engine=engine())
    torch.testing.assert_close(found, twin.means(priors), rtol=1e-3, atol=1e-3)
