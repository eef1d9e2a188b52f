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


def test_a_prefix_on_all_names_is_recognised():
    weights = {f"module.{name}": value for name, value in network().state_dict().items()}
    with pytest.raises(ValueError, match=r"The names begin with 'module\.': remove it with \{k\."):
        il.initialize_from(network(), weights)


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
