"""Scalings undo themselves, and fit what they are given."""

from __future__ import annotations

import pytest
import torch

from kgzsl.errors import InputError
from kgzsl.generators.prior_scaling import PriorScaler
from kgzsl.generators.scaling import FeatureScaler


def features(signed: bool) -> torch.Tensor:
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * torch.arange(1, 7)
    return x + 3 if signed else x.clamp_min(0)


@pytest.mark.parametrize("kind", ["auto", "max", "minmax", "standard", "centre", "none"])
@pytest.mark.parametrize("signed", [True, False])
def test_inverse_undoes_transform(kind: str, signed: bool) -> None:
    x = features(signed)
    scaler = FeatureScaler(kind).fit(x)
    torch.testing.assert_close(scaler.inverse(scaler.transform(x)), x)
    again = FeatureScaler().load_state_dict(scaler.state_dict())
    torch.testing.assert_close(again.transform(x), scaler.transform(x), rtol=0, atol=0)
    assert again.activation == scaler.activation


def test_auto_looks_at_the_data() -> None:
    relu, signed = FeatureScaler().fit(features(False)), FeatureScaler().fit(features(True))
    assert (relu.chosen, relu.activation) == ("max", "relu")
    assert (signed.chosen, signed.activation) == ("standard", "linear")


def test_each_kind_does_what_it_says() -> None:
    x = features(True)
    z = FeatureScaler("standard").fit(x).transform(x)
    torch.testing.assert_close(z.mean(0), torch.zeros(6, dtype=z.dtype))
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(6, dtype=z.dtype))
    c = FeatureScaler("centre").fit(x).transform(x)
    assert c.square().mean().item() == pytest.approx(1.0)
    ratio = c.std(0) / x.std(0)
    torch.testing.assert_close(ratio, ratio[:1].expand(6))  # relative spreads of the features are kept
    m = FeatureScaler("minmax").fit(x).transform(x)
    assert (m.min().item(), m.max().item()) == pytest.approx((0.0, 1.0))
    # 1000 positive values 1..1000 among zeros: the 99.9th percentile is 999.
    r = torch.cat([torch.arange(1.0, 1001.0), torch.zeros(1000)]).reshape(-1, 4)
    assert FeatureScaler("max").fit(r).scale.unique().tolist() == [999.0]


def test_constant_features_stay_finite() -> None:
    x = torch.full((5, 2), 4.0)
    for kind in ("max", "minmax", "standard", "centre"):
        scaler = FeatureScaler(kind).fit(x)
        torch.testing.assert_close(scaler.inverse(scaler.transform(x)), x)
    zero = torch.zeros(5, 2)
    assert FeatureScaler().fit(zero).transform(zero).isfinite().all()


def test_priors() -> None:
    p = torch.randn(30, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p[:, 2] = 5.0
    unit = PriorScaler("l2", 3.0).fit(p).transform(p)
    torch.testing.assert_close(unit.norm(dim=1), torch.full((30,), 3.0, dtype=p.dtype))
    standard = PriorScaler("standard", 2.0).fit(p)
    z = standard.transform(p)
    assert z.square().sum(1).mean().item() == pytest.approx(4.0)
    assert z[:, 2].abs().max().item() == 0
    torch.testing.assert_close(PriorScaler().load_state_dict(standard.state_dict()).transform(p), z)
    torch.testing.assert_close(PriorScaler("none").fit(p).transform(p), p)
    assert PriorScaler("l2").fit(p).transform(torch.zeros(1, 4)).tolist() == [[0.0] * 4]


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'minmax'"):
        FeatureScaler("min-max")
    with pytest.raises(InputError, match="kind is 'x'; choose none, l2 or standard"):
        PriorScaler("x")
