"""The benchmarks run, report what DESIGN asks for, and really compare the same thing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kgzsl import benchmarks
from kgzsl.benchmarks import generator as generator_benchmark
from kgzsl.benchmarks import generator_gpu
from kgzsl.benchmarks.plain_wgan import PlainWGAN
from kgzsl.benchmarks.timing import Laps, interleaved
from kgzsl.engine import Engine
from kgzsl.errors import InputError


def test_report_of_a_small_run() -> None:
    threads = torch.get_num_threads()
    report = benchmarks.run("generator", device="cpu", prior_dims=(5,), feature_dim=16, hidden=8, batch_size=4, laps=2)
    assert {"name", "ours_s", "baseline_s", "ratio", "spread", "unit", "checked", "sizes"} <= set(report)
    assert report["ratio"] == pytest.approx(report["baseline_s"] / report["ours_s"])
    assert report["cases"][0]["prior_dim"] == 5
    assert torch.get_num_threads() == threads
    rate = report["cases"][0]["steps_per_s"]
    assert rate == {"eager": pytest.approx(1 / report["ours_s"])}  # nothing is captured on a CPU


@pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")
def test_a_page_of_a_gpu_is_written_by_a_gpu_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "gpu.md"
    small = {"prior_dims": (5,), "feature_dim": 16, "hidden": 8, "batch_size": 4, "laps": 2, "out": str(out)}
    report = benchmarks.run("generator", device="cpu", **small)
    assert "training" not in report
    assert not out.exists()
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="0 CUDA devices are here"):
            benchmarks.run("generator", device="cuda", **small)
        assert not out.exists()
    # What a GPU would report, put together on a CPU: the step that is called again stands for the captured one.
    on = Engine(device="cpu", precision="32-true", progress=False, capture="on")
    sizes = {"rows": 60, "features": 16, "classes": 3, "prior": 5}
    made = generator_benchmark._case(on, 5, 16, 8, 4, 2)
    assert set(made["steps_per_s"]) == {"captured", "eager"}
    ways = {
        name: generator_gpu.trained(on.derive(capture=way), sizes, hidden=8, epochs=2, batch_size=16)
        for name, way in (("captured", "on"), ("eager", "off"))
    }
    assert ways["captured"]["right"] == ways["eager"]["right"]
    text = generator_gpu.page({**report, "device": "some GPU", "cases": [made], "training": {"epochs": 2, **ways}})
    assert "on some GPU, 20" in text
    assert f"| 5 | {made['steps_per_s']['captured']:.1f} | {made['steps_per_s']['eager']:.1f} |" in text
    assert f"| captured | {ways['captured']['seconds']:.1f} |" in text


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_shows_captured_beside_eager(tmp_path: Path) -> None:
    out = tmp_path / "gpu.md"
    report = benchmarks.run(
        "generator", device="cuda", prior_dims=(5,), feature_dim=64, hidden=32, batch_size=8, epochs=1, out=str(out)
    )
    rate = report["cases"][0]["steps_per_s"]
    assert set(rate) == {"captured", "eager"}
    assert rate["captured"] > rate["eager"]  # steps this small are launches and little else
    assert set(report["training"]) == {"epochs", "captured", "eager"}
    assert torch.cuda.get_device_name() in out.read_text()


def test_check_notices_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "equal autograd's" in generator_benchmark.check()
    right = generator_benchmark.critic_gradients

    def wrong(critic, *arguments):  # type: ignore[no-untyped-def]
        pair = right(critic, *arguments)
        critic.w_out.grad += 1e-8
        return pair

    monkeypatch.setattr(generator_benchmark, "critic_gradients", wrong)
    with pytest.raises(AssertionError, match="differs from autograd"):
        generator_benchmark.check()


@pytest.mark.parametrize("fused", [True, False])
def test_the_baseline_trains(fused: bool) -> None:
    """After some iterations its critic's gradient has a length near 1 between real and fake: the penalty works."""
    random = torch.Generator().manual_seed(0)
    features, labels = torch.rand(64, 12, generator=random), torch.arange(64) % 4
    priors, head = torch.eye(4), (torch.zeros(4, 12), torch.zeros(4))
    model = PlainWGAN(features, labels, priors, head, hidden=64, batch_size=32, fused=fused)
    before = [p.detach().clone() for p in model.generator.parameters()]

    def penalty() -> float:
        real, _, prior = model._batch()
        return float(model._penalty(real, model._fake(prior).detach(), prior).detach())

    first = penalty()
    for _ in range(150):
        model.iteration()
    assert penalty() < 0.3 * first
    assert all(not torch.equal(p, q) for p, q in zip(before, model.generator.parameters(), strict=True))


def test_laps() -> None:
    order: list[str] = []
    taken = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2, torch.device("cpu"))
    assert order == ["a", "b"] * 3
    assert len(taken["a"].seconds) == 2
    laps = Laps((1.0, 2.0, 3.0, 4.0, 5.0), ())
    assert (laps.median, laps.spread) == (3.0, pytest.approx(2 / 3))
    assert Laps((1.0,), ()).spread == 0


def test_unknown_name() -> None:
    with pytest.raises(InputError, match="did you mean generator"):
        benchmarks.run("generatr")
    assert "generator" in benchmarks.names()
