"""The engine: resuming gives the same numbers, bad losses are named, random state is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kgzsl.engine import Engine, TrainingError, load_tree, save_tree
from kgzsl.engine.hardware import choose_precision, has_bf16
from kgzsl.errors import InputError


class Regression:
    """A loop with all that must survive a stop: Adam, the engine's generator, dropout on the global state."""

    def __init__(
        self, engine: Engine, width: int = 8, kill_at: int | None = None, signal_at: int | None = None
    ) -> None:
        self.config = {"width": width}
        self.engine, self.generator, self.kill_at, self.signal_at = engine, engine.generator(), kill_at, signal_at
        with engine.seeded():
            net = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Dropout(0.2), nn.Linear(width, 1))
        self.net = engine.prepare(net)
        self.adam = torch.optim.Adam(self.net.parameters(), lr=1e-2)

    def step(self, index: int) -> dict[str, Tensor]:
        if index == self.kill_at:
            raise RuntimeError("power cut")
        x = torch.randn(16, 4, generator=self.generator)
        loss = (self.net(x) - x.sum(1, keepdim=True)).square().mean()
        self.adam.zero_grad()
        if index == self.signal_at:
            for _ in range(2):  # in the middle of a step, which must be finished first; `timeout` signals twice
                os.kill(os.getpid(), signal.SIGTERM)
        loss.backward()
        self.engine.average_gradients(self.net.parameters())
        self.adam.step()
        return {"loss": loss.detach(), "twice": 2 * loss.detach()}

    def state_dict(self) -> dict[str, Any]:
        return {"net": self.net.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        self.net.load_state_dict(state["net"])
        self.adam.load_state_dict(state["adam"])

    def flat(self) -> Tensor:
        return torch.cat([p.detach().reshape(-1) for p in self.net.parameters()])


def engine(folder: Path | None = None, **options: Any) -> Engine:
    return Engine(device="cpu", precision="32-true", progress=False, checkpoint=folder, **options)


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole = Regression(engine())
    history = whole.engine.run(whole, steps=40, log_every=7)

    # Crash at 17 with a checkpoint at 15, SIGTERM inside step 24, then to the end; 15 and 24 lie inside log windows.
    for options, error in (({"kill_at": 17}, RuntimeError), ({"signal_at": 23}, KeyboardInterrupt), ({}, None)):
        e = engine(tmp_path, checkpoint_every=15, resume=True)
        loop = Regression(e, **options)
        if error is not None:
            with pytest.raises(error):
                e.run(loop, steps=40, log_every=7)
            saved = load_tree(tmp_path / "train.seed0.safetensors")
            assert saved["done"] == (15 if error is RuntimeError else 24)
        else:
            resumed = e.run(loop, steps=40, log_every=7)
    assert torch.equal(loop.flat(), whole.flat())
    assert resumed.rows == history.rows
    assert [row["step"] for row in history] == [7, 14, 21, 28, 35, 40]


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    first = Regression(engine(tmp_path))
    history = first.engine.run(first, steps=5)
    again = Regression(engine(tmp_path, resume=True), kill_at=0)
    assert again.engine.run(again, steps=5).rows == history.rows
    assert torch.equal(again.flat(), first.flat())
    assert torch.equal(again.generator.get_state(), first.generator.get_state())


def test_runs_of_one_name_have_their_own_checkpoints(tmp_path: Path) -> None:
    e = engine(tmp_path)
    for name in ("train", "train-2"):
        assert e.run(Regression(e), steps=2).name == name
    assert sorted(f.name for f in tmp_path.iterdir()) == ["train-2.seed0.safetensors", "train.seed0.safetensors"]


def test_callback_changes_no_numbers_and_survives_interruption(tmp_path: Path) -> None:
    plain = Regression(engine())
    rows = plain.engine.run(plain, steps=20, log_every=5).rows

    calls: list[int] = []

    def build(e: Engine, stop_at: int | None) -> Any:
        def callback(done: int) -> dict[str, float]:
            torch.rand(3)
            torch.rand(3, generator=e.generator())
            if done == stop_at:
                raise KeyboardInterrupt
            calls.append(done)
            return {"score": float(done)}

        return callback

    e = engine(tmp_path, resume=True)
    with pytest.raises(KeyboardInterrupt, match="after step 10 of 20"):
        e.run(Regression(e), steps=20, log_every=5, callback=build(e, 10), callback_every=5)
    e = engine(tmp_path, resume=True)
    loop = Regression(e)
    history = e.run(loop, steps=20, log_every=5, callback=build(e, None), callback_every=5)
    assert calls == [5, 10, 15, 20]
    assert [r for r in history.rows if "loss" in r] == rows
    assert history.at("score") == [(5, 5.0), (10, 10.0), (15, 15.0), (20, 20.0)]
    assert torch.equal(loop.flat(), plain.flat())


def test_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    e = engine()
    e.run(Regression(e), steps=3)
    assert torch.equal(torch.get_rng_state(), before)


def test_seed_decides_the_numbers() -> None:
    def final(seed: int) -> Tensor:
        loop = Regression(engine(seed=seed))
        loop.engine.run(loop, steps=3)
        return loop.flat()

    torch.manual_seed(1)
    a = final(0)
    torch.manual_seed(2)
    assert torch.equal(a, final(0))
    assert not torch.equal(a, final(1))


class Diverging(Regression):
    hint = "lower lr"

    def step(self, index: int) -> dict[str, Tensor]:
        return {"generator": torch.tensor(1.0), "critic": torch.tensor(float("nan") if index >= 119 else 1.0)}


def test_nan_is_named_with_its_step(tmp_path: Path) -> None:
    e = engine(tmp_path, checkpoint_every=130)
    with pytest.raises(TrainingError, match="critic loss became NaN at step 120 of wgan; lower lr"):
        e.run(Diverging(e), steps=200, name="wgan", log_every=50)
    assert not list(tmp_path.iterdir())  # a state with NaN in it is not saved at 130 either


def test_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    e = engine(tmp_path)
    e.run(Regression(e), steps=2)
    e = engine(tmp_path, resume=True)
    with pytest.raises(InputError, match="another width"):
        e.run(Regression(e, width=9), steps=2)
    (tmp_path / "train.seed0.safetensors").write_bytes(b"\x08")
    with pytest.raises(InputError, match=r"train\.seed0\.safetensors.*not a readable"):
        e.run(Regression(e), steps=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cudaa"}, "did you mean cuda"),
        ({"precision": "16"}, "precision '16' is not offered"),
        ({"resume": True}, "no checkpoint folder"),
        ({"devices": 0}, "devices is 0"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0"),
        ({"progress": "loud"}, "progress is 'loud'"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Engine(**options)


def test_auto_precision_follows_the_hardware() -> None:
    assert choose_precision("auto", "cpu") == ("bf16-mixed" if has_bf16("cpu") else "32-true")
    assert Engine(device="cpu", precision="64-true").dtype == torch.float64


def test_plain_lines_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    e = Engine(device="cpu", precision="32-true")
    e.run(Regression(e), steps=200, name="fit", log_every=1)
    lines = capsys.readouterr().err.splitlines()
    assert 10 <= len(lines) <= 12
    assert lines[-1].startswith("fit: step 200/200  loss ")


def test_on_log_and_derive() -> None:
    rows: list[dict[str, Any]] = []
    e = engine(on_log=rows.append)
    e.run(Regression(e), steps=4, log_every=2)
    assert [row["step"] for row in rows] == [2, 4]
    other = e.derive(seed=5, on_log=None)
    assert (other.seed, other.fabric) == (5, e.fabric)
    with pytest.raises(InputError, match="'device' of an engine"):
        e.derive(device="cuda")


def test_trees_round_trip(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    tree = {
        "a": [shared, shared[2:]],
        3: (True, None, 1.5, "x"),
        "b": {"a": torch.tensor(2, dtype=torch.int64)},
        "e": {},
    }
    save_tree(tmp_path / "t.safetensors", tree)
    back = load_tree(tmp_path / "t.safetensors")
    assert torch.equal(back["a"][0], shared)
    assert torch.equal(back["a"][1], shared[2:])
    assert back[3] == (True, None, 1.5, "x")
    assert back["b"]["a"].dtype == torch.int64
    assert back["e"] == {}
    with pytest.raises(TypeError, match="a set cannot be saved"):
        save_tree(tmp_path / "u.safetensors", {"x": {1}})
    assert [f.name for f in tmp_path.iterdir()] == ["t.safetensors"]


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors import SafetensorError

    def full(*_: Any, **__: Any) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("kgzsl.engine.checkpoint.save_file", full)
    with pytest.raises(InputError, match="the disk is full"):
        save_tree(tmp_path / "t.safetensors", {"x": torch.ones(1)})
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_two_ranks_average_their_gradients(tmp_path: Path) -> None:
    """Both ranks hold the same weights after training on different batches, and a resume gives the same again."""
    script = Path(__file__).with_name("two_ranks.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "verdict").read_text() == "equal weights, different batches, equal after resume"


def test_the_chosen_precision_is_not_told_on_standard_error(tmp_path: Path) -> None:
    script = (
        "from kgzsl.engine import Engine\n"
        "print(Engine(device='cpu', precision='bf16-mixed', progress=False).fabric.device.type)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout.strip(), done.stderr) == ("cpu", "")
