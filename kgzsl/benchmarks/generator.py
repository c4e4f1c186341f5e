"""One WGAN iteration beside a plain autograd one of the same networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kgzsl._files import atomic_text
from kgzsl.benchmarks.generator_gpu import page, trained
from kgzsl.benchmarks.plain_wgan import PlainWGAN
from kgzsl.benchmarks.timing import Laps, interleaved
from kgzsl.engine import Engine
from kgzsl.generators.loop import TrainingData
from kgzsl.generators.networks import Critic, PriorToFeature
from kgzsl.generators.penalty import autograd_penalty, closed_form_penalty, critic_gradients
from kgzsl.generators.terms import Classification
from kgzsl.generators.wgan_loop import LoopOptions, WGANLoop

__all__ = ["check", "run"]

_ROWS, _CLASSES = 2000, 40
_WEIGHT = 10.0
_IN_FLIGHT = 20


def run(
    device: str = "auto",
    *,
    precision: str = "auto",
    prior_dims: tuple[int, ...] = (85, 200),
    feature_dim: int = 2048,
    hidden: int = 4096,
    batch_size: int = 64,
    laps: int = 7,
    threads: int = 1,
    epochs: int = 30,
    out: str = "docs/benchmarks/gpu.md",
) -> dict[str, Any]:
    """Time one iteration: 5 critic steps and 1 generator step, with gradient penalty and classification loss.

    Ours and theirs take turns: this project's step at ``precision``, the same in float32 (if that is another),
    and the plain float32 loop with Adam as it comes and with fused Adam. On a GPU ours is captured as a CUDA graph,
    the same step by step stands beside it, a training as large as AwA2's is timed both ways, and the page ``out`` is
    written; on a CPU nothing is captured and no page is written.

    Args:
        device: As for :class:`Engine`.
        precision: As for :class:`Engine`; ``"auto"`` is the default that a user gets.
        prior_dims: Widths of the priors; each is timed.
        feature_dim: Width of the features.
        hidden: Width of all hidden layers.
        batch_size: Rows of one step.
        laps: Laps of each implementation.
        threads: Threads of the CPU. One by default: threads that wait for each other on a busy machine burn time that
            would be counted.
        epochs: Of the whole training on a GPU; 0 leaves it out.
        out: The Markdown page of a GPU's figures.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`. ``ratio`` is the smallest over the prior widths for ``precision``;
        ``cases`` gives every width: medians, spreads, steps per second, and the ratio to the baseline with fused Adam
        as well.

    Raises:
        InputError: A device that is not here.
    """
    engine = Engine(device=device, precision=precision, capture="auto", progress=False)
    checked = check()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        cases = [_case(engine, prior_dim, feature_dim, hidden, batch_size, laps) for prior_dim in prior_dims]
    finally:
        torch.set_num_threads(before)
    worst = min(cases, key=lambda case: float(case["ratio"]))
    where = engine.torch_device
    report: dict[str, Any] = {
        "name": "generator",
        "ours_s": worst["ours_s"],
        "baseline_s": worst["baseline_s"],
        "ratio": worst["ratio"],
        "spread": worst["spread"],
        "unit": ("processor" if where.type == "cpu" else "wall") + " seconds for 5 critic steps and 1 generator step",
        "checked": checked,
        "sizes": {
            "feature_dim": feature_dim,
            "prior_dims": list(prior_dims),
            "hidden": hidden,
            "batch_size": batch_size,
            "laps": laps,
        },
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else where.type,
        "threads": threads,
        "precision": engine.chosen_precision,
        "baseline": "plain float32 WGAN-GP by autograd, torch.optim.Adam as it comes",
        "cases": cases,
    }
    if where.type == "cuda":
        report["training"] = _whole(engine, epochs) if epochs else None
        atomic_text(Path(out), page(report))
        report["out"] = out
    return report


def _whole(engine: Engine, epochs: int) -> dict[str, Any]:
    ways = {"captured": "on", "eager": "off"}
    return {"epochs": epochs, **{n: trained(engine.derive(capture=way), epochs=epochs) for n, way in ways.items()}}


def _case(engine: Engine, prior_dim: int, feature_dim: int, hidden: int, batch: int, laps: int) -> dict[str, Any]:
    device = engine.torch_device
    random = torch.Generator().manual_seed(0)
    features = torch.randn(_ROWS, feature_dim, generator=random).clamp_min(0).to(device)
    labels = torch.randint(_CLASSES, (_ROWS,), generator=random).to(device)
    priors = torch.nn.functional.normalize(torch.randn(_CLASSES, prior_dim, generator=random), dim=1).to(device)
    head = (0.01 * torch.randn(_CLASSES, feature_dim, generator=random)).to(device), torch.zeros(_CLASSES).to(device)
    data = (features, labels, priors, head)

    captures = engine.captures
    work = {"ours": _our_iteration(engine, *data, hidden=hidden, batch_size=batch)}
    if captures:
        work["ours_eager"] = _our_iteration(engine.derive(capture="off"), *data, hidden=hidden, batch_size=batch)
    if engine.chosen_precision != "32-true":
        single = Engine(device=engine.device, precision="32-true", progress=False)
        work["ours_float32"] = _our_iteration(single, *data, hidden=hidden, batch_size=batch)
    for name, fused in (("baseline", False), ("baseline_fused_adam", True)):
        work[name] = PlainWGAN(*data, hidden=hidden, batch_size=batch, fused=fused).iteration
    # A launch takes as long as a small step: on a GPU many are in flight before anyone waits.
    taken = interleaved(work, laps, device, warm_up=1, repeats=_IN_FLIGHT if device.type == "cuda" else 1)
    ours = taken["ours"]
    case: dict[str, Any] = {"prior_dim": prior_dim}
    for name, lap in taken.items():
        case |= {f"{name}_s": lap.median, f"{name}_spread": lap.spread}
        if name != "ours" and not name.startswith("ours"):
            case["ratio" if name == "baseline" else "ratio_to_fused_adam"] = _ratio(lap, ours)
    if "ours_float32" in taken:
        case["ratio_float32"] = _ratio(taken["baseline"], taken["ours_float32"])
    rates = {"captured" if captures else "eager": 1 / ours.median}
    if captures:
        rates["eager"] = 1 / taken["ours_eager"].median
    return case | {"steps_per_s": rates, "spread": max(ours.spread, taken["baseline"].spread)}


def _ratio(slow: Laps, fast: Laps) -> float:
    return slow.median / fast.median


def _our_iteration(
    engine: Engine,
    features: Tensor,
    labels: Tensor,
    priors: Tensor,
    head: tuple[Tensor, Tensor],
    *,
    hidden: int,
    batch_size: int,
) -> Any:
    random, width, prior = engine.generator(), features.shape[1], priors.shape[1]
    network = engine.prepare(PriorToFeature(prior, prior, width, [hidden], "relu", generator=random))
    critic = engine.prepare(Critic(width, prior, [hidden], generator=random))
    weight, bias = head[0].T.contiguous(), head[1]
    term = Classification(lambda fake: torch.addmm(bias, fake, weight), 0.01)
    options = LoopOptions(batch_size, 5, _WEIGHT, 1e-4, (0.5, 0.999), steps=1)
    data = TrainingData(features, labels, priors, (term,), engine)
    loop = WGANLoop({"network": network}, critic, data, options)
    return lambda: loop.step(0)


def check() -> str:
    """Compare both penalties, and the whole critic step, with autograd in float64.

    Returns:
        What was compared, and the largest difference found.

    Raises:
        AssertionError: A difference above 1e-9.
    """
    random = torch.Generator().manual_seed(0)
    critic = Critic(256, 16, [128], generator=random, dtype=torch.float64)
    for parameter in critic.parameters():
        parameter.data.normal_(0, 0.2, generator=random)
    real, fake = (torch.randn(32, 256, generator=random, dtype=torch.float64) for _ in range(2))
    prior = torch.randn(32, 16, generator=random, dtype=torch.float64)
    mix = torch.rand(32, generator=random, dtype=torch.float64)
    parameters = list(critic.parameters())

    def gradients(loss: Tensor) -> list[Tensor]:
        found = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True, materialize_grads=True)
        return list(found)

    general = autograd_penalty(critic, real, fake, prior, mix)
    closed = closed_form_penalty(critic, real, fake, prior, mix)
    distance = critic(real, prior).mean() - critic(fake, prior).mean()
    found = critic_gradients(critic, real, fake, prior, mix, _WEIGHT, torch.float64)
    written = [p.grad for p in parameters if p.grad is not None]
    pairs = [(closed, general), (found[1], general), (found[0], distance)]
    pairs += list(zip(gradients(closed), gradients(general), strict=True))
    pairs += list(zip(written, gradients(_WEIGHT * general - distance), strict=True))
    largest = max(float((a - b).detach().abs().max()) for a, b in pairs)
    if not largest <= 1e-9:
        raise AssertionError(f"the closed form differs from autograd by {largest:.1e}")
    return (
        f"float64: penalty value, its gradients, and all critic gradients equal autograd's; largest gap {largest:.1e}"
    )
