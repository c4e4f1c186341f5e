"""Captured training: the same numbers as step by step, for every generator, and what is left out of it."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kgzsl import generators
from kgzsl.engine import CaptureWarning, Engine
from kgzsl.generators import FeatureGenerator

pytestmark = pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")
SMALL: dict[str, Any] = {"hidden": 16, "epochs": 3, "batch_size": 24, "ema": 0.5, "lr_decay": 0.7}
OPTIONS: dict[str, dict[str, Any]] = {
    "cada-vae": {"noise_dim": 3},
    "ce-gzsl": {"embedding": 8, "projection": 4, "comparator": 4, "critic_steps": 2},
    "cycle-wgan": {"critic_steps": 2},
    "diffusion": {"steps": 3},
    "extrapolation": {"k": 2},
    "f-vaegan": {"critic_steps": 2},
    "tf-vaegan": {"critic_steps": 2},
    "wgan": {"critic_steps": 2},
}


def world() -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    priors = torch.randn(6, 4, generator=g)
    labels = torch.arange(6).repeat_interleave(16)
    features = (priors @ torch.randn(4, 7, generator=g))[labels] + 0.3 * torch.randn(96, 7, generator=g)
    return features.clamp_min(-0.5), labels, priors


def engine(**options: Any) -> Engine:
    return Engine(**{"device": "cpu", "precision": "32-true", "progress": False, **options})


def fitted(name: str, on: Engine, **options: Any) -> FeatureGenerator:
    return generators.make(name, **{**SMALL, **OPTIONS[name], **options}).fit(*world(), engine=on)


def weights(model: Any) -> Tensor:
    return torch.cat([v.flatten() for one in model.state_dict()["modules"].values() for v in one.values()])


def same(a: Any, b: Any) -> bool:
    assert a.history is not None
    return torch.equal(weights(a), weights(b)) and a.history.rows == b.history.rows


@pytest.mark.parametrize("name", sorted(OPTIONS))
@pytest.mark.parametrize("recording", ["called again", "tape"])
def test_captured_equals_step_by_step_bit_by_bit(
    name: str, recording: str, tape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tape repeats operations on the memory they had: a learning rate or a weight frozen in it would show."""
    plain = fitted(name, engine())
    made: list[Any] = []
    if recording == "tape":
        monkeypatch.setattr(Engine, "recording", lambda self: made.append(tape()) or made[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("error", CaptureWarning)
        captured = fitted(name, engine(capture="on"))
    assert same(plain, captured)
    assert all(one.replays == 12 - 3 for one in made)  # three epochs of four steps, three to warm up
    assert len(made) == (recording == "tape")


@pytest.mark.parametrize("options", [{"hidden": (16, 8)}, {"lr_decay": 0.0, "ema": 0.0, "classification": 0.0}])
@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed"])
def test_other_critics_and_precisions(
    options: dict[str, Any], precision: str, tape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = fitted("wgan", engine(precision=precision), **options)
    monkeypatch.setattr(Engine, "recording", lambda self: tape())
    with warnings.catch_warnings():
        warnings.simplefilter("error", CaptureWarning)
        assert same(plain, fitted("wgan", engine(precision=precision, capture="on"), **options))


def test_a_rate_that_a_recording_froze_would_be_seen(tape: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from kgzsl.generators.loop import GeneratorLoop

    plain = fitted("wgan", engine())
    monkeypatch.setattr(Engine, "recording", lambda self: tape())
    monkeypatch.setattr(GeneratorLoop, "varying", lambda self, name, value, dtype=None: value)
    assert not same(plain, fitted("wgan", engine(capture="on")))


@pytest.mark.parametrize("name", ["wgan", "cada-vae"])
@pytest.mark.parametrize(("first", "second"), [("on", "on"), ("off", "on"), ("on", "off")])
def test_resumed_equals_uninterrupted_whoever_captured(
    name: str, first: str, second: str, tmp_path: Path, tape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fitted(name, engine())
    monkeypatch.setattr(Engine, "recording", lambda self: tape())

    def stop(model: FeatureGenerator, epoch: int) -> None:
        if epoch == 2:  # the recording has been replayed by then
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generators.make(name, **SMALL, **OPTIONS[name]).fit(
            *world(), engine=engine(checkpoint=tmp_path, capture=first), callback=stop, callback_every_epochs=1
        )
    resumed = fitted(name, engine(checkpoint=tmp_path, resume=True, capture=second))
    assert same(whole, resumed)


def test_callbacks_draw_and_sample_between_replays(tape: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "recording", lambda self: tape())
    seen = []

    def look(model: FeatureGenerator, epoch: int) -> None:
        torch.rand(3)
        seen.append(model.sample(world()[2], 2)[0])

    captured = generators.make("wgan", **SMALL, critic_steps=2)
    captured.fit(*world(), engine=engine(capture="on"), callback=look, callback_every_epochs=1)
    assert len(seen) == 3
    assert not torch.equal(seen[1], seen[2])  # samples of the weights as they are then
    assert same(fitted("wgan", engine()), captured)


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"souls": 2}, "the shapes of souls depend on what is drawn"), ({"hold_out": 0.3}, "hold_out chooses other rows")],
)
def test_what_moves_is_trained_step_by_step_with_one_note(
    options: dict[str, Any], reason: str, tape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = fitted("wgan", engine(), **options)
    monkeypatch.setattr(Engine, "recording", lambda self: pytest.fail("nothing is to be recorded"))
    with pytest.warns(CaptureWarning, match=reason) as caught:
        captured = fitted("wgan", engine(capture="on"), **options)
    assert sum(one.category is CaptureWarning for one in caught) == 1
    assert same(plain, captured)


def test_a_classifier_that_waits_for_the_device_is_told_and_trained_with(
    tape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waits(features: Tensor) -> Tensor:
        return features[:, :6] * float(features.detach().abs().mean())

    model = [generators.make("wgan", **SMALL, critic_steps=2) for _ in range(2)]
    plain = model[0].fit(*world(), classifier=waits, engine=engine())
    monkeypatch.setattr(Engine, "recording", lambda self: tape())
    with pytest.warns(CaptureWarning, match="cannot be captured"):
        captured = model[1].fit(*world(), classifier=waits, engine=engine(capture="on"))
    # The refused recording had drawn its numbers already, on the tape; a capture on a GPU puts them back.
    assert captured.history is not None
    assert plain.history is not None
    assert len(captured.history.rows) == len(plain.history.rows)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
class TestOnAGPU:
    def trained(self, capture: str, seed: int, **options: Any) -> Any:
        on = Engine(device="cuda", precision="32-true", progress=False, seed=seed, capture=capture)
        told = {"hidden": 64, "epochs": 40, "batch_size": 32, "lr": 1e-3, "noise_dim": 4, "lr_decay": 0.5, **options}
        with warnings.catch_warnings():
            warnings.simplefilter("error", CaptureWarning)
            return generators.make("wgan", **told).fit(*world(), engine=on)

    def missed(self, model: Any) -> float:
        """How far the mean of 500 samples of each class lies from the class's mean."""
        features, labels, priors = world()
        samples, made_of = model.sample(priors, 500, generator=torch.Generator().manual_seed(0))
        means = torch.stack([features[labels == c].mean(dim=0) for c in range(6)])
        made = torch.stack([samples.cpu()[made_of.cpu() == c].mean(dim=0) for c in range(6)])
        return float((made - means).norm(dim=1).mean())

    def test_captured_is_as_good_as_step_by_step(self) -> None:
        """Both draw the same numbers: what differs lies within the spread over seeds."""
        seeds = range(3)
        plain = [self.missed(self.trained("off", seed)) for seed in seeds]
        captured = [self.missed(self.trained("on", seed)) for seed in seeds]
        spread = max(plain) - min(plain)
        gap = abs(sum(plain) - sum(captured)) / len(plain)
        assert gap <= max(spread, 0.05 * max(plain)), (plain, captured)

    @pytest.mark.parametrize("name", sorted(OPTIONS))
    def test_every_generator_is_captured(self, name: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CaptureWarning)
            model = fitted(name, engine(device="cuda", capture="on"))
        assert weights(model).isfinite().all()
        plain = fitted(name, engine(device="cuda", capture="off"))
        torch.testing.assert_close(weights(model), weights(plain), rtol=0.05, atol=0.01)

    def test_a_failed_capture_goes_on_with_the_same_numbers(self) -> None:
        def waits(features: Tensor) -> Tensor:
            return features[:, :6] * float(features.detach().abs().mean())

        told = {**SMALL, "critic_steps": 2}
        plain = generators.make("wgan", **told).fit(*world(), classifier=waits, engine=engine(device="cuda"))
        with pytest.warns(CaptureWarning):
            captured = generators.make("wgan", **told).fit(
                *world(), classifier=waits, engine=engine(device="cuda", capture="on")
            )
        torch.testing.assert_close(weights(captured), weights(plain), rtol=0.05, atol=0.01)

    @pytest.mark.slow
    def test_training_as_large_as_awa2_takes_less_than_a_minute(self) -> None:
        random = torch.Generator().manual_seed(0)
        features = torch.randn(23_527, 2048, generator=random).clamp_min_(0)
        labels = torch.randint(40, (23_527,), generator=random)
        priors = torch.randn(40, 85, generator=random)
        model = generators.make("wgan", epochs=30)
        begun = time.perf_counter()
        model.fit(features, labels, priors, engine=Engine(device="cuda", capture="on", progress=False))
        assert model.history is not None
        assert model.history.seconds < 60, time.perf_counter() - begun
