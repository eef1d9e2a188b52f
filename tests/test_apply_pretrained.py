"""Pretrained weights: loaded, missing, unexpected and mismatched, and nothing half done."""

import re
import zipfile

import pytest
import torch
from torch import nn

import initlab as il


def network(classes=3):
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, classes))


def test_from_a_file_and_from_a_dict(tmp_path):
    source, path = network(), tmp_path / "weights.pt"
    torch.save(source.state_dict(), path)
    for weights in (path, str(path), source.state_dict()):
        model = network()
        report = il.initialize_from(model, weights)
        for name, value in source.state_dict().items():
            assert torch.equal(model.state_dict()[name], value)
        assert {row.scheme for row in report} == {"pretrained"}
        assert [row.name for row in report] == [
            *["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"],
            *["1.running_mean", "1.running_var", "1.num_batches_tracked"],
        ]


def other_head():
    weights = network(classes=7).state_dict()
    del weights["1.running_var"]
    return weights | {"extra.weight": torch.zeros(2)}


def test_strict_tells_every_misfit_and_changes_nothing():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    message = """state_dict_or_path does not fit the model:
  missing: 1.running_var
  unexpected: extra.weight
  shape: 2.weight is (3, 5) in the model, (7, 5) in the weights
  shape: 2.bias is (3,) in the model, (7,) in the weights
Pass strict=False to load what fits, with a scheme for the rest."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        il.initialize_from(model, other_head())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_scheme_for_what_was_not_loaded():
    model, weights = network(), other_head()
    torch.manual_seed(0)
    report = il.initialize_from(model, weights, strict=False, scheme="xavier_normal", bias=0.5)
    torch.manual_seed(0)
    assert torch.equal(model[2].weight, nn.init.xavier_normal_(torch.empty(3, 5)))
    assert model[2].bias.tolist() == [0.5] * 3
    assert torch.equal(model[0].weight, weights["0.weight"])
    notes = {row.name: (row.scheme, row.note) for row in report}
    assert notes["0.weight"] == ("pretrained", "loaded")
    assert notes["2.weight"] == ("xavier_normal", "shape (7, 5) in the weights does not fit")
    assert notes["1.running_var"] == ("", "buffer, missing in the weights")
    assert notes["extra.weight"] == ("", "unexpected: the model has no such tensor")


def test_without_a_scheme_the_rest_stays():
    model, weights = network(), other_head()
    head = model[2].weight.detach().clone()
    report = il.initialize_from(model, weights, strict=False)
    assert torch.equal(model[2].weight, head)
    assert torch.equal(model[0].weight, weights["0.weight"])
    assert [row.name for row in report.left] == [
        *["2.weight", "2.bias", "1.running_var", "extra.weight"],
    ]


def test_tied_weights_need_to_come_once():
    def make():
        model = nn.ModuleDict({"words": nn.Embedding(11, 6), "head": nn.Linear(6, 11, bias=False)})
        model["head"].weight = model["words"].weight
        return model

    weights, model = make().state_dict(), make()
    del weights["head.weight"]
    il.initialize_from(model, weights)
    assert torch.equal(model["head"].weight, weights["words.weight"])


def test_failing_scheme_leaves_the_model():
    model, weights = network(), other_head()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ZeroDivisionError):
        il.initialize_from(model, weights, strict=False, scheme=lambda tensor: 1 / 0)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


WRONG = [
    (
        3,
        TypeError,
        "state_dict_or_path must be tensors by name (model.state_dict()) or a path, got int.",
    ),
    ("nowhere.pt", ValueError, "state_dict_or_path must be a file that exists, got 'nowhere.pt'."),
    (
        {"epoch": 3, "model": {"0.weight": torch.zeros(1)}},
        ValueError,
        "state_dict_or_path must hold tensors by name, got a checkpoint with 'epoch', 'model': "
        "pass checkpoint['model'].",
    ),
    (
        {"0.weight": [1.0]},
        TypeError,
        "state_dict_or_path must hold tensors by name, got list under '0.weight'.",
    ),
    (
        {"other": torch.zeros(1)},
        ValueError,
        "state_dict_or_path has nothing that the model can use. "
        "Compare its names and shapes with model.state_dict().",
    ),
]


@pytest.mark.parametrize(("weights", "error", "message"), WRONG)
def test_wrong_weights(weights, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        il.initialize_from(network(), weights, strict=False)


def prefixed(prefix, weights):
    return {prefix + name: value for name, value in weights.items()}


class Body(nn.Module):
    """A part of it was compiled before training: the wrapper is in the middle of its names."""

    def __init__(self, wrapped):
        super().__init__()
        self.body = network()
        self.body = torch.compile(self.body, backend="eager") if wrapped else self.body
        self.head = nn.Linear(3, 2)


SD = network().state_dict()
OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(5, 4)}}, "param_groups": [{"lr": 0.1}]}
OTHER_NAMES = {  # what came → (model, weights)
    "optimizer first": (network, lambda: {"optimizer": OPTIMIZER, "model": SD}),
    "two that fit": (network, lambda: {"optimizer": OPTIMIZER, "model": SD, "ema": SD}),
    "another network first": (
        network,
        lambda: {"teacher": nn.Linear(4, 5).state_dict(), "student": {"net": SD}},
    ),
    "lightning": (
        network,
        lambda: {"epoch": 3, "loops": {"a": {"b": 1}}, "state_dict": prefixed("model.", SD)},
    ),
    "a module": (network, lambda: {"epoch": 1, "model": network()}),
    "from DataParallel": (network, lambda: prefixed("module.", SD)),
    "from compile": (network, lambda: prefixed("_orig_mod.", SD)),
    "from both": (network, lambda: prefixed("module._orig_mod.", SD)),
    "into DataParallel": (lambda: nn.DataParallel(network()), lambda: SD),
    "into compile": (lambda: torch.compile(network(), backend="eager"), lambda: SD),
    "from one into the other": (
        lambda: torch.compile(network(), backend="eager"),
        lambda: prefixed("module.", SD),
    ),
    "checkpoint into compile": (
        lambda: torch.compile(network(), backend="eager"),
        lambda: {"optimizer": OPTIMIZER, "state_dict": prefixed("module.", SD)},
    ),
    "compiled in the middle": (lambda: Body(wrapped=False), lambda: Body(True).state_dict()),
    "into compiled in the middle": (lambda: Body(wrapped=True), lambda: Body(False).state_dict()),
}


@pytest.mark.parametrize(("make", "weights"), OTHER_NAMES.values(), ids=OTHER_NAMES)
def test_the_advice_for_other_names_works_when_it_is_followed(make, weights, tmp_path):
    came, model, path = weights(), make(), str(tmp_path / "weights.pt")
    sources = [came]
    if not any(isinstance(value, nn.Module) for value in came.values()):
        torch.save(came, path)
        sources.append(path)
    for source in sources:
        with pytest.raises(ValueError, match=r"pass [\{ct]") as caught:
            il.initialize_from(model, source)
        code = str(caught.value).rpartition("pass ")[2].removesuffix(".")
        code, _, others = code.partition(" (")
        assert others.endswith("['ema'] would fit, too)") == ("ema" in came)
        known = {"weights": came, "checkpoint": came, "model": model, "torch": torch, "re": re}
        assert il.initialize_from(model, eval(code, known)).left == []


def test_nothing_under_these_names_and_not_strict_gives_the_same_advice():
    with pytest.raises(ValueError, match=r"can use\. Under other names, 9 of its 9 tensors fit: "):
        il.initialize_from(network(), prefixed("module.", SD), strict=False)


def test_part_of_the_names_with_a_prefix_needs_strict_false():
    weights = prefixed("backbone.", network().state_dict()) | {"head.weight": torch.zeros(2, 2)}
    with pytest.raises(ValueError, match="9 of its 10 tensors fit: pass ") as caught:
        il.initialize_from(network(), weights)
    message = str(caught.value)
    assert message.endswith(
        "pass {k.removeprefix('backbone.'): v for k, v in weights.items()}, "
        "with strict=False for the rest."
    )


class Harmful:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_file_cannot_run_code(tmp_path, capsys):
    path = tmp_path / "harmful.pt"
    torch.save({"0.weight": Harmful()}, path)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist()
    with pytest.raises(ValueError, match="could not be read safely as tensors: save it with"):
        il.initialize_from(network(), path)
    assert capsys.readouterr().out == ""


def test_rules_need_a_scheme():
    message = "scheme must be given with rules or with parameters, got none."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        il.initialize_from(network(), {}, rules=[il.Rule("0", "ones")])
