"""The numbers behind the explorers are those of `il.trace`, `il.train` and `il.theory`."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from torch import nn

import initlab as il
from initlab import theory
from initlab.explore.batchnorm_records import SCALES, BatchnormSettings, batchnorm_records
from initlab.explore.phase_records import PhaseSettings, phase_records
from initlab.explore.race_records import RaceSettings, race_records
from initlab.explore.signal_records import SignalSettings, signal_records
from initlab.explore.symmetry_records import SymmetrySettings, symmetry_records

BATCHNORM, PHASE, RACE, SIGNAL, SYMMETRY = (
    sys.modules[f"initlab.explore.{name}_records"]
    for name in ("batchnorm", "phase", "race", "signal", "symmetry")
)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def multiply(model, factor):
    """Multiply the weights of all linear layers."""
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.Linear):
                layer.weight *= factor
    return model


def assert_same(signals, layers, quantity):
    """What an explorer shows of some layers is what a trace says of them."""
    seen = [getattr(layer, quantity) for layer in layers]
    assert signals.rms == pytest.approx([one.rms for one in seen], rel=1e-5)
    assert signals.zeros == pytest.approx([one.zeros for one in seen], abs=1e-9)


# ------------------------------------------------------------------------------- signal


def signal_settings(**changed):
    return SignalSettings(**{"depth": 4, "width": 32, **changed})


def signal_network(settings):
    """The explorer's network by the package's front door."""
    model = settings.build()
    il.initialize(
        model, settings.scheme, bias=settings.bias, generator=generator(settings.seed)
    )  # fmt: skip
    return multiply(model, settings.gain)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"scheme": "xavier_uniform", "gain": 0.3, "seed": 3},
        {"scheme": "torch_default", "bias": "torch_default", "activation": "gelu"},
        {"scheme": "orthogonal", "bias": "torch_default", "activation": "tanh", "gain": 2.0},
        {"scheme": "sparse", "batchnorm": True},
        {"scheme": "zeros"},
        {"scheme": "constant", "activation": "sigmoid"},
        {"residual": "plain", "gain": 1.5},
        {"residual": "scaled", "batchnorm": True, "bias": "torch_default"},
    ],
    ids=str,
)
def test_signals_are_those_of_a_trace(changed):
    settings = signal_settings(**changed)
    signal_records(signal_settings(**changed, gain=3.0) if "gain" not in changed else settings)
    got, x = signal_records(settings), il.data.digits(128).x
    model = signal_network(settings)
    trace = il.trace(model, *il.data.digits(128))
    layers = [trace[name] for name in got.names]
    assert_same(got.activation, layers, "activation")
    assert_same(got.gradient, layers, "gradient")
    assert got.activation.saturated == pytest.approx([one.saturated or 0.0 for one in layers])
    alike = il.probe.input_correlation(model, x)[got.names[-1]]
    assert got.cosine == pytest.approx(alike, abs=1e-6, nan_ok=True)


def test_a_histogram_is_numpys_without_zeros():
    settings = signal_settings(depth=2)
    got, emitted = signal_records(settings).activation, []
    model = signal_network(settings)
    for name in ("act1", "act2"):
        model.get_submodule(name).register_forward_hook(lambda *seen: emitted.append(seen[2]))
    model(il.data.digits(128).x)
    for row, values in zip(got.heights, emitted, strict=True):
        values = values.detach().numpy()
        counts, _ = np.histogram(values[values > 0], got.edges)
        apart = np.cumsum(row) / row.sum() - np.cumsum(counts) / counts.sum()
        assert np.abs(apart).max() < 0.01  # a trace has bins of its own
        assert row.max() == pytest.approx(counts.sum() / (values > 0).sum(), abs=0.01)


def test_signals_follow_theory():
    got = signal_records(signal_settings(depth=5, width=256))
    assert got.silence == ""
    assert got.predicted_activation == pytest.approx(got.activation.rms, rel=0.15)
    assert got.predicted_gradient == pytest.approx(got.gradient.rms, rel=0.15)
    assert got.predicted_gradient[-1] == got.gradient.rms[-1]


def test_records_depend_on_their_arguments_only():
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    first = signal_records(signal_settings(depth=6))
    signal_records(signal_settings(depth=9, seed=5))
    again = signal_records(signal_settings(depth=6))
    assert again.gradient.rms == pytest.approx(first.gradient.rms, rel=1e-6)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


# ---------------------------------------------------------------------------- batchnorm


def batchnorm_settings(**changed):
    small = {"depth": 4, "width": 32, "batch_size": 32}
    return BatchnormSettings(**{**small, **changed})


def batchnorm_network(settings, norm, scale=None):
    model = il.models.mlp(settings.depth, settings.width, settings.activation, norm=norm)
    il.initialize(
        model, "kaiming_normal", nonlinearity=settings.activation,
        generator=generator(settings.seed),
    )  # fmt: skip
    head = model.head.weight.detach().clone()
    multiply(model, settings.scale if scale is None else scale)
    model.head.weight.data.copy_(head)
    return model


@pytest.mark.parametrize(
    "changed",
    [{"scale": 3.0, "activation": "tanh", "seed": 3}, {"scale": 0.01, "batch_size": 8}],
    ids=str,
)
def test_signals_with_and_without_batchnorm_are_those_of_a_trace(changed):
    settings = batchnorm_settings(**changed)
    got = batchnorm_records(settings, 0)
    for levels, norm in ((got.normed, "batch"), (got.plain, None)):
        model = batchnorm_network(settings, norm)
        trace = il.trace(model, *il.data.digits(settings.batch_size))
        layers = [trace[name] for name in settings.layers]
        gradients = np.array([layer.gradient.rms for layer in layers])
        expected = [layer.activation.rms for layer in layers]
        assert levels.activation == pytest.approx(expected, rel=1e-5)
        assert levels.gradient == pytest.approx(gradients, rel=1e-5)
        assert levels.factors == pytest.approx((gradients[:-1] / gradients[1:]) ** 2, rel=1e-4)


def test_both_networks_train_as_train_does():
    settings = batchnorm_settings(scale=0.5)
    got = batchnorm_records(settings)
    assert got.finished
    for norm, shares in (("batch", got.normed.accuracies), (None, got.plain.accuracies)):
        history = il.train(
            batchnorm_network(settings, norm), il.data.digits(split="train"),
            steps=12, lr=0.05, batch_size=32, progress=False,
        )  # fmt: skip
        assert len(shares) == 100
        assert shares[:12] == pytest.approx(history.accuracy, abs=1 / 32 + 1e-6)  # a tie may round


def test_scale_invariance_is_that_of_modules():
    settings = batchnorm_settings()
    x, y = il.data.digits(32)
    known = {}
    for scale in (1.0, *SCALES):
        model = batchnorm_network(settings, "batch", scale)
        logits = model(x)
        nn.functional.cross_entropy(logits, y).backward()
        weights = [layer.weight for name, layer in model.named_children() if "linear" in name]
        size = math.hypot(*(weight.grad.double().norm().item() for weight in weights))
        known[scale] = (logits.detach(), size)
    got = batchnorm_records(settings).scaled
    assert [one.factor for one in got] == list(SCALES)
    before, size_before = known[1.0]
    for one in got:
        logits, size = known[one.factor]
        change = ((logits - before).norm() / before.norm()).item()
        assert one.change == pytest.approx(change, rel=0.02, abs=1e-5)
        assert one.gradient == pytest.approx(size / size_before, rel=1e-3)


def test_eps_breaks_scale_invariance_where_weights_are_small():
    scaled = batchnorm_records(batchnorm_settings(seed=1)).scaled
    by_factor = {round(math.log10(one.factor), 1): one for one in scaled}
    assert by_factor[0.5].change < 1e-4
    assert by_factor[0.5].gradient * by_factor[0.5].factor == pytest.approx(1, rel=1e-3)
    assert by_factor[-2.0].change > 0.01
    assert by_factor[-4.0].gradient < 0.1


@pytest.mark.parametrize("batch_size", [8, 512])
def test_batchnorm_follows_theory(batch_size):
    changed = {"scale": 1.0, "depth": 20, "width": 256, "batch_size": batch_size}
    for _ in range(2):  # what theory says of one network at a time
        got = batchnorm_records(batchnorm_settings(**changed), 1e-9)
    expected = theory.batchnorm_factor("relu", batch_size=batch_size)
    assert got.normed.predicted_factors[3:15] == pytest.approx([expected] * 12, rel=0.01)
    assert got.normed.factors[3:15].mean() == pytest.approx(expected, rel=0.1)
    assert got.normed.activation == pytest.approx(got.normed.predicted_activation, rel=0.05)
    assert got.plain.activation[:5] == pytest.approx(got.plain.predicted_activation[:5], rel=0.3)


def test_a_run_that_has_diverged_has_no_more_accuracies():
    got = batchnorm_records(batchnorm_settings(depth=10, scale=10.0))
    lost = np.isnan(got.plain.accuracies)
    assert lost[-1]
    assert not lost[0]
    assert not np.isnan(got.normed.accuracies).any()


# ----------------------------------------------------------------------------- symmetry


def symmetry_settings(**changed):
    return SymmetrySettings(**{"width": 8, **changed})


@pytest.mark.parametrize("changed", [{"start": "normal", "value": 0.3}, {"dropout": 0.2}], ids=str)
def test_symmetric_networks_train_as_train_does(changed):
    settings = symmetry_settings(**changed, seed=3, step=12)
    got = symmetry_records(settings)
    model = il.models.mlp(3, 8, "tanh", dropout=settings.dropout)
    il.initialize(model, settings.scheme, generator=generator(3))
    history = il.train(
        model, il.data.digits(split="train"), steps=12, lr=0.1, momentum=0.9, seed=3, progress=False
    )
    assert got.losses[:12] == pytest.approx(history.loss, rel=1e-4)  # 12 steps of rounding
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    for weights, layer in zip(got.weights, layers, strict=True):
        assert weights == pytest.approx(layer.weight.detach().numpy(), abs=1e-4)


@pytest.mark.parametrize(
    ("changed", "ranks", "distinct"),
    [
        ({"start": "zeros", "activation": "relu"}, [0, 0, 0], [1, 1, 1]),
        ({"start": "zeros", "activation": "sigmoid"}, [1, 1, 1], [1, 1, 1]),
        ({"start": "constant"}, [1, 1, 1], [1, 1, 1]),
        ({"start": "constant", "perturb": 0.5}, [2, 1, 1], [2, 1, 1]),
        ({"start": "constant", "dropout": 0.2, "step": 200}, None, [8, 8, 8]),
        ({"start": "normal"}, [8, 8, 8], [8, 8, 8]),
    ],
    ids=str,
)
def test_symmetry_is_kept_or_broken(changed, ranks, distinct):
    got = symmetry_records(symmetry_settings(**{"step": 20, **changed}))
    assert got.distinct[got.step, :3].tolist() == distinct
    assert ranks is None or got.ranks[got.step, :3].tolist() == ranks
    assert got.finished
    if changed["start"] == "zeros" and changed["activation"] == "relu":
        assert got.losses[0] == pytest.approx(math.log(10))


# -------------------------------------------------------------------------------- phase


def phase_settings(**changed):
    return PhaseSettings(**{"depth": 6, "width": 100, **changed})


def phase_network(settings):
    """The explorer's network from PyTorch's layers, its inputs, and the sum on top."""
    source, width = generator(settings.seed), settings.width
    first, other = torch.linalg.qr(torch.randn(width, 2, generator=source)).Q.T * width**0.5
    share = settings.similarity
    x = torch.stack([first, share * first + (1 - share**2) ** 0.5 * other])
    above = torch.randn(width, generator=source)
    layers = []
    for _ in range(settings.depth - 1):
        linear = nn.Linear(width, width)
        with torch.no_grad():
            linear.weight.normal_(0, (settings.weight_var / width) ** 0.5, generator=source)
            linear.bias.normal_(0, 1, generator=source).mul_(settings.bias_var**0.5)
        layers += [il.activations.ACTIVATIONS[settings.activation].module(), linear]
    return nn.Sequential(*layers), x, above / above.square().mean().sqrt()


@pytest.mark.parametrize(
    "changed",
    [
        {"weight_var": 4.0, "similarity": 0.99, "seed": 3},
        {"activation": "relu", "weight_var": 2.0, "bias_var": 0.0},
        {"activation": "gelu", "bias_var": 0.3, "depth": 9},
    ],
    ids=str,
)
def test_two_inputs_go_through_the_network_as_autograd_says(changed):
    phase_records(phase_settings(**{**changed, "depth": 12}))
    settings = phase_settings(**changed)
    got = phase_records(settings).measured
    model, x, above = phase_network(settings)
    pre = [x.requires_grad_()]
    for bend, linear in zip(model[::2], model[1::2], strict=True):
        pre.append(linear(bend(pre[-1])))
    gradients = torch.autograd.grad((pre[-1] * above).sum(), pre)
    assert got.q == pytest.approx([z.square().mean().item() for z in pre], rel=1e-4)
    cosines = [torch.cosine_similarity(z[0], z[1], dim=0).item() for z in pre]
    assert got.c == pytest.approx(cosines, abs=1e-4)
    rms = [one.square().mean().sqrt().item() for one in gradients]
    assert got.gradient == pytest.approx(rms, rel=1e-4)


@pytest.mark.parametrize(
    ("activation", "weight_var", "bias_var"), [("tanh", 3.3, 0.2), ("relu", 1.5, 0.1)]
)
def test_what_phase_predicts_are_the_maps_of_theory(activation, weight_var, bias_var):
    point = {"activation": activation, "weight_var": weight_var, "bias_var": bias_var}
    got = phase_records(phase_settings(**point))
    q, c = [1.0], [0.6]
    for _ in range(5):
        c.append(theory.correlation_map(activation, c[-1], q[-1], weight_var, bias_var))
        q.append(theory.variance_map(activation, q[-1], weight_var, bias_var))
    assert got.predicted.c == pytest.approx(c, abs=1e-3)
    assert got.predicted.q == pytest.approx(q, rel=1e-4)
    assert got.fixed == theory.fixed_point(activation, weight_var, bias_var)
    seeds = [phase_records(phase_settings(**point, width=300, seed=seed)) for seed in range(5)]
    for quantity in ("q", "c", "gradient"):
        measured = np.mean([getattr(one.measured, quantity) for one in seeds], axis=0)
        assert measured == pytest.approx(getattr(got.predicted, quantity), rel=0.2)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_the_plane_is_that_of_theory(activation):
    plane = phase_records(phase_settings(activation=activation)).plane
    source = np.random.default_rng(0)
    wide, high = np.linspace(0.05, 5.05, 121)[1::2], np.linspace(0, 0.5, 81)[1::2]
    for _ in range(6):
        row, column = source.integers(40), source.integers(60)
        expected = theory.fixed_point(activation, wide[column], high[row]).chi_1
        assert plane[row, column] == pytest.approx(math.log10(expected), abs=3e-3)


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu", "softplus"])
def test_the_curve_is_the_edge_of_chaos(activation):
    weight_var, bias_var = phase_records(phase_settings(activation=activation)).edge
    assert bias_var[-1] == 0.5
    for place in (0, len(bias_var) // 2):
        found = theory.fixed_point(activation, weight_var[place], bias_var[place])
        assert found.chi_1 == pytest.approx(1, abs=1e-5)


def test_theory_keeps_equal_inputs_equal():
    point = {"activation": "tanh", "weight_var": 5.05, "bias_var": 0.0, "similarity": 1.0}
    assert set(phase_records(phase_settings(**point, depth=60)).predicted.c) == {1.0}


# --------------------------------------------------------------------------------- race


def race_settings(**changed):
    lanes = {"second": "torch_default", "third": "none", "fourth": "none"}
    small = {"data": "moons", "depth": 3, "width": 16, "step": 12}
    return RaceSettings(**{**lanes, **small, **changed})


def trained(scheme, settings):
    """The same network by the package's front door: the model, its history, and the data."""
    data = RACE.DATA[settings.data]()
    model = il.models.mlp(
        settings.depth, settings.width, settings.activation,
        n_in=data.x.shape[1], n_out=int(data.y.max()) + 1,
    )  # fmt: skip
    bias = "torch_default" if scheme == "torch_default" else "zeros"
    il.initialize(model, scheme, bias=bias, generator=generator(settings.seed))
    history = il.train(
        model, data, steps=settings.step, lr=settings.lr, seed=settings.seed, progress=False,
        **RACE.OPTIMIZERS[settings.optimizer],
    )  # fmt: skip
    return model, history, data


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"data": "spirals", "step": 7, "optimizer": "adam", "lr": 0.01, "activation": "tanh"},
        {
            "data": "digits",
            "optimizer": "sgd",
            "lr": 0.1,
            "first": "orthogonal",
            "second": "none",
            "seed": 4,
        },
        {
            "data": "digits",
            "lr": 0.05,
            "depth": 8,
            "width": 32,
            "first": "normal",
            "second": "zeros",
        },
    ],
    ids=str,
)
def test_each_lane_is_what_train_and_trace_give(changed):
    settings = race_settings(**changed)
    for lane in race_records(settings).lanes:
        model, history, data = trained(lane.scheme, settings)
        assert lane.losses == pytest.approx(history.loss, rel=1e-4, nan_ok=True)
        assert lane.accuracies == pytest.approx(history.accuracy, abs=1 / 128 + 1e-6)  # a tie
        assert lane.accuracy == pytest.approx(history.final_accuracy, abs=2 / len(data.x))
        assert (lane.stopped is None) == (history.stopped is None)
        if lane.stopped is not None:
            assert history.stopped.startswith(f"diverged at step {lane.stopped}:")
            continue
        trace = il.trace(model, data.x[:128], data.y[:128])
        layers = [trace[f"act{k}"] for k in range(1, settings.depth + 1)]
        for quantity, signals in lane.signals.items():
            expected = [getattr(layer, quantity).rms for layer in layers]
            assert signals.rms == pytest.approx(expected, rel=1e-3)  # some steps of rounding
        assert lane.loss == pytest.approx(history.final_loss, rel=1e-4)


def test_the_plane_of_a_race_asks_the_network():
    settings = race_settings()
    got = race_records(settings)
    model, _, _ = trained("kaiming_normal", settings)
    x, y = (np.linspace(low, high, 40) for low, high in got.plane)
    points = torch.tensor([(a, b) for b in y for a in x], dtype=torch.float32)
    with torch.no_grad():
        expected = model(points).argmax(1).view(40, 40).numpy()
    assert (got.lanes[0].classes == expected).mean() > 0.998  # a point may lie on the edge


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_rewinding_gives_the_same_weights(optimizer, monkeypatch):
    monkeypatch.setattr(RACE, "KEEP_EVERY", 7)

    def weights_at(step):
        settings = race_settings(optimizer=optimizer, lr=0.01, step=step)
        race_records(settings)
        run = RACE._run(race_settings(optimizer=optimizer, lr=0.01, step=0))
        return torch.cat([weight.detach().flatten() for weight in run.ensemble.parameters()])

    RACE._run.cache_clear()
    seen = {step: weights_at(step) for step in (30, 43, 55)}
    for step in (43, 30, 55, 0, 30, 43):
        again = weights_at(step)
        assert step not in seen or torch.allclose(again, seen[step], rtol=1e-6, atol=0)
    RACE._run.cache_clear()


def test_a_race_in_slices_ends_where_one_in_one_go_ends():
    settings = race_settings(step=5, seed=7)
    found = [race_records(settings, 0) for _ in range(5)]
    assert [one.step for one in found] == [1, 2, 3, 4, 5]
    assert [one.finished for one in found] == [False] * 4 + [True]
    RACE._run.cache_clear()
    for sliced, whole in zip(found[-1].lanes, race_records(settings).lanes, strict=True):
        assert sliced.losses == pytest.approx(whole.losses, rel=1e-6)


def test_many_weights_are_kept_at_fewer_steps(monkeypatch):
    monkeypatch.setattr(RACE, "KEPT", 1e5)
    RACE._run.cache_clear()
    race_records(race_settings(step=60))
    run = RACE._run(race_settings(step=0))
    size = sum(4 * 3 * parameter.numel() for parameter in run.ensemble.parameters())
    assert run.keep_every == math.ceil(200 * size / 1e5) > 10
    assert list(run.kept) == list(range(0, 60, run.keep_every))
    RACE._run.cache_clear()


def test_caches_are_bounded():
    for seed in range(4):
        signal_records(signal_settings(seed=seed))
        batchnorm_records(batchnorm_settings(seed=seed), 0)
        symmetry_records(symmetry_settings(seed=seed), 0)
        phase_records(phase_settings(seed=seed))
        race_records(race_settings(seed=seed, step=0))
    kept = {
        SIGNAL._network: 1, BATCHNORM._study: 2, BATCHNORM._network: 2, BATCHNORM._invariance: 1,
        SYMMETRY._run: 3, PHASE._network: 1, RACE._run: 1,
    }  # fmt: skip
    assert {cache: cache.cache_info().currsize for cache in kept} == kept
