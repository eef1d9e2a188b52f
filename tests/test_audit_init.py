"""What somebody's own initialisation does: set, left, set twice, whatever the values."""

import copy
import re
import threading

import pytest
import torch
import transformers as hf
from torch import nn
from torch.nn.utils import parametrizations

import initlab as il


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 4))


def done(model, init):
    return {row.name: row.done for row in il.audit(model, init)}


def linears(model):
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def of_the_model(model):
    for layer in linears(model):
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)


def of_a_module(module):
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(module.bias)


class OfBoth(nn.Module):
    """Owns a parameter itself, so that both kinds of function reach something when called once."""

    def __init__(self):
        super().__init__()
        self.token, self.body = nn.Parameter(torch.zeros(1, 8)), network()


def of_a_module_and_the_root(module):
    of_a_module(module)
    if isinstance(module, OfBoth):
        nn.init.normal_(module.token)


def of_the_root_only(model):
    nn.init.normal_(model.token)


BUFFERS = {"1.running_mean", "1.running_var", "1.num_batches_tracked"}


@pytest.mark.parametrize("init", [of_the_model, of_a_module])
def test_a_function_of_the_model_or_of_a_module(init):
    audit = il.audit(network(), init)
    assert {row.name for row in audit if row.done == "set"} == {
        *("0.weight", "0.bias", "3.weight", "3.bias")
    }
    assert {row.name for row in audit.left} == {"1.weight", "1.bias"} | BUFFERS
    assert audit["0.bias"].scheme == "zeros"
    assert audit["1.running_var"].note == "running statistics"
    assert audit.summary == "6 parameters: 4 set, 2 left. 3 buffers: 3 left."


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        (of_a_module_and_the_root, {"token", "body.0.weight", "body.3.weight", "body.0.bias"}),
        (of_a_module, {"body.0.weight", "body.0.bias"}),
        (of_the_root_only, {"token"}),
    ],
)
def test_which_of_the_two_it_is_is_found_out(init, expected):
    found = {name for name, what in done(OfBoth(), init).items() if what == "set"}
    assert expected <= found
    assert ("body.0.weight" in found) == ("body.0.weight" in expected)


def same_values(model):
    for parameter in model.parameters():
        parameter.data.copy_(parameter.data.clone())


def new_parameters(model):
    for layer in linears(model):
        layer.weight = nn.Parameter(torch.randn(layer.weight.shape))


def new_data(model):
    for layer in linears(model):
        layer.weight.data = torch.randn(layer.weight.shape)


def filled_first(model):
    for layer in linears(model):
        layer.weight.data = nn.init.xavier_normal_(torch.empty(layer.weight.shape))


def through_numpy(model):
    for layer in linears(model):
        layer.weight.detach().numpy()[...] = 1


def from_a_state(model):
    model.load_state_dict(network().state_dict())


def scaled(model):
    with torch.no_grad():
        for layer in linears(model):
            layer.weight.mul_(0.1)


def drawn_and_scaled(model):
    with torch.no_grad():
        for layer in linears(model):
            layer.weight.normal_().mul_(0.1)


def of_many_writes(model):
    for layer in linears(model):
        nn.init.trunc_normal_(layer.weight)
    nn.init.sparse_(model[0].weight, 0.5)
    nn.init.eye_(model[3].weight)


def twice(model):
    of_the_model(model)
    nn.init.orthogonal_(model[0].weight)


def four_times(model):
    for _ in range(4):
        nn.init.normal_(model[0].weight)


def half(model):
    nn.init.ones_(model[0].weight[:3])


def piece_by_piece(model):
    for row in model[0].weight:
        nn.init.normal_(row)


def in_another_dtype(model):
    model.double()
    nn.init.normal_(model[0].weight)


WEIGHTS = ("0.weight", "3.weight")
WRITES = {  # init → what it did to the two weights
    same_values: ("set", "set"),
    new_parameters: ("set", "set"),
    new_data: ("set", "set"),
    filled_first: ("set", "set"),
    through_numpy: ("set", "set"),
    from_a_state: ("set", "set"),
    scaled: ("set", "set"),
    drawn_and_scaled: ("set", "set"),
    of_many_writes: ("set twice", "set twice"),
    twice: ("set twice", "set"),
    four_times: ("set 4 times", "left"),
    half: ("set in part", "left"),
    piece_by_piece: ("set", "left"),
    in_another_dtype: ("set", "left"),
}


@pytest.mark.parametrize(
    ("init", "expected"), WRITES.items(), ids=lambda one: getattr(one, "__name__", "")
)
def test_what_is_written_whatever_the_values(init, expected):
    found = done(network(), init)
    assert tuple(found[name] for name in WEIGHTS) == expected
    biases = "set" if init in (same_values, from_a_state, twice) else "left"
    assert found["3.bias"] == biases


def test_each_set_of_values_that_were_there_before_counts():
    model = nn.LayerNorm(6)  # 1 and 0 already
    assert done(model, lambda m: nn.init.ones_(m.weight)) == {"weight": "set", "bias": "left"}


def test_statistics_and_other_buffers_are_told():
    def init(module):
        if isinstance(module, nn.BatchNorm1d):
            module.reset_running_stats()

    found = done(network(), init)
    assert {found[name] for name in BUFFERS} == {"set"}
    assert found["1.weight"] == "left"


def test_weight_norm_hides_a_weight_from_an_initialisation():
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(8, 6)))
    found = il.audit(model, lambda m: nn.init.orthogonal_(m[0].weight))
    assert {row.done for row in found} == {"left"}
    assert {row.done for row in il.audit(model, lambda m: il.initialize(m, "normal"))} == {"set"}


def test_tied_weights_are_set_once_under_both_names():
    model = nn.ModuleDict({"words": nn.Embedding(11, 6), "head": nn.Linear(6, 11)})
    model["head"].weight = model["words"].weight
    found = done(model, lambda m: nn.init.normal_(m["words"].weight))
    assert found == {"words.weight": "set", "head.weight": "set", "head.bias": "left"}


# ------------------------------------------------------------------ classes that start themselves


class Starting(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(5, 4), nn.Linear(4, 3)
        self.extra = nn.Parameter(torch.ones(3))

    def init_weights(self):
        nn.init.normal_(self.one.weight)

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        (lambda m: "init_weights", {"one.weight"}),
        (lambda m: m.init_weights, {"one.weight"}),
        (lambda m: Starting.init_weights, {"one.weight"}),
        (lambda m: "_init_weights", {"one.weight", "two.weight"}),
        (lambda m: m._init_weights, {"one.weight", "two.weight"}),
        (lambda m: m.one.reset_parameters, {"one.weight", "one.bias"}),
        (lambda m: "reset_parameters", {"one.weight", "one.bias", "two.weight", "two.bias"}),
    ],
)
def test_methods_by_name_bound_and_of_the_class(init, expected):
    model = Starting()
    before = copy.deepcopy(model.state_dict())
    found = done(model, init(model))
    assert {name for name, what in found.items() if what == "set"} == expected
    assert set(found.values()) == {"set", "left"}
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def on_meta():
    with torch.device("meta"):
        return network()


def test_meta_and_to_empty():
    with pytest.raises(ValueError, match="model has parameters on the meta device"):
        il.audit(on_meta())
    empty = il.audit(on_meta(), lambda m: m.to_empty(device="cpu"))
    assert {row.done for row in empty} == {"left"}
    assert all(row.note.endswith("memory that nobody wrote to") for row in empty)
    forgot = il.audit(on_meta(), lambda m: m.to_empty(device="cpu").apply(of_a_module))
    assert {row.name for row in forgot.left} == {"1.weight", "1.bias"} | BUFFERS
    assert forgot["0.weight"].note.startswith("or ")
    whole = done(on_meta(), lambda m: [x.reset_parameters() for x in m.to_empty(device="cpu")[::3]])
    assert [whole[name] for name in ("0.weight", "3.bias", "1.bias")] == ["set", "set", "left"]
    untouched = il.audit(on_meta(), lambda m: None)
    assert untouched["0.weight"].note == "on the meta device: holds no numbers"
    loaded = done(on_meta(), lambda m: m.load_state_dict(network().state_dict(), assign=True))
    assert "left" not in loaded.values()


def test_gpt2_sets_its_projections_twice():
    model = hf.GPT2LMHeadModel(hf.GPT2Config(n_layer=2, n_head=2, n_embd=48, vocab_size=96))
    audit = il.audit(model, "init_weights")
    twice = {row.name for row in audit if row.done == "set twice"}
    tied = {"transformer.wte.weight", "lm_head.weight"}
    assert twice == tied | {row.name for row in audit if row.name.endswith("c_proj.weight")}
    assert {row.done for row in audit if row.name not in twice} == {"set"}
    assert audit["transformer.h.1.mlp.c_proj.weight"].scheme == "normal(std=0.01)"


def test_what_init_raises_passes_through_and_nothing_changes():
    class OwnError(Exception):
        pass

    def fails(module):
        if isinstance(module, nn.Linear):
            nn.init.ones_(module.weight)
            torch.randn(3)
            raise OwnError

    model, random = network(), None
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    with pytest.raises(OwnError):
        il.audit(model, fails)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_a_model_that_cannot_be_copied():
    model = network()
    model.lock = threading.Lock()
    message = (
        "can copy, since init runs on a copy, got Sequential, for which it says: cannot pickle"
    )
    with pytest.raises(TypeError, match=message):
        il.audit(model, of_the_model)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            (network(), 3),
            TypeError,
            "init must be a function of a model or of a module, or the name of a method, "
            "got 3 of type int.",
        ),
        (
            (network(), "reset_parameter"),
            ValueError,
            "init='reset_parameter' is the name of no method of the model or of a part of it: "
            "did you mean 'reset_parameters'?",
        ),
        (
            (torch.zeros(2, 2),),
            TypeError,
            "model must be a torch.nn.Module, got Tensor: "
            "for one tensor call il.scheme(name).fill_(tensor).",
        ),
        (("model", of_the_model), TypeError, "model must be a torch.nn.Module, got str."),
        (
            (nn.Sequential(nn.LazyLinear(3)), of_the_model),
            ValueError,
            "model has lazy parameters that have no shape yet (0.weight, 0.bias): "
            "run one batch through it first.",
        ),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        il.audit(*arguments)
