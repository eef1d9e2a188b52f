"""A trace's numbers against a slow reference: stored tensors, and numpy in float64."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initlab as il
from initlab.probe.measure import sample_places, summarize
from initlab.probe.records import Summary
from initlab.probe.run import trace
from probe_models import FACTORIES, Forward, batch, case, classes


def summary(tensor: Tensor, bins: int = 50, sample: int | None = None) -> Summary:
    return summarize(tensor, bins, sample)


def agrees(found: Summary | None, tensor: Tensor | None) -> bool:
    """Compare with float64 numpy: 1e-5 of each number, and of the rms for a mean near zero."""
    if found is None or tensor is None:
        return found is None and tensor is None
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    a = tensor.detach().to_dense().double().numpy().ravel()
    rms = math.sqrt(np.mean(a**2))
    expected = {"count": a.size, "min": a.min(), "max": a.max(), "rms": rms, "nonfinite": 0}
    expected |= {"zeros": np.mean(a == 0)}
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-5)
    assert found.std == pytest.approx(a.std(), rel=1e-5, abs=1e-7 * rms)  # a constant's is 0
    assert found.mean == pytest.approx(a.mean(), rel=1e-5, abs=1e-6 * rms)
    return True


def first(output: Any) -> Tensor | None:
    if isinstance(output, Tensor):
        return output if output.is_floating_point() or output.is_complex() else None
    if not isinstance(output, (tuple, list)):
        output = list((output if isinstance(output, dict) else vars(output)).values())
    return next((t for t in map(first, output) if t is not None), None)


def slow_reference(model: nn.Module, x: Any, target: Any) -> dict[str, list[dict[str, Tensor]]]:
    """Store a copy of everything, call by call."""
    calls: dict[str, list[dict[str, Tensor]]] = defaultdict(list)

    def hook(name: str) -> Any:
        def emitted(module: nn.Module, _: Any, output: Any) -> None:
            tensor, call = first(output), {}
            calls[name].append(call)
            if tensor is not None:
                call["activation"] = tensor.detach().clone()
                if tensor.requires_grad:
                    tensor.register_hook(lambda g: call.update(gradient=g.detach().clone()))

        return emitted

    for name, module in model.named_modules():
        module.register_forward_hook(hook(name))
    x = x.clone() if isinstance(x, Tensor) and not x.requires_grad else x
    output = model(*x) if isinstance(x, tuple) else model(**x) if isinstance(x, dict) else model(x)
    loss = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
    if loss is None:
        logits = output.get("logits") if isinstance(output, dict) else first(output)
        if target is None:
            loss = logits.abs().square().mean()
        elif target.is_floating_point():
            loss = F.mse_loss(logits, target)
        else:
            loss = F.cross_entropy(logits.flatten(0, -2), target.flatten())
    if loss.requires_grad:
        loss.backward()
    return calls


@pytest.mark.parametrize(
    "name", [n for n in FACTORIES if n not in {"checkpoint_reentrant", "checkpoint_not_reentrant"}]
)
def test_numbers_equal_a_slow_reference(name: str) -> None:
    model, x, target = case(name)
    found = trace(model, x, target)
    if name == "optimizer_in_the_backward_pass":
        model = case("tanh")[0]
    calls = slow_reference(model, x, target)
    assert len(found) > 0
    for layer in found:
        base, _, time = layer.name.partition(":")
        call = calls[base if base in calls else ""][int(time or 1) - 1]
        assert agrees(layer.activation, call.get("activation"))
        assert agrees(layer.gradient, call.get("gradient"))
        module = model.get_submodule(base) if base in calls else model
        weight = module._parameters.get("weight")
        if weight is not None:
            assert agrees(layer.weight, weight)
            assert agrees(layer.weight_gradient, weight.grad)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_changes_no_number(reentrant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, target = case("checkpoint_reentrant" if reentrant else "checkpoint_not_reentrant")
    found = il.trace(model, x, target).rows()
    monkeypatch.setattr("probe_models.checkpoint", lambda block, x, use_reentrant: block(x))
    expected = il.trace(model, x, target).rows()
    assert [row["name"] for row in found] == [
        "one.0", "one.1", "one.2", "two.0", "one.1:2", "two.2", "three.0", "one.1:3", "three.2",
    ]  # fmt: skip
    assert found == expected
    assert all(row["gradient_std"] > 0 for row in found)


normal = partial(torch.randn, generator=torch.Generator().manual_seed(0))
HARD = {
    "offset": 1e4 + 1e-3 * normal(100_000),
    "offset, one huge": torch.cat([torch.full((99_999,), 3.0), torch.tensor([1e6])]),
    "tiny": 1e-30 * normal(5000),
    "huge": 1e30 * normal(5000),
    "all that float32 can hold": 3.4e38 * torch.linspace(-1, 1, 5000),
    "beyond float32's squares, in pieces": 1e25 * normal(200_001),
    "zeros": torch.zeros(2000),
    "constant": torch.full((3000,), 0.1),
    "constant, in pieces": torch.full((200_001,), 0.1),
    "positive": 1e-3 + normal(20_000).abs(),
    "negative": -1e-3 - normal(20_000).abs(),
    "not below 0": normal(70_000).relu(),
    "not above 0": -normal(70_000).relu(),
    "one zero": torch.cat([normal(9_999), torch.zeros(1)]),
    "one negative zero": torch.cat([torch.full((1,), -0.0), normal(9_999)]),
    "negative zeros in float64": normal(9_999).double() * (normal(9_999) > 0),
    "one element": torch.tensor(3.0),
    "first is an outlier": torch.cat([torch.tensor([1e4]), normal(70_000)]),
    "half": normal(3000).half() * 1e4,
    "bfloat16": 1 + normal(70_000).bfloat16(),
    "float64 offset": 1e10 + 1e-2 * normal(3000).double(),
    "a value or 0, in equal shares": 0.1 * (normal(65_536) > 0),
    "integers": torch.arange(-500, 500),
    "not contiguous": normal(30, 40, 50).permute(2, 0, 1)[:, ::2],
    "expanded": normal(1, 50).expand(400, 50),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("sample", [None, 1024])
def test_moments_are_sound(name: str, sample: int | None) -> None:
    found = summary(HARD[name], sample=sample)
    assert agrees(found, HARD[name])
    assert found.counts.sum() == min(HARD[name].numel(), sample or math.inf)


@pytest.mark.parametrize("size", [1000, 200_000])
@pytest.mark.parametrize("sample", [None, 512])
def test_nonfinite_elements_are_counted_and_left_out(size: int, sample: int | None) -> None:
    x = torch.randn(size)
    x[::10], x[1], x[2], x[3] = math.nan, math.inf, -math.inf, 0
    found, finite = summary(x, sample=sample), x[x.isfinite()]
    assert found.count == size
    assert found.nonfinite == pytest.approx(0.1 + 2 / size)
    assert found.zeros == pytest.approx(1 / size)
    for name in ("mean", "std", "min", "max"):
        expected = getattr(summary(finite), name)
        assert getattr(found, name) == pytest.approx(expected, rel=1e-6, abs=1e-7)
    assert found.counts.sum() == min(len(finite), sample or math.inf)


def test_both_infinities_raise_no_warning() -> None:
    found = summary(torch.tensor([math.inf, -math.inf, 2.0, 0.0] * 5000), sample=100)
    assert (found.nonfinite, found.zeros, found.mean, found.max) == (0.5, 0.25, 1.0, 2.0)


def test_nothing_finite_and_nothing_at_all() -> None:
    for tensor, nonfinite in ((torch.full((9,), math.nan), 1), (torch.zeros(0, 3), 0)):
        found = summary(tensor)
        assert (found.count, found.nonfinite) == (tensor.numel(), nonfinite)
        assert math.isnan(found.mean)
        assert math.isnan(found.std)
        assert found.histogram[0].sum() == 0
        assert found.histogram[1][[0, -1]].tolist() == [0, 1]


@pytest.mark.parametrize("name", HARD)
def test_full_histogram_is_numpys(name: str) -> None:
    x = HARD[name].double().numpy().ravel()
    counts, edges = summary(HARD[name], bins=30).histogram
    low, high = edges[0], edges[-1]
    expected = np.histogram(x, bins=30, range=(low, high))[0]
    np.testing.assert_allclose(edges, np.linspace(low, high, 31))
    assert low <= x.min() <= x.max() <= high
    assert counts.sum() == x.size
    off = np.abs(np.cumsum(counts) - np.cumsum(expected)).max()
    assert off <= 0.01 * x.size  # elements on an edge, which rounding moves


def test_memory_stays_near_that_of_the_bare_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "benchmarks"))
    import probe_cost

    model, x = probe_cost.tanh_mlp(20, 128, 128)
    y = torch.randint(10, (128,))
    fixed = sum(t.nbytes for t in (*model.parameters(), x, y))
    il.trace(model, x, y)  # what is made once and kept
    probe_cost.peak_bytes(lambda: None)  # the profiler's own first steps
    bare = fixed + probe_cost.peak_bytes(lambda: probe_cost.bare(model, x, y))
    traced = fixed + probe_cost.peak_bytes(lambda: il.trace(model, x, y))
    assert bare > 2.5e6  # weights, their gradients or the activations: else nothing was seen
    assert traced <= 1.2 * bare


def test_sample_is_unbiased() -> None:
    """Every stretch has one place; a mean over many sizes shows no preference within it."""
    places = sample_places(1_000_000, 1000)
    stretch, within = np.divmod(places, 1000)
    assert (stretch == np.arange(1000)).all()
    assert abs(within.mean() - 499.5) < 5 * 1000 / math.sqrt(12 * 1000)
    columns = np.bincount(sample_places(128 * 128, 1024) % 128, minlength=128)
    assert (columns > 0).mean() > 0.95  # no unit is left out for its place in the row


def test_dead_units_are_channels_or_features() -> None:
    dense = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    dense[0].bias.data[:2] = -100
    assert il.trace(dense, batch(32, 4))["1"].dead == 2 / 8
    conv = nn.Sequential(nn.Conv1d(4, 8, 1), nn.ReLU())
    conv[0].bias.data[:4] = -100
    assert il.trace(conv, batch(32, 4, 5))["1"].dead == 4 / 8
    tokens = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    tokens[0].bias.data[:6] = -100
    assert il.trace(tokens, batch(32, 5, 4))["1"].dead == 6 / 8


@pytest.mark.parametrize(
    ("module", "z", "share"),
    [
        (nn.Tanh(), [-3.0, 0.0, 2.0, 3.0], 0.5),
        (nn.Sigmoid(), [-6.0, 0.0, 4.0, 6.0], 0.5),
        (nn.Hardtanh(), [-6.0, 0.0, 0.9, 6.0], 0.5),
        (il.activations.activation("erf").module(), [-3.0, 0.0, 0.9, 3.0], 0.5),
        (nn.ReLU(), [-6.0, 0.0, 4.0, 6.0], None),
    ],
)
def test_saturated_share(module: nn.Module, z: list[float], share: float | None) -> None:
    (layer,) = il.trace(module, torch.tensor([z])).layers
    assert layer.nonlinearity
    assert layer.saturated == share


def test_dead_and_saturated_mean_the_same_wherever_they_are_counted() -> None:
    model, x, _ = case("tanh")
    emitted = model[1](model[0](x))
    found = il.trace(model, x)["1"]
    assert found.saturated == il.probe.saturated_share(emitted, (-1, 1))
    assert found.saturated == (emitted.abs() > il.probe.SATURATION).double().mean()
    assert il.probe.dead_share(emitted.relu()) == (emitted <= 0).all(0).double().mean()


def test_only_layers_without_dead_or_saturated_shares_lack_them() -> None:
    model, x, target = case("tanh")
    shares = [(layer.dead, layer.saturated) for layer in il.trace(model, x, target)]
    assert shares[0] == (None, None)
    assert shares[1][0] == 0.0
    assert 0 <= shares[1][1] < 0.5


def test_second_calls_have_their_own_record_and_uncalled_layers_their_weights() -> None:
    model, x, _ = case("called_twice_or_never")
    found = il.trace(model, x)
    assert [layer.name for layer in found] == ["a", "a:2"]
    assert found["a"].weight is found["a:2"].weight
    assert [layer.name for layer in found.uncalled] == ["never"]
    assert found["never"].activation is None
    assert found["never"].weight.count == 16
    assert found["never"].weight_gradient is None


def test_attention_and_parametrised_layers_have_weights_and_gradients() -> None:
    model, x, _ = case("encoder")
    found = il.trace(model, x)
    assert "layers.0.self_attn.out_proj" in [layer.name for layer in found.uncalled]
    assert found["layers.0.self_attn.out_proj"].weight_gradient.std > 0
    assert found["layers.0.self_attn"].weight.count == 3 * 8 * 8
    model, x, target = case("parametrised")
    found = il.trace(model, x, target)
    assert [(layer.name, layer.kind) for layer in found] == [(n, "Linear") for n in "012"]
    assert agrees(found["2"].weight, model[2].weight)
    assert found["2"].weight_gradient.count == 24


def test_fast_path_of_the_encoder_is_seen_inside() -> None:
    model, x, _ = case("encoder_fast_path")
    names = [layer.name for layer in il.trace(model, x)]
    assert "layers.1.linear2" in names
    assert "layers.1.self_attn" in names


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (["*act*"], ["act1", "act2"]),
        ("head", ["head"]),
        (nn.Linear, ["linear1", "linear2", "head"]),
        ([nn.Tanh, "linear1"], ["linear1", "act1", "act2"]),
    ],
)
def test_layers_are_chosen_by_glob_and_type(layers: Any, expected: list[str]) -> None:
    model = il.models.mlp(2, 8, "tanh", n_in=4, n_out=3)
    assert [layer.name for layer in il.trace(model, batch(6, 4), layers=layers)] == expected


def test_a_block_can_be_asked_for() -> None:
    model, x, _ = case("encoder")
    found = il.trace(model, x, layers=[nn.TransformerEncoderLayer])
    assert [layer.name for layer in found] == ["layers.0", "layers.1"]
    assert found["layers.0"].gradient.std > 0


def test_rows_are_flat_and_alike() -> None:
    model, x, target = case("tanh")
    rows = il.trace(model, x, target).rows()
    assert [row["name"] for row in rows] == list("01234")
    assert len({tuple(row) for row in rows}) == 1
    assert rows[1]["weight_std"] is None
    assert rows[0]["weight_std"] == pytest.approx(model[0].weight.std(correction=0).item())
    values = [value for row in rows for value in row.values()]
    assert {type(value) for value in values} == {str, int, float, type(None)}


def test_losses() -> None:
    logits, x = Forward(lambda m, x: x), batch(6, 3)
    tokens = batch(2, 5, 3)
    own = Forward(lambda m, x: {"loss": x.sum()})
    for model, inputs, target, expected in (
        (logits, x, None, x.square().mean()),
        (logits, x, x * 2, x.square().mean()),
        (logits, x, classes(), F.cross_entropy(x, classes())),
        (logits, x, classes().int(), F.cross_entropy(x, classes())),
        (logits, tokens, classes(10).view(2, 5), F.cross_entropy(tokens.view(10, 3), classes(10))),
        (logits, batch(2, 3, 4, 5) * 0, torch.zeros(2, 4, 5).long(), torch.tensor(3.0).log()),
        (own, x, None, x.sum()),
    ):
        assert il.trace(model, inputs, target).loss == pytest.approx(expected.item())
    assert il.trace(logits, x, loss=lambda output, _: output[:1, 0]).loss == x[0, 0].item()


def test_mixed_precision_context() -> None:
    model, x, target = case("tanh")
    exact = il.trace(model, x, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = il.trace(model, x, target)
    assert found["2"].activation.std != exact["2"].activation.std
    assert found["2"].activation.std == pytest.approx(exact["2"].activation.std, rel=0.02)
    assert found["2"].weight_gradient.std == pytest.approx(exact["2"].weight_gradient.std, rel=0.1)


def small() -> nn.Module:
    return il.models.mlp(2, 8, "tanh", n_in=4, n_out=3)


ERRORS: dict[str, tuple[Any, type[Exception], str]] = {
    "model": (
        lambda: il.trace("mlp", batch(6, 4)), TypeError,
        "model must be a torch.nn.Module, got str.",
    ),
    "class": (
        lambda: il.trace(nn.Tanh, batch(6, 4)), TypeError,
        "model must be a torch.nn.Module, got the class Tanh: make a module of it with Tanh(...).",
    ),
    "lazy": (
        lambda: il.trace(nn.LazyLinear(3), batch(6, 4)), ValueError,
        "model has lazy parameters that have no shape yet (weight, bias): "
        "run one batch through it first.",
    ),
    "meta": (
        lambda: il.trace(nn.Linear(4, 3, device="meta"), batch(6, 4)), ValueError,
        "model has parameters on the meta device, which hold no numbers (weight, bias): "
        "give them memory first with model.to_empty(device=...). After that, tied weights are "
        "tied no longer and buffers hold garbage: tie them again, and fill the buffers.",
    ),
    "TorchScript": (
        lambda: il.trace(nn.Sequential(scripted(), nn.Tanh()), batch(6, 4)), TypeError,
        "model has TorchScript modules, whose layers take no hooks (0): "
        "pass the model from which they were made.",
    ),
    "layers": (
        lambda: il.trace(small(), batch(6, 4), layers=3), TypeError,
        "layers must hold names, name globs or module types, got 3 of type int.",
    ),
    "array": (
        lambda: il.trace(small(), np.ones((6, 4))), TypeError,
        "x must be a tensor, got a numpy array: pass torch.from_numpy(x).",
    ),
    "target type": (
        lambda: il.trace(small(), batch(6, 4), [0, 1]), TypeError,
        "target must be a tensor of class indices or of float values (or pass loss=), got list.",
    ),
    "target dtype": (
        lambda: il.trace(small(), batch(6, 4), classes() > 1), TypeError,
        "target must hold class indices (torch.long) or values (a float dtype), "
        "got torch.bool: convert it with .long() or .float().",
    ),
    "target shape": (
        lambda: il.trace(small(), batch(6, 4), batch(6)), ValueError,
        "target must have the output's shape (6, 3), got (6,): reshape it.",
    ),
    "classes shape": (
        lambda: il.trace(small(), batch(6, 4), classes(5)), ValueError,
        "target of class indices must have the output's shape without the classes, "
        "got (5,) for an output of shape (6, 3).",
    ),
    "classes range": (
        lambda: il.trace(small(), batch(6, 4), classes() + 1), ValueError,
        "target must hold class indices from 0 to 2, as the output has 3 classes, got 1 to 3.",
    ),
    "loss shape": (
        lambda: il.trace(small(), batch(6, 4), loss=lambda out, _: out), ValueError,
        "loss must return a scalar, got a tensor of shape (6, 3): "
        "reduce it, for example with .mean().",
    ),
    "loss type": (
        lambda: il.trace(small(), batch(6, 4), loss=lambda out, _: 1.0), TypeError,
        "loss must return a scalar tensor, got float.",
    ),
    "no floats": (
        lambda: il.trace(Forward(lambda m, x: "done"), batch(6, 4)), TypeError,
        "model returned str without a tensor of floats in it: "
        "pass loss=, a function of (output, target).",
    ),
    "layer name": (
        lambda: il.trace(small(), batch(6, 4), layers=["act3"]), ValueError,
        "layers='act3' fits no module of the model: did you mean 'act2' or 'act1'?",
    ),
    "layer type": (
        lambda: il.trace(small(), batch(6, 4), layers=nn.ReLU), ValueError,
        "layers=ReLU fits no module of the model, which has Linear, Sequential, Tanh.",
    ),
    "layer number": (
        lambda: il.trace(small(), batch(6, 4), layers=[3]), TypeError,
        "layers must hold names, name globs or module types, got 3 of type int.",
    ),
    "sample": (
        lambda: il.trace(small(), batch(6, 4), histogram_sample=0), ValueError,
        "histogram_sample must be a whole number of at least 1, got 0.",
    ),
    "bins": (
        lambda: il.trace(small(), batch(6, 4), bins=2.5), TypeError,
        "bins must be a whole number of at least 1, got 2.5 of type float.",
    ),
    "unknown layer": (
        lambda: il.trace(small(), batch(6, 4))["acti1"], KeyError,
        "\"no layer is called 'acti1': did you mean 'act1' or 'act2'?\"",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_error_messages(name: str) -> None:
    call, error, message = ERRORS[name]
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


def scripted() -> nn.Module:
    with warnings.catch_warnings(action="ignore"):  # deprecated, but people still have them
        return torch.jit.script(nn.Linear(4, 3))


def test_a_compiled_model_shows_its_layers() -> None:
    model, x, target = case("tanh")
    expected = il.trace(model, x, target)
    found = il.trace(torch.compile(model, backend="eager"), x, target)
    assert [layer.name for layer in found] == [f"_orig_mod.{i}" for i in range(5)]
    for layer, other in zip(found, expected, strict=True):
        assert layer.gradient.std == other.gradient.std


def test_the_models_own_exception_passes_through() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        il.trace(small(), batch(6, 5))
