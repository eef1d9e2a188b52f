"""A transformer small enough to train in a lesson: it reads the pixels of a digit, one by one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TOKENS = 17  # a pixel is a whole number from 0 to 16


class Block(nn.Module):
    """Attention and an MLP, each with a LayerNorm before it and a skip around it.

    Args:
        d: Width of the stream.

    Shape:
        (B, T, d) → (B, T, d)
    """

    def __init__(self, d: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attention = nn.MultiheadAttention(d, num_heads=4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(
        self, x: Tensor, mask: Tensor | None = None, *, skip: bool = True, mlp: bool = True
    ) -> Tensor:
        """Add both branches to the stream; without `skip`, pass on the branches alone."""
        h = self.norm1(x)
        x = skip * x + self.attention(h, h, h, attn_mask=mask, need_weights=False)[0]
        return skip * x + self.mlp(self.norm2(x)) if mlp else x


class Transformer(nn.Module):
    """Predict each next token from those before it, as GPT-2 does.

    Args:
        blocks: How many.
        d: Width of the stream, a multiple of 4.

    Shape:
        (B, T) tokens → (B, T, 17) outputs, for the token that follows each
    """

    def __init__(self, blocks: int, d: int = 64) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(TOKENS, d), nn.Embedding(64, d)
        self.blocks = nn.ModuleList(Block(d) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, TOKENS, bias=False)
        self.head.weight = self.token.weight  # tied: one matrix reads and writes tokens

    def embed(self, tokens: Tensor) -> Tensor:
        """Add the row of each token and the row of its place: (B, T) → (B, T, d)."""
        stream: Tensor = self.token(tokens) + self.place.weight[: tokens.shape[1]]
        return stream

    def forward(self, tokens: Tensor) -> Tensor:
        """Give the outputs, before softmax, for the token that follows each of these."""
        x = self.embed(tokens)
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])  # no look ahead
        for block in self.blocks:
            x = block(x, mask)
        outputs: Tensor = self.head(self.norm(x))
        return outputs


def digits_as_tokens(length: int = 25) -> Tensor:
    """Read the first pixels of the 1797 digits, row by row: (1797, length), whole numbers."""
    from sklearn.datasets import load_digits

    return torch.tensor(load_digits().data).long()[:, :length]


def loss_of(net: nn.Module, rows: Tensor) -> Tensor:
    """Cross-entropy of each next token of these rows."""
    return F.cross_entropy(net(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
