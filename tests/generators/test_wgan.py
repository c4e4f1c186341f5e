"""The conditional WGAN: it learns, it repeats itself exactly, and it says what is wrong with its input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kgzsl import generators
from kgzsl.engine import Engine, TrainingError, load_tree, save_tree
from kgzsl.errors import InputError
from kgzsl.generators import WGAN, FeatureGenerator

pytestmark = pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")
SMALL: dict[str, Any] = {"hidden": 32, "epochs": 3, "batch_size": 16, "critic_steps": 2}


def world(signed: bool = True, classes: int = 6, rows: int = 20) -> tuple[Tensor, Tensor, Tensor]:
    """Features around a linear image of each class's prior."""
    g = torch.Generator().manual_seed(0)
    priors = torch.randn(classes, 4, generator=g)
    labels = torch.arange(classes).repeat_interleave(rows)
    means = priors @ torch.randn(4, 10, generator=g)
    features = means[labels] + 0.1 * torch.randn(len(labels), 10, generator=g)
    return (features if signed else features.clamp_min(0)), labels, priors


def engine(**options: Any) -> Engine:
    return Engine(device="cpu", precision="32-true", progress=False, **options)


def weights(model: WGAN) -> Tensor:
    return torch.cat([value.flatten() for value in model.state_dict()["modules"]["network"].values()])


def test_learns_the_class_means_of_seen_classes() -> None:
    """Samples of a class lie nearer to its own mean than to any other: chance would be 1 of 6."""
    features, labels, priors = world()
    model = WGAN(hidden=32, epochs=80, batch_size=32, lr=3e-3, noise_dim=4, priors="standard", prior_size=2.0)
    model.fit(features, labels, priors, engine=engine())
    samples, rows = model.sample(priors, 50)
    means = torch.stack([features[labels == c].mean(0) for c in range(6)])
    near = torch.cdist(samples, means).argmin(1)
    assert (near == rows).float().mean().item() > 0.9


@pytest.mark.parametrize("signed", [True, False])
def test_samples_are_in_the_original_scale_row_by_row(signed: bool) -> None:
    """Training sees the scaled features alone, so a power of two on the features is the same factor on the samples."""
    features, labels, priors = world(signed)
    model = WGAN(**SMALL).fit(features, labels, priors, engine=engine())
    samples, rows = model.sample(priors[:3], 5)
    assert rows.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert samples.shape == (15, 10)
    assert (samples.min().item() < 0) == signed
    large = WGAN(**SMALL).fit(64 * features, labels, priors, engine=engine()).sample(priors[:3], 5)[0]
    torch.testing.assert_close(large, 64 * samples)


def test_clipped_samples_stay_within_the_features() -> None:
    features, labels, priors = world()
    options = {**SMALL, "priors": "none"}  # so that priors a thousand times too long reach the network as they are
    free = WGAN(**options).fit(features, labels, priors, engine=engine()).sample(1000 * priors, 5)[0]
    clipped = WGAN(**options, clip=True).fit(features, labels, priors, engine=engine()).sample(1000 * priors, 5)[0]
    torch.testing.assert_close(clipped, free.clamp(features.amin(0), features.amax(0)))
    assert not torch.equal(clipped, free)


def test_the_same_seed_gives_the_same_numbers_and_sampling_repeats_itself() -> None:
    data = world()
    first, second = (WGAN(**SMALL).fit(*data, engine=engine(seed=4)) for _ in range(2))
    assert torch.equal(weights(first), weights(second))
    assert first.history is not None
    assert second.history is not None
    assert first.history.rows == second.history.rows
    assert not torch.equal(weights(first), weights(WGAN(**SMALL).fit(*data, engine=engine(seed=5))))
    assert torch.equal(first.sample(data[2], 2)[0], second.sample(data[2], 2)[0])
    g = torch.Generator().manual_seed(9)
    drawn = first.sample(data[2], 2, generator=g)[0]
    assert not torch.equal(drawn, first.sample(data[2], 2, generator=g)[0])
    g.manual_seed(9)
    assert torch.equal(drawn, first.sample(data[2], 2, generator=g)[0])


def test_a_callback_that_samples_changes_nothing() -> None:
    data = world()
    plain = WGAN(**SMALL, ema=0.9).fit(*data, engine=engine())
    seen: list[tuple[int, float]] = []

    def callback(model: FeatureGenerator, epoch: int) -> Mapping[str, float]:
        samples, _ = model.sample(data[2], 3)
        torch.rand(5)
        seen.append((epoch, float(samples.sum())))
        return {"sum": seen[-1][1]}

    watched = WGAN(**SMALL, ema=0.9).fit(*data, engine=engine(), callback=callback, callback_every_epochs=1)
    assert torch.equal(weights(plain), weights(watched))
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert len({value for _, value in seen}) == 3  # it saw the weights of the moment
    assert watched.history is not None
    assert plain.history is not None
    assert [row for row in watched.history if "sum" not in row] == plain.history.rows
    assert watched.history.column("sum") == [value for _, value in seen]


@pytest.mark.parametrize("options", [{}, {"critic_hidden": [16, 8]}, {"ema": 0.9, "lr_decay": 0.5}])
def test_resumed_equals_uninterrupted(tmp_path: Path, options: dict[str, Any]) -> None:
    data = world()
    whole = WGAN(**SMALL, **options).fit(*data, engine=engine())

    def stop(model: FeatureGenerator, epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        WGAN(**SMALL, **options).fit(*data, engine=engine(checkpoint=tmp_path), callback=stop, callback_every_epochs=1)
    resumed = WGAN(**SMALL, **options).fit(*data, engine=engine(checkpoint=tmp_path, resume=True))
    assert torch.equal(weights(whole), weights(resumed))
    assert whole.history is not None
    assert resumed.history is not None
    assert whole.history.rows == resumed.history.rows
    with pytest.raises(InputError, match="another lr"):
        WGAN(**SMALL, **options, lr=1e-3).fit(*data, engine=engine(checkpoint=tmp_path, resume=True))


def test_saved_and_loaded_samples_the_same(tmp_path: Path) -> None:
    data = world()
    model = WGAN(**SMALL, ema=0.5, noise_dim=3, priors="standard", clip=True).fit(*data, engine=engine())
    save_tree(tmp_path / "m.safetensors", {"config": model.config(), "state": model.state_dict()})
    saved = load_tree(tmp_path / "m.safetensors")
    again = WGAN.from_config(saved["config"]).load_state_dict(saved["state"])
    assert again.config() == model.config()
    assert torch.equal(again.sample(data[2], 4)[0], model.sample(data[2], 4)[0])


def test_the_written_out_step_equals_a_plain_autograd_loop() -> None:
    """A whole critic step through the loop's two paths (by hand, by autograd) gives the same weights after Adam."""
    from kgzsl.generators.loop import TrainingData
    from kgzsl.generators.networks import Critic, PriorToFeature
    from kgzsl.generators.wgan_loop import LoopOptions, WGANLoop

    features, labels, priors = (t.double() if t.is_floating_point() else t for t in world())
    ends = []
    for by_hand in (True, False):
        e = Engine(device="cpu", precision="64-true", progress=False)
        network = PriorToFeature(4, 4, 10, [16], "linear", generator=e.generator(), dtype=e.dtype)
        critic = Critic(10, 4, [16], generator=e.generator(), dtype=e.dtype)
        options = LoopOptions(16, 3, 10.0, 1e-3, (0.5, 0.9), steps=2)
        loop = WGANLoop({"network": network}, critic, TrainingData(features, labels, priors, (), e), options)
        if not by_hand:
            loop._critic_step = lambda *parts: _plain_step(loop, *parts)  # type: ignore[method-assign]  # noqa: B023
        e.run(loop, steps=2)
        ends.append(torch.cat([p.detach().flatten() for p in [*network.parameters(), *critic.parameters()]]))
    torch.testing.assert_close(ends[0], ends[1], rtol=0, atol=1e-10)


def _plain_step(loop: Any, *parts: Tensor) -> tuple[Tensor, Tensor]:
    pair: tuple[Tensor, Tensor] = loop._autograd_gradients(*parts)
    loop._optimizers["critic"].step()
    return pair


def test_classification_loss_reaches_the_generator() -> None:
    """Without it the numbers differ; a classifier that is given is used, on features in the original scale."""
    data = world()
    base = weights(WGAN(**SMALL, classification=0.0).fit(*data, engine=engine()))
    assert not torch.equal(base, weights(WGAN(**SMALL, classification=1.0).fit(*data, engine=engine())))
    asked: list[Tensor] = []
    matrix = torch.randn(10, 6, generator=torch.Generator().manual_seed(1))

    def classifier(x: Tensor) -> Tensor:
        asked.append(x.detach())
        return x @ matrix

    model = WGAN(**SMALL, classification=1.0).fit(1000 * data[0], *data[1:], classifier=classifier, engine=engine())
    assert torch.stack(asked).abs().mean().item() > 10
    assert not torch.equal(base, weights(model))
    assert model.history is not None
    assert "classification" in model.history.rows[0]


def test_a_seen_class_without_rows_is_allowed() -> None:
    features, labels, priors = world()
    keep = labels != 2
    model = WGAN(**SMALL).fit(features[keep], labels[keep], priors, engine=engine())
    assert model.sample(priors, 1)[0].isfinite().all()


def test_options_change_what_they_name() -> None:
    data = world()
    base = weights(WGAN(**SMALL).fit(*data, engine=engine()))
    for option in ({"ema": 0.9}, {"lr_decay": 1.0}, {"penalty": 0.0}, {"priors": "standard"}, {"prior_size": 2.0}):
        changed = weights(WGAN(**SMALL, **option).fit(*data, engine=engine()))
        assert not torch.equal(base, changed), option


def test_the_running_mean_follows_its_recursion() -> None:
    """With decay 0.5 the mean is half of what it was and half of the new weights, from the first weights on."""
    from kgzsl.generators.loop import TrainingData
    from kgzsl.generators.networks import Critic, PriorToFeature
    from kgzsl.generators.wgan_loop import LoopOptions, WGANLoop

    features, labels, priors = world()
    e = engine()
    network = PriorToFeature(4, 4, 10, [8], "linear", generator=e.generator())
    critic = Critic(10, 4, [8], generator=e.generator())
    options = LoopOptions(8, 1, 10, 1e-2, (0, 0.9), 3, ema=0.5)
    loop = WGANLoop({"network": network}, critic, TrainingData(features, labels, priors, (), e), options)
    expected = network.weights[0].detach().clone()
    for index in range(3):
        loop.step(index)
        expected = 0.5 * expected + 0.5 * network.weights[0].detach()
    mean = loop.sampling_modules()["network"]
    assert isinstance(mean, PriorToFeature)
    torch.testing.assert_close(mean.weights[0].detach(), expected)


def test_divergence_is_named() -> None:
    features, labels, priors = world()
    with pytest.raises(TrainingError, match=r"loss became (NaN|infinite) at step \d+ of wgan; lower lr"):
        WGAN(**{**SMALL, "epochs": 300}, lr=1e12).fit(features, labels, priors, engine=engine())


def test_a_diverging_critic_is_named() -> None:
    """Without a penalty nothing holds the critic's slope; with one the same training goes through."""
    features, labels, priors = world()
    options = {**SMALL, "epochs": 60, "lr": 0.1, "classification": 0.0}
    with pytest.raises(TrainingError, match=r"critic diverges: its slope is \d.* at step \d+; lower lr, raise penalty"):
        WGAN(**options, penalty=0.0).fit(features, labels, priors, engine=engine())
    history = WGAN(**options, penalty=10.0).fit(features, labels, priors, engine=engine()).history
    assert history is not None
    assert 0.01 < max(history.column("slope")) < 3.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, y, p: (f[:, :1] * torch.nan, y, p), r"row 0 .*features hold NaN"),
        (lambda f, y, p: (f, y, p.index_fill(0, torch.tensor([2]), torch.inf)), r"row 2 .*priors hold NaN"),
        (lambda f, y, p: (f, y.float(), p), "must be integers"),
        (lambda f, y, p: (f[:-1], y, p), "do not fit"),
        (lambda f, y, p: (f[:0], y[:0], p), "no training features"),
    ],
)
def test_bad_data_is_refused(change: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        WGAN(**SMALL).fit(*change(*world()), engine=engine())


def test_bad_options_and_use_are_refused() -> None:
    for option in ({"hidden": 0}, {"lr": 0}, {"betas": (0.5, 1.0)}, {"lr_decay": 2}, {"ema": 1.0}, {"critic_steps": 0}):
        with pytest.raises(InputError, match=f"{next(iter(option))} is .*; (give|choose) "):
            WGAN(**option)
    with pytest.raises(InputError, match="not fitted"):
        WGAN().sample(torch.zeros(1, 4), 1)
    model = WGAN(**SMALL).fit(*world(), engine=engine())
    with pytest.raises(InputError, match="do not fit a generator for 4-d"):
        model.sample(torch.zeros(1, 5), 1)


def test_found_by_name() -> None:
    assert isinstance(generators.make("wgan", hidden=8), WGAN)
    with pytest.raises(InputError, match="did you mean 'hidden'"):
        generators.make("wgan", hiden=8)


def test_one_class_one_row() -> None:
    model = WGAN(**SMALL).fit(torch.ones(1, 3), torch.zeros(1, dtype=torch.int64), torch.ones(1, 2), engine=engine())
    assert model.sample(torch.ones(1, 2), 2)[0].shape == (2, 3)
