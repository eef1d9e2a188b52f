"""What a model holds: each scheme known again, in every layer type and in the usual networks."""

import copy
import itertools
import re
import warnings

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn
from torch.nn.utils import parametrizations, prune

import initlab as il
from initlab.apply.grouping import grouped
from initlab.apply.recognise import recognise
from test_apply import LAYERS
from test_apply_networks import NETWORKS


def families(row):
    """The names of all schemes that a row gives: the first, and the others of its note."""
    texts = [row.scheme, *row.note.partition("or ")[2].split(", ")]
    return [re.split(r"\W", text)[0] for text in texts]


# ------------------------------------------------------------------ every scheme, every layer


@pytest.mark.parametrize(("make", "parameters"), LAYERS.values(), ids=LAYERS)
def test_every_scheme_is_known_again_on_every_layer_type(make, parameters):
    torch.manual_seed(0)
    model = make()
    for name in il.SCHEMES:
        try:
            il.initialize(model, name)
        except ValueError:
            continue  # it cannot fill this layer
        audit = il.audit(model)
        assert [row.name for row in audit] == [n for n, _ in model.named_parameters()]
        for parameter, (_, fan_in, fan_out) in parameters.items():
            row, value = audit[parameter], model.get_parameter(parameter).detach()
            assert name in families(row), row
            assert (row.fan_in, row.fan_out) == (fan_in, fan_out)
            assert row.mean == pytest.approx(float(value.mean()), abs=1e-6)
            assert row.std == pytest.approx(float(value.std(correction=0)), rel=1e-4, abs=1e-8)
            assert row.fan_in_variance == pytest.approx(fan_in * row.std**2)
        biases = [row for row in audit if "bias" in row.name and not row.name.startswith("bias_")]
        assert all(row.scheme == "zeros" for row in biases)


FRESH = [(32, 32), (40, 25), (10, 100), (100, 10), (64, 48), (16, 8, 3, 3), (8, 8, 5, 5), (512, 2)]


def wrong_names(draws, seed):
    """Fill fresh tensors of 1,000 entries and more, and list those with another name, or none."""
    torch.manual_seed(seed)
    wrong, total = [], 0
    for _, (name, scheme), shape in itertools.product(range(draws), il.SCHEMES.items(), FRESH):
        tensor = torch.empty(shape)
        if scheme.dims[0] > len(shape) or (scheme.dims[1] or 9) < len(shape):
            continue
        if name == "delta_orthogonal" and shape[0] < shape[1]:
            continue
        scheme.fill_(tensor)
        match = recognise([tensor], tensor)
        total += 1
        if name not in [text.split("(")[0] for text in (match.scheme, *match.others)]:
            wrong.append((name, shape, match.scheme))
    return wrong, total


def test_the_name_of_a_fresh_tensor_is_seldom_wrong():
    wrong, total = wrong_names(draws=12, seed=0)
    assert total > 1000
    assert wrong == []


@pytest.mark.thorough
def test_the_chance_of_a_wrong_name_is_below_one_in_a_thousand():
    wrong, total = wrong_names(draws=400, seed=1)
    assert len(wrong) < 1e-3 * total * 0.5  # 45,000 tensors: a rate of 1e-3 would show 45 ± 7


@pytest.mark.parametrize(
    ("fill", "shape", "expected"),
    [
        (lambda w: nn.init.kaiming_uniform_(w, a=5**0.5), (50, 40), "torch_default"),
        (lambda w: nn.init.normal_(w, std=0.02), (60, 40), "normal(std=0.02)"),
        (lambda w: nn.init.normal_(w, std=0.0347), (600, 400), "normal(std=0.0347)"),
        (lambda w: nn.init.normal_(w, mean=3, std=0.3), (60, 40), "normal(mean=3, std=0.3)"),
        (lambda w: nn.init.uniform_(w, -0.37, 0.37), (60, 40), "uniform(a=-0.37, b=0.37)"),
        (lambda w: nn.init.uniform_(w, 0.5, 2), (60, 40), "uniform(a=0.5, b=2)"),
        (
            lambda w: nn.init.trunc_normal_(w, std=0.02, a=-0.04, b=0.04),
            (60, 40),
            "trunc_normal(std=0.02, a=-0.04, b=0.04)",
        ),
        (
            lambda w: nn.init.trunc_normal_(w, std=0.3, a=-0.6, b=0.6),
            (60, 40),
            "trunc_normal(std=0.3, a=-0.6, b=0.6)",
        ),
        (lambda w: nn.init.orthogonal_(w, gain=2**0.5), (60, 40), "orthogonal(gain=1.41)"),
        (lambda w: nn.init.orthogonal_(w, gain=0.3), (40, 60), "orthogonal(gain=0.3)"),
        (lambda w: nn.init.sparse_(w, 0.8, std=0.1), (60, 40), "sparse(sparsity=0.8, std=0.1)"),
        (lambda w: nn.init.constant_(w, 0.25), (60, 40), "constant(val=0.25)"),
        (lambda w: nn.init.dirac_(w, groups=2), (8, 4, 3, 3), "dirac(groups=2)"),
        (lambda w: nn.init.xavier_normal_(w, gain=5 / 3), (70, 30), "xavier_normal(gain=1.67)"),
        (
            lambda w: nn.init.kaiming_normal_(w, nonlinearity="tanh"),
            (300, 100),
            "kaiming_normal(nonlinearity='tanh')",
        ),
        (
            lambda w: nn.init.kaiming_uniform_(w, mode="fan_out"),
            (30, 20, 3, 3),
            "kaiming_uniform(mode='fan_out')",
        ),
        (lambda w: w.copy_(torch.randn(60, 40).sign()), (60, 40), ""),
        (lambda w: w.copy_(torch.randn(60, 40) ** 3), (60, 40), ""),
        (lambda w: w.copy_(torch.randn(60, 1) * torch.randn(60, 40)), (60, 40), ""),
        (lambda w: w.copy_(torch.eye(6) + torch.eye(6).roll(1, 0)), (6, 6), ""),
        (lambda w: w.fill_(float("nan")), (3, 4), ""),
    ],
)
def test_arguments_are_told(fill, shape, expected):
    torch.manual_seed(0)
    tensor = fill(torch.empty(shape))
    assert recognise([tensor], tensor).scheme == expected


def test_where_several_fit_the_plainest_is_named_and_the_note_has_the_others():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2500, 40), nn.Linear(60, 60), nn.Linear(60, 60))
    nn.init.normal_(model[0].weight, std=0.02)
    nn.init.xavier_normal_(model[1].weight)
    nn.init.kaiming_normal_(model[2].weight)
    first, second, third = (il.audit(model)[f"{i}.weight"] for i in range(3))
    assert (first.scheme, "lecun_normal" in first.note) == ("normal(std=0.02)", True)
    assert (second.scheme, "or xavier_normal" in second.note) == ("lecun_normal", True)
    assert (third.scheme, "or xavier_normal(gain=1.41)" in third.note) == ("kaiming_normal", True)
    assert "or kaiming_uniform(a=√5)" in il.audit(nn.Linear(60, 50))["weight"].note


def test_a_small_tensor_is_named_as_larger_ones_are():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 90), nn.Linear(90, 7), nn.Linear(7, 2))
    il.initialize(model, "kaiming_normal", mode="fan_out")
    assert [row.scheme for row in il.audit(model)][::2] == ["kaiming_normal(mode='fan_out')"] * 3


def test_plain_numbers_next_to_a_usual_scheme_are_in_the_note():
    torch.manual_seed(0)
    for std in torch.logspace(-2, 0, 60):
        tensor = torch.empty(40, 40).normal_(std=float(std))
        match = recognise([tensor], tensor)
        texts = [text for text in (match.scheme, *match.others) if text.startswith("normal(")]
        numbers = [float(re.search(r"std=([\d.]+)", text)[1]) for text in texts]
        # 1,600 draws tell a std within 1.8 % (one sigma); it is written as short as 2.5 of them
        # allow. Where a usual scheme fits as well as the numbers themselves, it stands alone.
        named = match.scheme.startswith(("kaiming", "xavier", "lecun", "torch"))
        assert named or min(abs(number / float(std) - 1) for number in numbers) < 0.1


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["orthogonal", "kaiming_uniform", "xavier_normal", "trunc_normal"])
def test_other_dtypes(dtype, name):
    model = nn.Linear(80, 60).to(dtype)
    il.initialize(model, name)
    assert il.audit(model)["weight"].scheme.startswith(name)


def test_trained_weights_look_like_no_scheme():
    net = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU())
    net.append(nn.Linear(100, 10))
    fresh = [row.scheme for row in il.audit(net)]
    x, y = il.data.digits(512)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    assert fresh == ["torch_default"] * len(fresh)
    assert [row.scheme for row in il.audit(net)] == [""] * len(fresh)


def test_a_scheme_of_a_newcomer_is_known(monkeypatch):
    from initlab.schemes.scaled import LeCunNormal

    class Kumar(LeCunNormal):
        name = "kumar"

        def variance(self, fan_in, fan_out):
            return 12.8 / fan_in

    monkeypatch.setitem(il.SCHEMES, "kumar", Kumar())
    model = nn.Linear(100, 60)
    il.initialize(model, "kumar")
    assert il.audit(model)["weight"].scheme == "kumar"


# ------------------------------------------------------------------ what else is told


def test_ties_copies_frozen_padding_gates_and_numbers_that_are_none():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(80, 24, padding_idx=0)
            self.body = nn.TransformerEncoder(
                nn.TransformerEncoderLayer(24, 2, 32, batch_first=True), 2
            )
            self.memory = nn.LSTM(24, 24)
            self.head = nn.Linear(24, 80)
            self.head.weight = self.words.weight
            self.frozen = nn.Linear(24, 60).requires_grad_(False)
            self.empty = nn.Parameter(torch.full((3, 4), torch.nan))
            self.huge = nn.Parameter(1e30 * torch.randn(30, 40))
            self.none = nn.Parameter(torch.empty(0, 4))

    torch.manual_seed(0)
    model = Model()
    il.initialize(model.memory, "orthogonal", forget_bias=1.0)
    with torch.no_grad():  # each gate in its own way
        for gate, std in zip(model.memory.weight_ih_l0.chunk(4), (1, 0.02, 1, 0.02), strict=True):
            gate.normal_(std=std)
    audit = il.audit(model)
    assert isinstance(audit, il.Report)
    assert audit["words.weight"].note.startswith("row 0 is 0 (padding)")
    assert audit["head.weight"].note.startswith("tied to words.weight")
    assert audit["head.weight"].scheme == audit["words.weight"].scheme == "normal(std=1)"
    assert audit["body.layers.1.linear1.weight"].note.startswith(
        "a copy of body.layers.0.linear1.weight: equal values"
    )
    assert audit["frozen.weight"].note.startswith("frozen")
    assert audit["memory.bias_ih_l0"].scheme == "zeros, ones, zeros, zeros"
    assert audit["memory.bias_ih_l0"].note == "gate by gate"
    assert audit["memory.weight_hh_l0"].scheme == "orthogonal(gain=1)"
    assert audit["memory.weight_ih_l0"].scheme == (
        "normal(std=1), normal(std=0.02), normal(std=1), normal(std=0.02)"
    )
    assert (audit["empty"].scheme, audit["empty"].note) == (
        "",
        "100 % of the entries are nan or infinite",
    )
    assert audit["huge"].note.startswith("entries up to ")
    assert audit["none"].note == "no entries"
    assert {row.name for row in audit.left} == {"empty", "huge", "none"}


def test_a_parametrised_weight_is_told_as_the_layer_uses_it():
    model = parametrizations.weight_norm(nn.Linear(60, 50))
    il.initialize(model, "kaiming_normal")
    audit = il.audit(model)
    first, second = audit["parametrizations.weight.original0"], audit[2]
    assert (first.scheme, first.fan_in) == ("kaiming_normal", 60)
    assert first.note.startswith("held by WeightNorm")
    assert second.name == "parametrizations.weight.original1"
    assert second.note == "held by WeightNorm"


def test_older_ways_to_hold_a_weight():
    pruned = prune.random_unstructured(nn.Linear(60, 50), "weight", 0.3)
    assert il.audit(pruned)["weight_orig"].note.startswith("held by a hook (torch.nn.utils.")
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        normed = nn.utils.weight_norm(nn.Linear(60, 50))
    normed(torch.zeros(1, 60))  # leaves a weight that deepcopy refuses
    audit = il.audit(normed, lambda model: nn.init.ones_(model.bias))
    assert {audit[name].done for name in ("weight_g", "weight_v")} == {"left"}
    assert audit["bias"].done == "set"


def test_nothing_changes():
    model = nn.Sequential(nn.Linear(9, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)).eval()
    model[0].weight.grad = torch.ones(8, 9)
    before = copy.deepcopy(model.state_dict())
    random = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002

    def init(module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)
            np.random.rand(3)  # noqa: NPY002
            module.weight.requires_grad_(False)
        module.train()

    il.audit(model)
    il.audit(model, init)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random[0])
    assert (np.random.get_state()[1] == random[1]).all()  # noqa: NPY002
    assert not model.training
    assert model[0].weight.requires_grad
    assert model[0].weight.grad.unique().tolist() == [1.0]


# ------------------------------------------------------------------ the usual networks

# name of a parameter (glob) → scheme, by hand from the sources of transformers
NORMAL, ONES, ZEROS = "normal(std=0.02)", "ones", "zeros"
USUAL = {
    "gpt2": {
        r".*ln_.*weight": ONES,
        r".*bias": ZEROS,
        r".*c_proj.weight": "normal(std=0.01)",  # .02 / √4
        r".*weight": NORMAL,
    },
    "bert": {r".*LayerNorm.weight": ONES, r".*bias": ZEROS, r".*weight": NORMAL},
    "vit": {
        r".*layernorm.*weight": ONES,
        r".*bias": ZEROS,
        r".*(weight|token|embeddings)": NORMAL,
    },
    "llama": {r".*norm.weight": ONES, r".*weight": NORMAL},
    "t5": {
        r".*norm.weight": ONES,
        r".*(shared|embed_tokens|lm_head).weight": "normal(std=1)",
        r".*\.q\.weight": "normal(std=0.04",  # 1 / √(32 · 16) = .0442
        r".*relative.*": ".*",  # 64 entries fit many schemes
        r".*weight": "lecun_normal",  # 1 / √(inputs)
    },
    "resnet": {
        r".*normalization.weight": ONES,
        r".*normalization.bias": ZEROS,
        r"classifier.*": "torch_default",
        r".*convolution.weight": "kaiming_normal",
    },
    "convnext": {
        r".*(norm|sampling_layer\.0).weight": ONES,
        r".*bias": ZEROS,
        r".*scale_parameter": "constant(val=1e-06)",
        r".*weight": NORMAL,
    },
}


@pytest.mark.parametrize("name", USUAL)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_usual_networks(name, seed):
    torch.manual_seed(seed)
    model, expected = NETWORKS[name][0](), USUAL[name]
    audit = il.audit(model)
    assert [row.name for row in audit] == [
        name for name, _ in model.named_parameters(remove_duplicate=False)
    ]
    for row in audit:
        scheme = next(s for pattern, s in expected.items() if re.fullmatch(pattern, row.name))
        assert re.match(scheme if "*" in scheme else re.escape(scheme), row.scheme), row
    if "convolution.weight" in audit[0].name:
        modes = {row.scheme for row in audit if row.fan_in and row.fan_in != row.fan_out}
        assert modes == {"kaiming_normal(mode='fan_out')", "torch_default"}


# ------------------------------------------------------------------ how it prints


def test_repeated_blocks_share_lines():
    torch.manual_seed(0)
    audit = il.audit(
        hf.GPT2LMHeadModel(hf.GPT2Config(n_layer=3, n_head=2, n_embd=48, vocab_size=96))
    )
    lines = repr(audit).splitlines()
    assert lines[0] == (
        "41 parameters: 41 look like a scheme, 0 like none. "
        "transformer.h.0 … transformer.h.2: the same."
    )
    assert len(lines) == 20
    assert lines[2].split() == [
        *["parameter", "type", "shape", "scheme", "mean", "std"],
        *["fan_in", "fan_out", "fan_in·var", "note"],
    ]
    assert re.match(
        r"transformer\.h\.0 … 2\.attn\.c_attn\.bias +Conv1D +144  zeros +0 +0$", lines[8]
    )
    html = audit._repr_html_()
    assert html.count("<tr>") == 18
    assert len(audit.rows()) == 41
    assert audit.rows()[2]["name"] == "transformer.h.0.ln_1.weight"
    assert set(audit.rows()[0]) >= {
        *["name", "shape", "fan_in", "fan_out", "mean", "std", "scheme", "note", "done"]
    }


def test_blocks_that_differ_have_lines_of_their_own():
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(40, 40, bias=False) for _ in range(5)))
    for depth, layer in enumerate(model):
        nn.init.normal_(layer.weight, std=0.5 if depth == 2 else 0.1)
    names = [group.name for group in grouped(list(il.audit(model)))]
    assert names == ["0, 1, 3, 4.weight", "2.weight"]


def test_the_plot_shows_measured_dots_and_named_schemes():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 50), nn.Linear(50, 10))
    il.initialize(model, "kaiming_normal")
    ax = il.audit(model).plot(schemes=["lecun_normal", "kaiming_normal"])
    lines = {line.get_label(): line for line in ax.get_lines()}
    weights = [p.detach() for p in model.parameters() if p.dim() > 1]
    dots = lines["this model"].get_ydata()
    assert dots == pytest.approx([float(w.std(correction=0)) for w in weights], rel=1e-4)
    assert lines["lecun_normal"].get_ydata() == pytest.approx([64**-0.5, 0.1, 50**-0.5])
    assert lines["kaiming_normal"].get_linestyle() == "--"
    alt = il.plots.alt_text(ax)
    assert re.search(r"3 weights is 0\.\d+ to 0\.\d+.*(0\.9\d|1) times that of kaiming_normal", alt)
    assert ax.get_xlabel()
    assert ax.get_ylabel() == "standard deviation of its entries"
    with pytest.raises(ValueError, match="schemes='kaimin_normal' is unknown: did you mean"):
        il.audit(model).plot(schemes=["kaimin_normal"])
    with pytest.raises(ValueError, match="at least one std above 0, got none"):
        il.audit(nn.LayerNorm(3)).plot()


def test_a_model_without_parameters():
    assert il.audit(nn.ReLU()).summary == "0 parameters: 0 look like a scheme, 0 like none."
    assert len(il.audit(nn.ReLU(), lambda model: None)) == 0
