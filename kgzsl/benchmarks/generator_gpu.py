"""The generator on a GPU: a training as large as AwA2's, captured and step by step, and the page that says so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import torch
from torch import Tensor

from kgzsl.engine import Engine
from kgzsl.generators import WGAN

__all__ = ["AWA2", "page", "trained"]

#: Sizes of the training: rows, features, seen classes and width of the prior, as in AwA2.
AWA2: dict[str, int] = {"rows": 23_527, "features": 2048, "classes": 40, "prior": 85}


def trained(engine: Engine, sizes: Mapping[str, int] = AWA2, **options: Any) -> dict[str, float]:
    """Train f-CLSWGAN on random data of these sizes.

    Args:
        engine: Where, and whether captured.
        sizes: See :data:`AWA2`.
        **options: Of the generator.

    Returns:
        ``seconds`` of the training, its ``steps_per_s``, and ``right``: the share of samples of seen classes that lie
        nearest to the mean of their own class, which tells whether both ways learn the same.
    """
    features, labels, priors = _world(sizes)
    model = WGAN(**options).fit(features, labels, priors, engine=engine)
    assert model.history is not None
    samples, made_of = model.sample(priors, 20, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(labels, minlength=len(priors)).clamp_min(1)
    sums = torch.zeros(len(priors), features.shape[1]).index_add_(0, labels, features)
    nearest = torch.cdist(samples.cpu(), sums / counts[:, None]).argmin(dim=1)
    seconds = max(model.history.seconds, 1e-9)
    right = float((nearest == made_of.cpu()).float().mean())
    return {"seconds": seconds, "steps_per_s": model.history.steps / seconds, "right": right}


def _world(sizes: Mapping[str, int]) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    priors = torch.randn(sizes["classes"], sizes["prior"], generator=random)
    labels = torch.randint(sizes["classes"], (sizes["rows"],), generator=random)
    turn = torch.randn(sizes["prior"], sizes["features"], generator=random) / sizes["prior"] ** 0.5
    noise = torch.randn(sizes["rows"], sizes["features"], generator=random)
    return ((priors @ turn)[labels] + 0.5 * noise).clamp_min_(0), labels, priors


def page(report: Mapping[str, Any]) -> str:
    """The Markdown of a report of ``kgzsl bench generator`` that a GPU has given."""
    sizes = report["sizes"]
    lines = [
        "# The generator on a GPU",
        "",
        f"Made by `kgzsl bench generator --device cuda` on {report['device']}, {date.today().isoformat()}, PyTorch "
        f"{torch.__version__}, precision {report['precision']}.",
        "",
        "One step is five critic steps and one generator step of f-CLSWGAN, with gradient penalty and classification "
        f"loss: features of {sizes['feature_dim']}, hidden layers of {sizes['hidden']}, batches of "
        f"{sizes['batch_size']}. *Captured* is `train: {{capture: auto}}`: the step is recorded as a CUDA graph and "
        "replayed. *Eager* is without. *Plain* is a plain PyTorch loop in float32.",
        "",
        "| width of the prior | captured, steps/s | eager, steps/s | plain, steps/s |",
        "| --- | --- | --- | --- |",
    ]
    for case in report["cases"]:
        rate = case["steps_per_s"]
        lines.append(
            f"| {case['prior_dim']} | {rate['captured']:.1f} | {rate['eager']:.1f} | {1 / case['baseline_s']:.1f} |"
        )
    if report.get("training"):
        lines += [
            "",
            f"A whole training on random data as large as AwA2's ({AWA2['rows']:,} rows of {AWA2['features']}, "
            f"{report['training']['epochs']} epochs); *right* is the share of samples that lie nearest to the mean of "
            "their own class.",
            "",
            "| | seconds | steps/s | right |",
            "| --- | --- | --- | --- |",
        ]
        for how in ("captured", "eager"):
            one = report["training"][how]
            lines.append(f"| {how} | {one['seconds']:.1f} | {one['steps_per_s']:.1f} | {one['right']:.3f} |")
    return "\n".join([*lines, ""])
