"""Does the transformer of lesson 13 look only back, and tie what it says that it ties?"""

import math

import pytest
import torch

from initlab.lessons.small_transformer import Transformer, digits_as_tokens, loss_of


def test_an_output_depends_on_no_later_token():
    torch.manual_seed(0)
    net, rows = Transformer(blocks=2, d=16), digits_as_tokens(12)[:4]
    changed = rows.clone()
    changed[:, 7:] = (changed[:, 7:] + 5) % 17
    before, after = net(rows), net(changed)
    assert before.shape == (4, 12, 17)
    assert torch.allclose(before[:, :7], after[:, :7], atol=1e-5)
    assert not torch.allclose(before[:, 7:], after[:, 7:], atol=1e-2)


def test_the_head_is_the_embedding_and_zeros_guess():
    net = Transformer(blocks=1, d=16)
    assert net.head.weight is net.token.weight
    torch.nn.init.zeros_(net.token.weight)
    assert loss_of(net, digits_as_tokens()[:8]).item() == pytest.approx(math.log(17), abs=1e-5)


def test_without_skips_a_block_passes_on_its_branches_alone():
    torch.manual_seed(0)
    block, x = Transformer(blocks=1, d=16).blocks[0], torch.randn(2, 5, 16)
    alone = block(x, skip=False, mlp=False)
    assert torch.allclose(block(x, mlp=False), x + alone, atol=1e-6)
    middle = block.mlp(block.norm2(alone))
    assert torch.allclose(block(x, skip=False), middle, atol=1e-6)
