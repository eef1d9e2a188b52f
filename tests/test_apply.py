"""initialize on every layer type, against torch.nn.init and against empirical moments."""

import copy
import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

import initlab as il
from initlab.apply.layers import LAYERS as TABLE
from initlab.apply.layers import linear
from initlab.apply.parametrized import HOOKED

# name → (layer, parameter → (number of pieces, true fan_in, true fan_out))
LAYERS = {
    "linear": (lambda: nn.Linear(96, 64), {"weight": (1, 96, 64)}),
    "bilinear": (lambda: nn.Bilinear(16, 12, 48), {"weight": (1, 192, 576)}),
    "conv1d": (lambda: nn.Conv1d(32, 64, 5), {"weight": (1, 160, 320)}),
    "conv2d": (lambda: nn.Conv2d(16, 32, 3), {"weight": (1, 144, 288)}),
    "conv3d": (lambda: nn.Conv3d(8, 16, (3, 2, 3)), {"weight": (1, 144, 288)}),
    "grouped": (lambda: nn.Conv2d(32, 64, 3, groups=4), {"weight": (4, 72, 144)}),
    "depthwise": (lambda: nn.Conv2d(128, 128, 5, groups=128), {"weight": (128, 25, 25)}),
    "transposed1d": (lambda: nn.ConvTranspose1d(64, 16, 4), {"weight": (1, 256, 64)}),
    "transposed2d": (lambda: nn.ConvTranspose2d(32, 16, 3), {"weight": (1, 288, 144)}),
    "transposed3d": (lambda: nn.ConvTranspose3d(16, 8, 3), {"weight": (1, 432, 216)}),
    "transposed grouped": (
        lambda: nn.ConvTranspose2d(32, 64, 3, groups=2),
        {"weight": (2, 144, 288)},
    ),
    "embedding": (lambda: nn.Embedding(200, 24), {"weight": (1, 24, 200)}),
    "bag": (lambda: nn.EmbeddingBag(200, 24), {"weight": (1, 24, 200)}),
    "rnn": (
        lambda: nn.RNN(24, 64, num_layers=2, bidirectional=True),
        {
            "weight_ih_l0": (1, 24, 64),
            "weight_hh_l0_reverse": (1, 64, 64),
            "weight_ih_l1": (1, 128, 64),
        },
    ),
    "gru": (lambda: nn.GRU(24, 48), {"weight_ih_l0": (3, 24, 48), "weight_hh_l0": (3, 48, 48)}),
    "lstm": (
        lambda: nn.LSTM(24, 48, proj_size=32),
        {"weight_ih_l0": (4, 24, 48), "weight_hh_l0": (4, 32, 48), "weight_hr_l0": (1, 48, 32)},
    ),
    "rnn cell": (lambda: nn.RNNCell(40, 64), {"weight_ih": (1, 40, 64)}),
    "gru cell": (lambda: nn.GRUCell(24, 48), {"weight_hh": (3, 48, 48)}),
    "lstm cell": (lambda: nn.LSTMCell(24, 48), {"weight_ih": (4, 24, 48)}),
    "attention": (
        lambda: nn.MultiheadAttention(48, 4, add_bias_kv=True),
        {"in_proj_weight": (3, 48, 48), "out_proj.weight": (1, 48, 48)},
    ),
    "separate attention": (
        lambda: nn.MultiheadAttention(48, 4, kdim=24, vdim=36),
        {
            "q_proj_weight": (1, 48, 48),
            "k_proj_weight": (1, 24, 48),
            "v_proj_weight": (1, 36, 48),
        },
    ),
}
RANDOM = [
    *["xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "lecun_uniform"],
    *["lecun_normal", "uniform", "normal", "trunc_normal"],
]
NORMS = [
    lambda: nn.BatchNorm1d(8),
    lambda: nn.BatchNorm3d(8),
    lambda: nn.SyncBatchNorm(8),
    lambda: nn.InstanceNorm2d(8, affine=True),
    lambda: nn.LayerNorm((3, 8)),
    lambda: nn.GroupNorm(2, 8),
    lambda: nn.RMSNorm(8),
]


def rows_of(report):
    return {row.name: row for row in report}


def state(model):
    return copy.deepcopy(model.state_dict())


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize(("make", "parameters"), LAYERS.values(), ids=LAYERS)
def test_every_random_scheme_on_every_layer_type(make, parameters):
    torch.manual_seed(0)
    model = make()
    for name in RANDOM:
        report = il.initialize(model, name)
        assert [row.name for row in report] == [n for n, _ in model.named_parameters()]
        for parameter, (_, fan_in, fan_out) in parameters.items():
            row, tensor = report[parameter], model.get_parameter(parameter).detach()
            std = math.sqrt(il.SCHEMES[name].variance(fan_in, fan_out))
            assert (row.fan_in, row.fan_out) == (fan_in, fan_out)
            assert row.std_given == pytest.approx(std)
            # A std of n normal draws spreads by 1 / √(2n) of itself; five times is never missed.
            assert row.std_got == pytest.approx(std, rel=5 / math.sqrt(2 * tensor.numel()))
            assert row.std_got == pytest.approx(float(tensor.std(correction=0)), rel=1e-4)
        assert not any(tensor.any() for n, tensor in model.named_parameters() if "bias" in n)


@pytest.mark.parametrize("name", ["linear", "conv1d", "conv2d", "conv3d", "embedding", "rnn cell"])
@pytest.mark.parametrize("scheme", ["kaiming_normal", "xavier_uniform", "orthogonal", "sparse"])
def test_equals_torch_where_the_parameter_is_one_matrix(name, scheme):
    model = LAYERS[name][0]()
    weights = [p for p in model.parameters() if p.dim() > 1]
    if weights[0].dim() > 2 and scheme == "sparse":
        return
    torch.manual_seed(1)
    il.initialize(model, scheme)
    torch.manual_seed(1)
    for weight in weights:
        sparsity = {"sparsity": 0.9} if scheme == "sparse" else {}
        expected = getattr(nn.init, f"{scheme}_")(torch.empty_like(weight), **sparsity)
        assert torch.equal(weight, expected)


@pytest.mark.parametrize(("make", "parameters"), LAYERS.values(), ids=LAYERS)
def test_every_piece_is_a_matrix_of_its_own(make, parameters):
    model = make()
    il.initialize(model, "orthogonal")
    for name, (pieces, *_) in parameters.items():
        weight = model.get_parameter(name).detach()
        for piece in weight.chunk(pieces):
            turned = (
                piece.transpose(0, 1)
                if isinstance(model, nn.modules.conv._ConvTransposeNd)
                else piece
            )
            values = torch.linalg.svdvals(turned.flatten(1))
            assert torch.allclose(values, torch.ones_like(values), atol=1e-4)


@pytest.mark.parametrize("make", [make for make, _ in LAYERS.values()] + NORMS + [nn.PReLU])
def test_torch_default_is_what_the_constructor_draws(make):
    torch.manual_seed(7)
    expected = state(make())
    model = make()
    il.initialize(model, "normal", bias=3.0)
    torch.manual_seed(7)
    report = il.initialize(model, "torch_default", bias="torch_default")
    assert same(state(model), expected)
    for row in report:
        if row.std_given:
            n = math.prod(row.shape)
            assert row.std_got == pytest.approx(row.std_given, rel=5 / math.sqrt(2 * n))


def test_torch_default_of_a_whole_model_and_from_a_generator():
    def make():
        return nn.Sequential(
            nn.TransformerEncoderLayer(16, 2, 32), nn.LSTM(16, 8), nn.Conv1d(3, 4, 2), nn.PReLU()
        )

    torch.manual_seed(7)
    expected, model = state(make()), make()
    before = torch.get_rng_state()
    source = torch.Generator().manual_seed(7)
    il.initialize(model, "torch_default", bias="torch_default", generator=source)
    assert same(state(model), expected)
    assert torch.equal(torch.get_rng_state(), before)
    il.initialize(model, "torch_default", generator=torch.Generator().manual_seed(7))
    assert torch.equal(model[2].weight, expected["2.weight"])
    assert not model[2].bias.any()


@pytest.mark.parametrize("make", NORMS)
def test_normalisation_starts_at_one_and_zero(make):
    norm = make()
    for tensor in [*norm.parameters(), *norm.buffers()]:
        tensor.data.fill_(3)
    report = il.initialize(norm, "kaiming_normal", bias=5.0)
    assert [row.scheme for row in report] == ["ones", "zeros"][: len(report)]
    assert norm.weight.unique().tolist() == [1.0]
    if getattr(norm, "running_mean", None) is not None:
        assert norm.running_mean.unique().tolist() == [0.0]
        assert norm.running_var.unique().tolist() == [1.0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_dtypes(dtype):
    model = nn.Sequential(nn.Linear(64, 64), nn.Conv1d(8, 8, 3), nn.LSTM(8, 8)).to(dtype)
    for scheme in ("orthogonal", "kaiming_normal", "torch_default", "trunc_normal"):
        report = il.initialize(model, scheme)
        assert {p.dtype for p in model.parameters()} == {dtype}
        assert report[0].std_got == pytest.approx(report[0].std_given, rel=0.05)


def test_depthwise_dirac_is_the_identity():
    layer = nn.Conv2d(6, 6, 3, padding=1, groups=6)
    il.initialize(layer, "dirac")
    x = torch.randn(1, 6, 5, 5)
    assert torch.allclose(layer(x), x)


def test_padding_row_stays_zero():
    report = il.initialize(model := nn.Embedding(1000, 8, padding_idx=3), "normal")
    assert not model.weight[3].any()
    assert report[0].std_got == pytest.approx(float(model.weight.detach()[4:].std()), 0.01)


# ------------------------------------------------------------------ biases


def test_biases():
    model = nn.Sequential(nn.Linear(30, 20), nn.BatchNorm1d(20), nn.Linear(20, 1000))
    il.initialize(model, "xavier_normal", bias=0.1)
    assert model[0].bias.unique().tolist() == pytest.approx([0.1])
    assert not model[1].bias.any()
    for number in (np.float32(0.1), torch.tensor(0.1), np.array(0.1)):
        il.initialize(model, "zeros", bias=number)
        assert model[0].bias.unique().tolist() == pytest.approx([0.1])
    il.initialize(model, "xavier_normal", bias=il.scheme("normal", std=0.5))
    assert float(model[2].bias.detach().std()) == pytest.approx(0.5, rel=0.1)
    il.initialize(model, "zeros", rules=[il.Rule("0", bias=torch.arange(20.0))])
    assert model[0].bias.tolist() == list(range(20))
    torch.manual_seed(0)
    il.initialize(model, "zeros", bias="torch_default")
    assert float(model[2].bias.detach().abs().max()) == pytest.approx(20**-0.5, rel=0.05)


def test_output_bias_starts_at_the_class_frequencies():
    model = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 3))
    report = il.initialize(model, "kaiming_normal", output_bias=[70, 20, 10])
    assert not model[0].bias.any()
    assert torch.allclose(model(torch.zeros(1, 5)).softmax(1), torch.tensor([[0.7, 0.2, 0.1]]))
    assert report[3].note == "log frequencies of the classes"
    binary = nn.Linear(5, 1)
    il.initialize(binary, "zeros", output_bias=torch.tensor([0.9, 0.1]))
    assert float(binary(torch.zeros(5)).sigmoid().detach()) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "model", [nn.LSTM(3, 5, num_layers=2, bidirectional=True), nn.LSTMCell(3, 5)]
)
def test_forget_bias_sums_to_its_value(model):
    il.initialize(model, "orthogonal", forget_bias=1.0)
    biases = dict(model.named_parameters())
    for name in biases:
        if name.startswith("bias_ih"):
            both = (biases[name] + biases[name.replace("ih", "hh")]).tolist()
            assert both == [0.0] * 5 + [1.0] * 5 + [0.0] * 10


# ------------------------------------------------------------------ rules


def test_first_rule_that_fits_wins():
    model = nn.Sequential(nn.Linear(4, 4), nn.LSTM(4, 4), nn.LayerNorm(4), nn.Linear(4, 4))
    rules = [
        il.Rule("3", "zeros", bias=1.0),
        il.Rule((nn.Linear, nn.Bilinear), "ones"),
        il.Rule("*weight_hh*", "eye"),
        il.Rule(nn.LayerNorm, "constant", val=0.1),
        il.Rule("*", lambda fan_in, fan_out: 1.0 / fan_out),
    ]
    report = rows_of(il.initialize(model, "normal", rules=rules))
    assert {name: row.scheme for name, row in report.items()} == {
        "0.weight": "ones",
        "0.bias": "zeros",
        "1.weight_ih_l0": "custom",
        "1.weight_hh_l0": "eye",
        "1.bias_ih_l0": "zeros",
        "1.bias_hh_l0": "zeros",
        "2.weight": "constant(val=0.1)",
        "2.bias": "zeros",
        "3.weight": "zeros",
        "3.bias": "constant(val=1)",
    }
    assert torch.equal(model[1].weight_hh_l0[4:8], torch.eye(4))


class Unknown(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.full((4, 3), 7.0))
        self.shift = nn.Parameter(torch.full((3,), 7.0))
        self.gain = nn.Parameter(torch.full((3,), 7.0))
        self.inner = nn.Linear(3, 2)


def test_unknown_parameters_are_left_and_told():
    model, unknown = Unknown(), "Unknown is not a known layer type: give it a rule,"
    report = il.initialize(model, "kaiming_normal")
    assert [(row.name, row.note) for row in report.left] == [
        ("table", f"{unknown} il.Rule('table', 'kaiming_normal')"),
        ("shift", f"{unknown} il.Rule('shift', 'zeros')"),
        ("gain", f"{unknown} il.Rule('gain', 'ones')"),
    ]
    assert model.table.unique().tolist() == [7.0]
    report = il.initialize(model, "kaiming_normal", rules=[il.Rule(Unknown, "zeros")])
    assert [row.name for row in report.left] == ["gain"]
    assert not model.table.any()
    il.initialize(model, "kaiming_normal", rules=[il.Rule("shift", "ones")])
    assert model.shift.unique().tolist() == [1.0]


def test_a_parameter_beside_those_of_a_known_type_is_told():
    class Adapted(nn.Linear):
        def __init__(self):
            super().__init__(3, 2)
            self.low_rank = nn.Parameter(torch.ones(2, 3))

    (row,) = il.initialize(Adapted(), "normal").left
    assert row.name == "low_rank"
    assert row.note == (
        "not a parameter that apply.LAYERS knows of Adapted: give it a rule, "
        "il.Rule('low_rank', 'normal')"
    )


class RawMlp(nn.Module):
    """Weights by hand, with the names that tutorials give them."""

    def __init__(self):
        super().__init__()
        self.w1, self.b1 = nn.Parameter(torch.ones(4, 5)), nn.Parameter(torch.ones(5))
        self.W_out, self.b_out = nn.Parameter(torch.ones(5, 3)), nn.Parameter(torch.ones(3))
        self.norm_scale = nn.Parameter(torch.ones(5))


@pytest.mark.parametrize(
    ("make", "filled", "left"),
    [
        (RawMlp, ["w1", "b1", "W_out", "b_out"], ["norm_scale"]),
        (Unknown, ["table", "shift"], ["gain"]),
        (lambda: nn.Sequential(RawMlp()), ["0.w1", "0.b1", "0.W_out", "0.b_out"], ["0.norm_scale"]),
    ],
)
def test_a_rule_for_all_fills_the_biases_of_unknown_layers_and_notes_say_how_to_reach_the_rest(
    make, filled, left
):
    model = make()
    parameters = dict(model.named_parameters())
    report = il.initialize(model, "normal", rules=[il.Rule("*", "kaiming_normal", bias="zeros")])
    for name in filled:
        expected = "zeros" if parameters[name].dim() == 1 else "kaiming_normal"
        assert report[name].scheme == expected
    assert [row.name for row in report.left] == left
    notes = [row.note for row in il.initialize(model, "normal").left]
    rules = [eval(note.partition("give it a rule, ")[2], {"il": il}) for note in notes]
    assert not il.initialize(model, "normal", rules=rules).left


def test_a_layer_type_is_added_by_one_line(monkeypatch):
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.ones(50, 20)), nn.Parameter(torch.ones(50))

    monkeypatch.setitem(TABLE, Mine, linear)
    model = Mine()
    assert il.initialize(model, "lecun_normal")["weight"].fan_in == 20
    report = il.initialize(model, "torch_default", bias="torch_default")
    assert report["weight"].std_given == pytest.approx(60**-0.5)
    assert not model.bias.any()


def test_own_schemes_work_everywhere_a_name_does():
    model = nn.Sequential(nn.Conv1d(3, 8, 2), nn.Linear(3, 8))
    il.initialize(
        model, lambda tensor: tensor.fill_(2.0), rules=[il.Rule("1", lambda fan_in, fan_out: 0)]
    )
    assert model[0].weight.unique().tolist() == [2.0]
    assert not model[1].weight.any()


# ------------------------------------------------------------------ tied, frozen, parametrised


def test_tied_weights_are_filled_once():
    model = nn.ModuleDict({"words": nn.Embedding(11, 6), "head": nn.Linear(6, 11)})
    model["head"].weight = model["words"].weight
    torch.manual_seed(0)
    report = rows_of(il.initialize(model, "normal", std=0.02))
    torch.manual_seed(0)
    assert torch.equal(model["words"].weight, nn.init.normal_(torch.empty(11, 6), std=0.02))
    assert report["head.weight"].note == "tied to words.weight: set there"


def test_frozen_parameters_are_left_and_told():
    model = nn.Linear(3, 2)
    model.weight.requires_grad_(False)
    before = model.weight.clone()
    report = il.initialize(model, "ones")
    assert torch.equal(model.weight, before)
    assert [row.note for row in report.left] == ["frozen (requires_grad=False)"]


PARAMETRISED = {
    "weight_norm": lambda: parametrizations.weight_norm(nn.Linear(30, 20)),
    "weight_norm conv": lambda: parametrizations.weight_norm(nn.Conv1d(10, 20, 3), dim=1),
    "orthogonal": lambda: parametrizations.orthogonal(nn.Linear(30, 20)),
}


@pytest.mark.parametrize("make", PARAMETRISED.values(), ids=PARAMETRISED)
def test_parametrised_weights_take_the_value(make):
    model = make()
    report = rows_of(il.initialize(model, "orthogonal", generator=torch.Generator().manual_seed(0)))
    expected = torch.empty(model.weight.shape)
    il.scheme("orthogonal").fill_(expected, torch.Generator().manual_seed(0))
    model(torch.zeros(30) if model.weight.dim() == 2 else torch.zeros(10, 8))
    assert torch.allclose(model.weight, expected, atol=1e-5)
    assert set(report) == {name for name, _ in model.named_parameters()}
    row = next(row for row in report.values() if row.fan_in)
    assert row.type in ("Linear", "Conv1d")
    assert row.note.startswith("held by ")
    assert row.std_got == pytest.approx(row.std_given, rel=0.05)
    il.initialize(model, "torch_default", bias="torch_default")
    assert model.bias.any()


@pytest.mark.parametrize(
    ("hook", "names"),
    [
        (nn.utils.weight_norm, ["weight_g", "weight_v"]),
        (nn.utils.spectral_norm, ["weight_orig"]),
        (lambda layer: prune.random_unstructured(layer, "weight", 0.5), ["weight_orig"]),
    ],
    ids=["weight_norm", "spectral_norm", "prune"],
)
def test_a_weight_behind_a_hook_is_left_and_told(hook, names):
    model, how = nn.ModuleDict({"branch": nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))}), HOOKED
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        layer = hook(model["branch"][1])
    names = [f"branch.1.{name}" for name in names]
    before = [layer.weight.detach().clone(), *(model.get_parameter(n).clone() for n in names)]
    for scheme, bias in (("ones", 2.0), ("torch_default", "torch_default")):
        report = il.initialize(model, scheme, bias=bias, rules=[il.Rule("*_[gvo]*", "zeros")])
        assert {row.name: row.note for row in report.left} == dict.fromkeys(
            names, f"{how}: remove the hook to set it"
        )
        assert layer.bias.any()
    assert all(il.audit(model)[name].note.startswith(how) for name in names)
    report = il.lsuv(model["branch"], torch.randn(50, 6), scheme=None)
    assert {report[name[7:]].note for name in names} == {f"{how}: not scaled"}
    with pytest.raises(
        ValueError, match=r"branch.1.weight_\w+ is held by a hook .* be scaled: remove"
    ):
        il.scale_residual(model, "zero_last")
    after = [layer.weight, *map(model.get_parameter, names)]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.filterwarnings("ignore:Initializing zero-element")  # PyTorch's, from the layer itself
@pytest.mark.parametrize("sizes", [(0, 3), (3, 0)])
def test_a_weight_without_entries_has_no_spread(sizes):
    layer = nn.Linear(*sizes)
    for name in [n for n, s in il.SCHEMES.items() if s.dims[0] < 3]:
        report = il.initialize(layer, name)
        assert (report["weight"].std_given, report["weight"].std_got) == (None, None)
        assert not layer.bias.any()
    assert il.audit(layer)["weight"].note == "no entries"


class Scaled(nn.Module):
    """A parametrization with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.size = nn.Parameter(torch.ones(3))

    def forward(self, weight):
        return weight * self.size

    def right_inverse(self, weight):
        return weight / self.size


def test_a_parameter_inside_a_parametrization_is_told():
    model = nn.Sequential(nn.Linear(3, 2))
    parametrize.register_parametrization(model[0], "weight", Scaled())
    name = "0.parametrizations.weight.0.size"
    (left,) = il.initialize(model, "ones").left
    assert (left.name, model[0].weight.unique().tolist()) == (name, [1.0])
    assert left.note.endswith(f"give it a rule, il.Rule({name!r}, 'ones')")
    il.initialize(model, "ones", rules=[il.Rule(name, "constant", val=2.0)])
    assert model[0].parametrizations.weight.original.unique().tolist() == [0.5]
    assert name in {row.name for row in il.audit(model)}


def test_spectral_norm_knows_the_new_weight_at_once():
    model = parametrizations.spectral_norm(nn.Linear(30, 20)).eval()
    il.initialize(model, "normal", std=4.0)
    model(torch.zeros(30))
    assert float(torch.linalg.matrix_norm(model.weight.detach(), 2)) == pytest.approx(1, abs=0.05)


def test_value_that_a_parametrization_cannot_hold_is_told():
    model = parametrizations.weight_norm(nn.Linear(3, 2))
    before = model.weight.detach().clone()
    report = il.initialize(model, "zeros")
    note = "held by WeightNorm, which cannot take this value: it would not be finite"
    assert [row.note for row in report.left] == [note] * 2
    assert torch.equal(model.weight, before)


# ------------------------------------------------------------------ what stays as it was


class OwnError(Exception):
    pass


def fails_late(tensor):
    torch.randn(3)
    if tensor.shape[0] == 2:
        raise OwnError
    tensor.zero_()


@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(0)])
def test_failure_in_the_middle_leaves_everything(generator):
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    model[1].running_mean.fill_(4)
    before, random = state(model), torch.get_rng_state()
    source = None if generator is None else generator.get_state()
    with pytest.raises(OwnError) as caught:
        il.initialize(model, fails_late, generator=generator)
    assert caught.value.__notes__ == ["While drawing 2.weight (Linear)."]
    assert same(state(model), before)
    assert torch.equal(torch.get_rng_state(), random)
    assert source is None or torch.equal(generator.get_state(), source)


def test_mode_hooks_gradients_and_identity_stay():
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout()).eval()
    model[0].weight.grad = torch.ones(3, 4)
    ids = [id(p) for p in model.parameters()]
    il.initialize(model, "kaiming_normal")
    assert not model.training
    assert model[0].weight.grad.unique().tolist() == [1.0]
    assert [id(p) for p in model.parameters()] == ids
    assert all(p.requires_grad and p.is_leaf for p in model.parameters())


def test_a_module_used_twice_is_drawn_once():
    shared = nn.Linear(4, 4)
    torch.manual_seed(0)
    report = il.initialize(nn.Sequential(shared, nn.ReLU(), shared), "xavier_normal")
    torch.manual_seed(0)
    assert torch.equal(shared.weight, nn.init.xavier_normal_(torch.empty(4, 4)))
    assert len(report) == 2


# ------------------------------------------------------------------ the report


def test_report_as_text_rows_and_html():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 4), nn.LayerNorm(4), nn.LSTM(4, 2, bias=False))
    model[0].bias.requires_grad_(False)
    report = il.initialize(model, "constant", val=0.5)
    assert repr(report) == (
        "6 parameters: 5 set, 1 left as it is.\n"
        "\n"
        "layer  type       parameter     shape  scheme             fan_in  fan_out  std given  "
        "std got  note\n"
        "0      Linear     weight          4×8  constant(val=0.5)       8        4          0  "
        "      0\n"
        "0      Linear     bias              4  left                                           "
        "         frozen (requires_grad=False)\n"
        "1      LayerNorm  weight            4  ones                                        0  "
        "      0\n"
        "1      LayerNorm  bias              4  zeros                                       0  "
        "      0\n"
        "2      LSTM       weight_ih_l0    8×4  constant(val=0.5)       4        2          0  "
        "      0  4 gates\n"
        "2      LSTM       weight_hh_l0    8×2  constant(val=0.5)       2        2          0  "
        "      0  4 gates"
    )
    assert report.rows()[1] == {
        "layer": "0",
        "type": "Linear",
        "parameter": "bias",
        "shape": (4,),
        "scheme": "",
        "fan_in": None,
        "fan_out": None,
        "std_given": None,
        "std_got": None,
        "note": "frozen (requires_grad=False)",
    }
    with pytest.raises(KeyError, match=r"parameter='0.wieght' is unknown: did you mean '0.weight'"):
        report["0.wieght"]
    html = report._repr_html_()
    assert html.count("<tr>") == 7
    assert "<caption>6 parameters: 5 set, 1 left as it is.</caption>" in html


def test_report_of_a_bare_layer_and_of_nothing():
    assert (
        repr(il.initialize(nn.Linear(2, 1, bias=False), "zeros"))
        .splitlines()[3]
        .startswith("(model)")
    )
    assert il.initialize(nn.ReLU(), "zeros").summary == "0 parameters: 0 set."


@pytest.mark.parametrize("affine", [True, False])
def test_a_frozen_part_keeps_its_running_statistics(affine):
    body = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8, affine=affine)).requires_grad_(False)
    free = nn.BatchNorm1d(8, affine=False)
    for norm in (body[1], free):
        norm(torch.randn(32, 8) + 3)
    before = body[1].running_mean.clone()
    il.initialize(nn.Sequential(body, free, nn.Linear(8, 3)), "kaiming_normal")
    assert torch.equal(body[1].running_mean, before)
    assert not free.running_mean.any()
