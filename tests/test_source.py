import inspect

import pytest
import torch

import initlab as il


def test_show_prints_place_paper_and_source_of_a_scheme(capsys):
    il.show(il.SCHEMES["kaiming_normal"])
    place, paper, *source = capsys.readouterr().out.splitlines()
    assert place.startswith("# initlab/schemes/scaled.py, line ")
    assert paper == f"# {il.SCHEMES['kaiming_normal'].reference}"
    assert "\n".join(source) == inspect.getsource(type(il.SCHEMES["kaiming_normal"])).rstrip()


@pytest.mark.parametrize("thing", [il.trace, il.data.digits, il.schemes, il.Rule])
def test_show_prints_functions_classes_and_modules(thing, capsys):
    il.show(thing)
    assert inspect.getsource(thing).rstrip() in capsys.readouterr().out


@pytest.mark.parametrize("thing", [torch.tanh, len])
def test_show_says_what_has_no_source(thing):
    with pytest.raises(TypeError) as caught:
        il.show(thing)
    assert str(caught.value) == (
        "thing must be a scheme, class, function or module that is written in Python, "
        f"got {thing!r} of type builtin_function_or_method, whose source cannot be read."
    )
