"""Each variant's own mechanism: it does what its formula says, and matters."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from kgzsl import generators
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.generators import CADAVAE, CEGZSL, TFVAEGAN, VAEGAN, CycleWGAN, Diffusion, Extrapolation
from kgzsl.generators.cada_vae import ramp, wasserstein
from kgzsl.generators.contrastive import Comparator, class_contrast, instance_contrast
from kgzsl.generators.cycle_wgan import Cycle, prior_regression
from kgzsl.generators.diffusion import ddim_step, schedule
from kgzsl.generators.extrapolation import attention
from kgzsl.generators.vaegan import VAEGANLoop, kl_to_normal

pytestmark = pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def world(noise: float = 0.3) -> tuple[Tensor, Tensor, Tensor]:
    g = random()
    priors = torch.randn(6, 4, generator=g)
    labels = torch.arange(6).repeat_interleave(20)
    return (
        (priors @ torch.randn(4, 10, generator=g))[labels] + noise * torch.randn(120, 10, generator=g),
        labels,
        priors,
    )


def fit(model: Any, data: tuple[Tensor, Tensor, Tensor] | None = None, **options: Any) -> Any:
    engine = Engine(device="cpu", precision="32-true", progress=False)
    return model.fit(*(data or world()), engine=engine, **options)


def to_own_centre(model: Any) -> float:
    """Share of samples that are nearest to the centre of their own class; chance is 1 of 6."""
    features, labels, priors = world()
    centres = torch.stack([features[labels == c].mean(0) for c in range(6)])
    samples, rows = model.sample(priors, 40)
    return float((torch.cdist(samples, centres).argmin(1) == rows).float().mean())


def loop_of(kind: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Where the training loop of the next model of this kind will be."""
    made: list[Any] = []
    loop = kind._loop
    monkeypatch.setattr(kind, "_loop", lambda *given: made.append(loop(*given)) or made[-1])
    return made


def test_prior_regression_is_ridge_and_the_cycle_is_its_error() -> None:
    x, y = torch.randn(50, 3, generator=random()), torch.randn(50, 2, generator=random(1))
    matrix, shift = prior_regression(x, y, 1e-9)
    ones = torch.cat([x, torch.ones(50, 1)], dim=1)
    exact = torch.linalg.lstsq(ones, y).solution
    torch.testing.assert_close(torch.cat([matrix, shift[None]]), exact, rtol=1e-4, atol=1e-4)
    expected = (x @ matrix + shift - y).square().sum(1).mean()
    torch.testing.assert_close(Cycle(matrix, shift, 1.0)(x, torch.zeros(50), y), expected)


def test_the_cycle_makes_features_tell_their_prior() -> None:
    """What R reads back from samples is nearer to the prior than without the loss; weight 0 is the plain WGAN."""
    features, labels, priors = world()
    scaled = torch.nn.functional.normalize(priors, dim=1)
    matrix, shift = prior_regression(features, scaled[labels], 0.1)
    missed = []
    for weight in (0.0, 3.0):
        model = fit(CycleWGAN(hidden=32, epochs=20, batch_size=40, lr=2e-3, classification=0.0, cycle=weight))
        samples, rows = model.sample(priors, 30)
        missed.append(float((samples @ matrix + shift - scaled[rows]).square().sum(1).mean()))
        if not weight:
            plain = fit(generators.WGAN(hidden=32, epochs=20, batch_size=40, lr=2e-3, classification=0.0))
            assert torch.equal(plain.sample(priors, 30)[0], samples)
    assert missed[1] < 0.5 * missed[0]


def test_kl_divergence_equals_torchs() -> None:
    mean, log_variance = torch.randn(5, 3, generator=random()), torch.randn(5, 3, generator=random(1))
    normal = torch.distributions.Normal
    exact = torch.distributions.kl_divergence(normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_to_normal(mean, log_variance), exact)


def test_the_autoencoder_reconstructs_and_learns_without_a_critic() -> None:
    """With no adversarial loss it is a conditional VAE and still finds the classes; weight 0 of both finds nothing."""
    options: dict[str, Any] = {"hidden": 32, "epochs": 30, "batch_size": 40, "lr": 5e-3, "classification": 0.0}
    model = fit(VAEGAN(**options, adversarial=0.0, critic_steps=1))
    assert to_own_centre(model) > 0.8
    lost = model.history.column("reconstruction")
    assert lost[-1] < 0.5 * lost[0]
    assert to_own_centre(fit(VAEGAN(**options, adversarial=0.0, reconstruction=0.0, critic_steps=1))) < 0.5


def test_unlabelled_features_make_it_transductive_and_pull_the_unseen_classes() -> None:
    """A shift of the unseen class that no prior tells: with its unlabelled features samples come nearer to it."""
    features, labels, priors = world()
    keep = labels != 5
    target = features[~keep] + 3.0
    gaps = []
    for given in (False, True):
        model = VAEGAN(hidden=32, epochs=30, batch_size=40, lr=2e-3, critic_steps=2)
        options = {"unlabeled": target, "unlabeled_priors": priors[5:]} if given else {}
        fit(model, (features[keep], labels[keep], priors[:5]), **options)
        assert model.transductive_ is given
        gaps.append(float((model.sample(priors[5:], 50)[0].mean(0) - target.mean(0)).norm()))
    assert gaps[1] < 0.7 * gaps[0]
    with pytest.raises(InputError, match="need the priors of their classes"):
        fit(VAEGAN(), unlabeled=target)
    with pytest.raises(InputError, match="unlabeled features of shape"):
        fit(VAEGAN(), unlabeled=target[:, :3], unlabeled_priors=priors)


def test_the_second_critic_is_shown_what_is_made_for_the_unseen_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own steps and in the generator's; everything else is made for seen classes."""
    features, labels, priors = world()
    keep = labels < 4
    made, asked = loop_of(VAEGAN, monkeypatch), []
    fake = VAEGANLoop.fake
    monkeypatch.setattr(VAEGANLoop, "fake", lambda loop, noise, of: asked.append(of) or fake(loop, noise, of))
    model = VAEGAN(hidden=8, epochs=2, batch_size=20, critic_steps=3)
    given = {"unlabeled": features[~keep], "unlabeled_priors": priors[4:]}
    fit(model, (features[keep], labels[keep], priors[:4]), **given)
    kinds = [model._prior_scaler.transform(part) for part in (priors[:4], priors[4:])]
    calls = [[bool((torch.cdist(of, kind).amin(1) < 1e-5).all()) for kind in kinds] for of in asked]
    assert all(sum(call) == 1 for call in calls)
    # Of a step: a table for the first critic, three for the second; reconstructed, made anew, made for the second.
    assert [call[1] for call in calls] == [False, True, True, True, False, False, True] * (len(calls) // 7)
    rows, _ = made[0]._draw_unlabelled(made[0]._unlabelled)
    assert bool((torch.cdist(rows, model._scaled(features[~keep])).amin(1) < 0.01).all())


def test_feedback_changes_the_samples_and_classifiers_see_the_decoder() -> None:
    features, _, priors = world()
    features = features * torch.logspace(
        -2, 2, 10
    )  # a scaler makes these alike; a classifier is to see them as they are
    options: dict[str, Any] = {"hidden": 16, "epochs": 20, "batch_size": 20, "lr": 5e-3, "critic_steps": 1}
    model = fit(TFVAEGAN(**options, decoder_hidden=6, layer_size=0.7), (features, *world()[1:]))
    before = model.sample(priors, 3)[0]
    model.feedback = 0.0
    assert not torch.allclose(before, model.sample(priors, 3)[0])
    model.feedback = 1.0
    embedded = model.embed(features)
    assert embedded.shape == (120, 10 + 6)
    torch.testing.assert_close(embedded[:, :10], features)
    # The decoder's layer, about zero and as long as the features about their mean.
    decoder = model._modules["decoder"]
    hidden = decoder.hidden(model._scaled(features)).detach()
    spread = [part.var(dim=0, correction=0).sum() for part in (features, hidden)]
    expected = 0.7 * (hidden - hidden.mean(dim=0)) * (spread[0] / spread[1]).sqrt()
    torch.testing.assert_close(embedded[:, 10:], expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    again = TFVAEGAN(**options, decoder_hidden=6, layer_size=0.7)
    torch.testing.assert_close(again.load_state_dict(model.state_dict()).embed(features), embedded)
    assert TFVAEGAN(**options, discriminative=False).embeds is False
    lost = model.history.column("decoder")
    assert lost[-1] < 0.7 * lost[0]


def test_what_the_decoder_is_given_is_a_feature_without_feedback_too() -> None:
    options: dict[str, Any] = {"hidden": 32, "epochs": 30, "batch_size": 40, "lr": 5e-3, "classification": 0.0}
    model = fit(TFVAEGAN(**options, adversarial=0.0, critic_steps=1))
    assert to_own_centre(model) > 0.8
    model.feedback = 0.0
    assert to_own_centre(model) > 0.8


def test_what_the_decoder_misses_teaches_the_generator() -> None:
    """With no other teacher it makes features of which a regression on real ones reads the right prior."""
    features, labels, priors = world()
    scaled = torch.nn.functional.normalize(priors, dim=1)
    matrix, shift = prior_regression(features, scaled[labels], 0.1)
    options: dict[str, Any] = {"hidden": 32, "epochs": 60, "batch_size": 40, "lr": 1e-2, "critic_steps": 1}
    alone: dict[str, Any] = {"adversarial": 0.0, "reconstruction": 0.0, "classification": 0.0}
    shares = []
    for cycle in (0.0, 1.0):
        samples, rows = fit(TFVAEGAN(**options, **alone, cycle=cycle)).sample(priors, 40)
        shares.append(float((torch.cdist(samples @ matrix + shift, scaled).argmin(1) == rows).float().mean()))
    assert shares[1] > 0.6
    assert shares[0] < 0.4


def test_what_the_decoder_misses_of_a_reconstruction_teaches_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the reconstruction's own loss, nothing but this and the KL divergence leads to the encoder."""
    made = loop_of(TFVAEGAN, monkeypatch)
    fit(TFVAEGAN(hidden=16, epochs=1, batch_size=40, critic_steps=1, reconstruction=0.0))
    (loop,) = made
    fake, again, priors = (
        torch.randn(5, 10, generator=random()),
        torch.randn(5, 10, generator=random(1)),
        world()[2][:5],
    )
    missed = [(loop._modules["decoder"](part) - priors).abs().sum() / 5 for part in (fake, again)]
    torch.testing.assert_close(loop.of_decoded(fake, again, priors)[0], 0.1 * (missed[0] + missed[1]))
    encoder, draws = list(loop._modules["encoder"].parameters()), loop._engine.generator()
    before, slopes = draws.get_state(), []
    for cycle in (0.0, 100.0):
        loop._cycle = cycle
        draws.set_state(before)
        slopes.append(torch.cat([g.flatten() for g in torch.autograd.grad(loop.generator_loss()[0], encoder)]))
    assert float((slopes[1] - slopes[0]).norm()) > 0.05 * float(slopes[0].norm())


def test_wasserstein_by_hand_and_the_ramps() -> None:
    """N(0, 1) and N(3, 25): sqrt(3^2 + (1 - 5)^2) = 5."""
    one = torch.tensor([[3.0]])
    found = wasserstein(torch.zeros(1, 1), torch.zeros(1, 1), one, 2 * torch.tensor([[5.0]]).log())
    torch.testing.assert_close(found, torch.tensor([5.0]))
    assert [ramp(t, 0.2, 0.6) for t in (0.0, 0.2, 0.4, 0.6, 1.0)] == pytest.approx([0, 0, 0.5, 1, 1])


def test_cada_vae_aligns_both_latent_spaces() -> None:
    """A feature lies near its own prior's latent mean; without both alignments it lies anywhere."""
    features, labels, priors = world()
    shares = []
    for weight in (0.0, 1.0):
        options: dict[str, Any] = {"cross": 2.37 * weight, "align": 8.13 * weight, "noise_dim": 4, "hidden": 32}
        model = fit(CADAVAE(**options, epochs=60, batch_size=40, lr=5e-3))
        latent = model.sample_embedded(priors, 200)[0].view(6, 200, -1).mean(1)
        nearest = torch.cdist(model.embed(features), latent).argmin(1)
        shares.append(float((nearest == labels).float().mean()))
        drawn = model.embed(features, generator=random())
        assert not torch.equal(drawn, model.embed(features))
    assert shares[1] > 0.85
    assert shares[0] < 0.6


def test_both_autoencoders_of_cada_vae_reconstruct() -> None:
    """Each its own: nothing of the other comes in without alignments."""
    features, _, priors = world()
    model = fit(CADAVAE(kl=0.0, cross=0.0, align=0.0, noise_dim=4, hidden=32, epochs=30, batch_size=40, lr=5e-3))
    given = {"feature": model._scaled(features), "prior": model._prior_scaler.transform(priors)}
    for name, rows in given.items():
        mean, _ = model._modules[f"encode_{name}"](rows).chunk(2, dim=1)
        missed = (model._modules[f"decode_{name}"](mean).detach() - rows).abs().sum(1).mean()
        assert float(missed) < 0.4 * float((rows.mean(0) - rows).abs().sum(1).mean())


def test_the_divergence_of_cada_vae_keeps_both_latent_spaces_near_normal() -> None:
    options: dict[str, Any] = {"cross": 0.0, "align": 0.0, "noise_dim": 4, "hidden": 32, "epochs": 30}
    left = []
    for weight in (0.0, 1.0):
        model = fit(CADAVAE(kl=weight, **options, batch_size=40, lr=5e-3))
        features, _, priors = world()
        given = {"feature": model._scaled(features), "prior": model._prior_scaler.transform(priors)}
        latent = {name: model._modules[f"encode_{name}"](rows).chunk(2, dim=1) for name, rows in given.items()}
        left.append([float(kl_to_normal(*both).detach().mean()) for both in latent.values()])
    assert left[1][0] < 0.5 * left[0][0]
    assert left[1][1] < 0.5 * left[0][1]


@pytest.mark.parametrize("name", ["cross", "align"])
def test_each_alignment_of_cada_vae_does_its_part_alone(name: str) -> None:
    """Cross-alignment: features decoded from priors are of their class. The other: both latent means are near."""
    features, labels, priors = world()
    found = []
    for weight in (0.0, 1.0):
        weights = {"cross": 0.0, "align": 0.0, name: {"cross": 2.37, "align": 8.13}[name] * weight}
        model = fit(CADAVAE(**weights, noise_dim=4, hidden=32, epochs=60, batch_size=40, lr=5e-3))
        if name == "cross":
            found.append(to_own_centre(model))
        else:
            latent = model.sample_embedded(priors, 200)[0].view(6, 200, -1).mean(1)
            nearest = torch.cdist(model.embed(features), latent).argmin(1)
            found.append(float((nearest == labels).float().mean()))
    assert found[1] > 0.75
    assert found[0] < 0.5


def test_instance_contrast_by_hand() -> None:
    """Two of one class at an angle of 90 degrees to a third: -log(e^1 / (e^1 + e^0)) for each of the two."""
    points = torch.tensor([[2.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    expected = -torch.log(torch.tensor(1.0).exp() / (torch.tensor(1.0).exp() + 1))
    torch.testing.assert_close(instance_contrast(points, torch.tensor([0, 0, 1]), 1.0), expected)
    assert float(instance_contrast(points, torch.arange(3), 1.0)) == 0.0
    nearer = instance_contrast(points, torch.tensor([0, 0, 1]), 0.1)
    assert float(nearer) < float(expected)
    torch.testing.assert_close(
        class_contrast(torch.tensor([[2.0, 0.0]]), torch.tensor([0]), 2.0), torch.tensor(1 + torch.e**-1).log()
    )


def test_the_comparator_scores_every_pair_as_alone() -> None:
    comparator = Comparator(3, 2, 5, generator=random(), dtype=torch.float32)
    points, priors = torch.randn(4, 3, generator=random(1)), torch.randn(6, 2, generator=random(2))
    table = comparator(points, priors)
    assert table.shape == (4, 6)
    torch.testing.assert_close(table[2:3, 4:5], comparator(points[2:3], priors[4:5]))


def test_the_contrast_brings_classes_apart_in_the_embedding() -> None:
    """Between-class over within-class variance of the embedding: larger than that of a random embedding."""
    from kgzsl.generators.health import spreads

    features, labels, _ = world(noise=1.5)
    ratios = []
    for weight in (0.0, 1.0):
        options: dict[str, Any] = {"hidden": 16, "epochs": 30, "batch_size": 60, "lr": 2e-3, "critic_steps": 1}
        sizes = {"embedding": 16, "projection": 8, "comparator": 8, "instance": weight, "category": weight}
        model = fit(CEGZSL(**options, **sizes), world(noise=1.5))
        within, between = spreads(torch.nn.functional.normalize(model.embed(features), dim=1), labels)
        ratios.append(between / within)
    assert ratios[1] > 1.5 * ratios[0]


@pytest.mark.parametrize("name", ["instance", "category"])
def test_each_contrast_teaches_the_generator(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of the generator alone, with a critic that says nothing: the contrast of its features falls."""
    made = loop_of(CEGZSL, monkeypatch)
    weights = {"instance": 0.0, "category": 0.0, name: 1.0}
    fit(CEGZSL(**weights, hidden=32, epochs=10, batch_size=60, lr=5e-3, embedding=16, projection=8, comparator=8))
    (trained,) = made
    with torch.no_grad():
        for parameter in trained._critic.parameters():
            parameter.zero_()
    # An anchor shares its positives' weight among about nine of them: that contrast ends near log 9.
    key, least = {"instance": ("instance_fake", torch.tensor(9.0).log()), "category": ("class_fake", 0.0)}[name]
    lost = torch.tensor([float(trained._generator_step()[key]) for _ in range(60)]) - least
    assert float(lost[-5:].mean()) < 0.6 * float(lost[:5].mean())


def test_attention_sums_to_one_over_the_nearest_allowed() -> None:
    known = torch.eye(4)
    asked = torch.tensor([[3.0, 2.0, 1.0, 0.0]])
    weights, classes = attention(asked, known, torch.ones(1, 4, dtype=torch.bool), 2, 0.5)
    assert classes.tolist() == [[0, 1]]
    torch.testing.assert_close(weights.sum(1), torch.ones(1))
    assert float(weights[0, 0]) > float(weights[0, 1])
    _, without = attention(asked, known, torch.tensor([[False, True, True, True]]), 2, 0.5)
    assert without.tolist() == [[1, 2]]


def test_one_neighbour_without_residual_and_noise_copies_the_nearest_seen_mean() -> None:
    features, labels, priors = world()
    model = fit(Extrapolation(k=1, residual=False, noise=0.0, epochs=1))
    asked = priors[:3] + 0.05 * torch.randn(3, 4, generator=random(3))
    unit = torch.nn.functional.normalize
    nearest = (unit(asked, dim=1) @ unit(priors, dim=1).T).argmax(1)
    expected = torch.stack([features[labels == int(c)].mean(0) for c in nearest])
    torch.testing.assert_close(model.sample(asked, 1)[0], expected, rtol=0, atol=1e-5)


def test_the_residual_extrapolates_beyond_the_attended_mean() -> None:
    """A class that is left out: with the residual its mean is missed by less than by the attended mean alone."""
    g = random()
    priors = torch.randn(40, 4, generator=g)
    labels = torch.arange(40).repeat_interleave(8)
    features = (priors @ torch.randn(4, 10, generator=g))[labels] + 0.1 * torch.randn(320, 10, generator=g)
    seen = labels < 34
    missed = []
    for residual in (False, True):
        model = Extrapolation(k=3, residual=residual, noise=0.0, hidden=64, epochs=40, lr=5e-3, classification=0.0)
        model = fit(
            Extrapolation.from_config({**model.config(), "priors": "standard", "prior_size": 2.0}),
            (features[seen], labels[seen], priors[:34]),
        )
        made = model.sample(priors[34:], 1)[0]
        missed.append(float((made - features[~seen].view(6, 8, 10).mean(1)).norm(dim=1).mean()))
    assert missed[1] < 0.7 * missed[0]


def test_the_teacher_holds_the_residual_back() -> None:
    options: dict[str, Any] = {"k": 2, "hidden": 16, "epochs": 6, "batch_size": 20, "noise": 0.0, "lr": 1e-2}
    plain = fit(Extrapolation(**options, distill=0.0, residual=False)).sample(world()[2], 1)[0]
    moved = [fit(Extrapolation(**options, distill=d)).sample(world()[2], 1)[0] for d in (0.0, 50.0)]
    assert float((moved[1] - plain).norm()) < 0.8 * float((moved[0] - plain).norm())


def test_a_class_that_is_near_no_seen_class_is_told() -> None:
    model = fit(Extrapolation(residual=False, epochs=1, priors="none"))
    with pytest.warns(UserWarning, match="1 of 2 classes are near no seen class"):
        model.sample(torch.stack([world()[2][0], torch.zeros(4)]), 1)


def test_signal_and_noise_levels_and_the_step_back() -> None:
    """With the true clean feature the deterministic step lands on the same line between feature and noise."""
    signal, level = schedule(torch.linspace(0, 1, 7))
    torch.testing.assert_close(signal.square() + level.square(), torch.ones(7))
    assert bool((signal.diff() < 0).all())
    clean, noise = torch.randn(3, 2, generator=random()), torch.randn(3, 2, generator=random(1))
    now, then = torch.tensor(0.8), torch.tensor(0.3)
    at = [schedule(t)[0] * clean + schedule(t)[1] * noise for t in (now, then)]
    torch.testing.assert_close(ddim_step(at[0], clean, now, then), at[1])
    rows = torch.randn(20000, 1, generator=random(2))
    start = schedule(now)[0] * 2.0 + schedule(now)[1] * rows
    end = ddim_step(start, torch.full((20000, 1), 2.0), now, then, torch.randn(20000, 1, generator=random(3)))
    mean, level = (float(part) for part in schedule(then))
    assert float(end.mean()) == pytest.approx(2 * mean, abs=0.02)  # the ancestral step keeps the marginal
    assert float(end.std()) == pytest.approx(level, rel=0.02)


def test_diffusion_learns_the_classes_and_guidance_sharpens_them() -> None:
    model = fit(Diffusion(hidden=64, epochs=60, batch_size=40, lr=5e-3, priors="standard", prior_size=2.0))
    assert to_own_centre(model) > 0.8
    blind = fit(Diffusion(hidden=64, epochs=60, batch_size=40, lr=5e-3, forget=1.0))
    assert to_own_centre(blind) < 0.5
    plain = model.sample(world()[2], 50)[0].view(6, 50, -1).std(1).mean()
    model.guidance = 3.0
    assert float(model.sample(world()[2], 50)[0].view(6, 50, -1).std(1).mean()) < float(plain)
    with pytest.raises(InputError, match=r"guidance is 2\.0, and forget 0; give forget"):
        Diffusion(guidance=2.0, forget=0.0)


@pytest.mark.parametrize("ancestral", [True, False])
def test_sampling_takes_ancestral_steps_or_deterministic_ones(ancestral: bool) -> None:
    """Step by step: new noise at each but the last, or none after the start."""
    _, _, priors = world()
    model = fit(Diffusion(hidden=32, epochs=20, batch_size=40, lr=5e-3, steps=4, ancestral=ancestral, clip=False))
    found = model.sample(priors, 3, generator=random(7))[0]
    rows, draws = model._prior_scaler.transform(priors).repeat_interleave(3, dim=0), random(7)
    x = torch.randn(18, 10, generator=draws)
    times = torch.linspace(1.0, 0.0, 5)
    for now, then in itertools.pairwise(times):
        clean = model._modules["network"](x, now.expand(18), rows)
        noise = torch.randn(18, 10, generator=draws) if ancestral and then > 0 else None
        x = clean if then == 0 else ddim_step(x, clean, now, then, noise)
    torch.testing.assert_close(model._scaled(found), x.detach(), rtol=1e-3, atol=1e-3)
