"""How much of a recurrent layer is saturated? Its gates are inside; they are computed once more."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from initlab.probe import SATURATION

SAMPLES = 64  # of the batch; a share needs no more


def saturated_share(layer: nn.RNNBase, inputs: Any) -> float | None:
    """Return the share of gate and state values at the ends of their range, 0 to 1.

    The forget gate of an LSTM and the update gate of a GRU are left out: they may stand at one
    end on purpose, so that the state is kept.

    Args:
        layer: An RNN with tanh, an LSTM or a GRU.
        inputs: What it was called with; the first is the sequence.

    Returns:
        The share over all layers, directions, steps and samples, of the worst kind of gate; None
        for what cannot be said (a ReLU, a packed sequence, a projection).
    """
    x = inputs[0] if inputs else None
    if not isinstance(x, Tensor) or x.dim() != 3 or layer.proj_size or layer.mode == "RNN_RELU":
        return None
    x = x.to(next(layer.parameters()).dtype)  # autocast may have made it narrower
    x = (x.transpose(0, 1) if layer.batch_first else x)[:, :SAMPLES]  # (T, B, n)
    shares = []
    with torch.no_grad():
        for level in range(layer.num_layers):
            outputs = []
            for backwards in range(2 if layer.bidirectional else 1):
                states, gates = _unroll(layer, level, backwards, x.flip(0) if backwards else x)
                outputs.append(states.flip(0) if backwards else states)
                shares += [(gate.abs() > SATURATION).double().mean().item() for gate in gates]
            x = torch.cat(outputs, dim=-1)
    return max(shares)


def _unroll(
    layer: nn.RNNBase, level: int, backwards: int, x: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Run one direction of one layer; return its states, and gates stretched to -1 to 1."""
    end = f"_l{level}" + ("_reverse" if backwards else "")
    zero = x.new_zeros(())
    w_in, w_state = getattr(layer, f"weight_ih{end}"), getattr(layer, f"weight_hh{end}")
    b_in, b_state = (getattr(layer, f"bias_{k}{end}") if layer.bias else zero for k in ("ih", "hh"))
    state = cell = x.new_zeros(x.shape[1], layer.hidden_size)
    states: list[Tensor] = []
    gates: list[tuple[Tensor, ...]] = []
    for step in x @ w_in.T + b_in:
        memory = state @ w_state.T + b_state
        if layer.mode == "LSTM":
            enter, forget, new, out = (step + memory).chunk(4, -1)
            cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
            state = out.sigmoid() * cell.tanh()
            gates.append((_stretched(enter), new.tanh(), _stretched(out)))
        elif layer.mode == "GRU":
            (r, z, n), (r_state, z_state, n_state) = step.chunk(3, -1), memory.chunk(3, -1)
            new = (n + (r + r_state).sigmoid() * n_state).tanh()
            update = (z + z_state).sigmoid()
            state = update * state + (1 - update) * new
            gates.append((_stretched(r + r_state), new))
        else:
            state = (step + memory).tanh()
            gates.append((state,))
        states.append(state)
    return torch.stack(states), [torch.stack(gate) for gate in zip(*gates, strict=True)]


def _stretched(z: Tensor) -> Tensor:
    """Return a sigmoid on the range -1 to 1: 2σ(z) - 1 = tanh(z / 2)."""
    return (z / 2).tanh()
