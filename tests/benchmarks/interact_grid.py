"""As most people write it: all is made anew at each move, and each histogram has its own axes."""

import matplotlib.pyplot as plt
import torch
from ipywidgets import interact
from torch import nn
from torch.nn import functional as F

import initlab as il

x, y = il.data.digits(128)


@interact(gain=(0.1, 3.0, 0.01))
def show(gain: float = 1.0) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(64 if k == 0 else 128, 128) for k in range(20)]
    head = nn.Linear(128, 10)
    signal, activations = x, []
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
        layer.weight.data *= gain
        signal = torch.relu(layer(signal))
        signal.retain_grad()
        activations.append(signal)
    F.cross_entropy(head(signal), y).backward()
    _, axes = plt.subplots(4, 10, figsize=(20, 10))
    for k, activation in enumerate(activations):
        axes[k // 10, k % 10].hist(activation.detach().flatten().numpy(), bins=50)
        axes[k // 10, k % 10].set_title(f"activation {k + 1}")
        axes[2 + k // 10, k % 10].hist(activation.grad.flatten().numpy(), bins=50)
        axes[2 + k // 10, k % 10].set_title(f"gradient {k + 1}")
    plt.show()
