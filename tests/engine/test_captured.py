"""A recorded step: warm-up, replay, copies of the losses, and what happens where nothing can be recorded."""

from __future__ import annotations

import warnings

import pytest
import torch

from kgzsl.engine import CapturedStep, CaptureWarning, Engine
from kgzsl.engine.recording import CalledAgain
from kgzsl.errors import InputError
from kgzsl.recipe import Recipe


def test_losses_are_copies_and_steps_are_counted_once(tape) -> None:
    for recording in (CalledAgain(), tape()):
        state, calls = torch.zeros(()), []

        def work(state=state, calls=calls):
            calls.append(1)
            state.add_(1)
            return {"state": state * 1, "half": (state / 2).to(torch.bfloat16)}

        step = CapturedStep(work, recording, warm_up=2)
        told = [step() for _ in range(6)]
        assert [float(one["state"]) for one in told] == [1, 2, 3, 4, 5, 6]
        assert [float(one["half"]) for one in told] == [0.5, 1, 1.5, 2, 2.5, 3]
        assert step.recorded
        assert len(calls) == (6 if isinstance(recording, CalledAgain) else 3)  # a tape does not ask Python again


def test_random_numbers_go_on_through_replays(tape) -> None:
    random = torch.Generator().manual_seed(3)
    step = CapturedStep(lambda: {"drawn": torch.rand((), generator=random)}, tape())
    told = [float(step()["drawn"]) for _ in range(6)]
    assert told == torch.rand(6, generator=torch.Generator().manual_seed(3)).tolist()


def test_what_cannot_be_recorded_goes_on_by_calls_and_is_told_once(tape) -> None:
    state = torch.zeros(())

    def work():
        if float(state) >= 0:  # waits for the device
            state.add_(1)
        return {"state": state.clone()}

    step = CapturedStep(work, tape(), warm_up=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        told = [float(step()["state"]) for _ in range(4)]
    assert told == [1, 2, 3, 4]
    assert step.failed
    (only,) = caught
    assert only.category is CaptureWarning
    assert "cannot be captured (aten._local_scalar_dense.default is not permitted" in str(only.message)
    assert "more lines" not in str(only.message)


def test_forgotten_recordings_are_made_anew(tape) -> None:
    holder = {"state": torch.zeros(())}

    def work():
        holder["state"].add_(1)
        return {"state": holder["state"].clone()}

    recording = tape()
    step = CapturedStep(work, recording, warm_up=1)
    for _ in range(3):
        step()
    holder["state"] = torch.full((), 10.0)  # as a loaded checkpoint replaces the states of an optimizer
    assert float(step()["state"]) == 4  # the recording knows the old memory
    step.forget()
    recording.replays = 0
    assert [float(step()["state"]) for _ in range(3)] == [11, 12, 13]


def test_capture_is_off_on_a_cpu_unless_asked_for() -> None:
    def captures(**options) -> bool:
        return Engine(device="cpu", progress=False, **options).captures

    assert not captures()
    assert not captures(capture="off")
    assert captures(capture="on")
    assert captures(capture=True)
    assert isinstance(Engine(device="cpu").recording(), CalledAgain)
    with pytest.raises(InputError, match=r"capture is 'yes'.*auto, on or off"):
        captures(capture="yes")


def test_recipes_take_the_switch_as_yaml_reads_it() -> None:
    text = "task: image_classification\ndataset: flo\npriors: att\ntrain: {capture: %s}\n"
    for said, meant in (("on", "on"), ("off", "off"), ("auto", "auto"), ("'on'", "on")):
        assert Recipe.parse(text % said).train.capture == meant
    with pytest.raises(InputError, match="capture"):
        Recipe.parse(text % "maybe")
