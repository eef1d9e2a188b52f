"""As an expert writes it: weights drawn once, one figure, whose artists are updated."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from ipywidgets import interact
from torch.nn import functional as F

import initlab as il

DEPTH, WIDTH, BINS = 20, 128, 61
torch.set_num_threads(1)  # for such matrices one is faster
x, y = il.data.digits(128)
noise = torch.Generator().manual_seed(0)
sizes = [x.shape[1], *[WIDTH] * DEPTH]
weights = [
    (2 / n_in) ** 0.5 * torch.randn(n_in, n_out, generator=noise) for n_in, n_out in pairwise(sizes)
]
head = (2 / WIDTH) ** 0.5 * torch.randn(WIDTH, 10, generator=noise)

layers = np.arange(1, DEPTH + 1)
figure, axes = plt.subplot_mosaic(
    [["activation", "gradient"], ["rms", "rms"]], figsize=(11, 7.5), height_ratios=[4.3, 3.3]
)
ridges, notes, dots = {}, {}, {}
for colour, name in enumerate(("activation", "gradient")):
    axes[name].set(xlabel=name, ylabel="layer", ylim=(DEPTH + 0.15, -0.45))
    ridges[name] = [
        axes[name].fill([0, 0, 0], [0, 0, 0], ec=f"C{colour}", fc=(1, 1, 1), zorder=layer)[0]
        for layer in layers
    ]
    notes[name] = [
        axes[name].text(1.01, layer, "", transform=axes[name].get_yaxis_transform())
        for layer in layers
    ]
    dots[name] = axes["rms"].semilogy(layers, np.ones(DEPTH), "o", label=name)[0]
axes["rms"].set(xlabel="layer", ylabel="rms")
axes["rms"].legend()
plt.close(figure)  # `display` shows it, once for each move


@interact(gain=(0.1, 3.0, 0.01))
def show(gain: float = 1.0) -> None:
    outputs = [(x @ (gain * weights[0])).requires_grad_().relu()]
    for weight in weights[1:]:
        outputs.append((outputs[-1] @ (gain * weight)).relu())
    loss = F.cross_entropy(outputs[-1] @ (gain * head), y)
    gradients = torch.autograd.grad(loss, outputs)
    for name, tensors in (("activation", outputs), ("gradient", gradients)):
        rms = [tensor.detach().square().mean().sqrt().item() for tensor in tensors]
        sample = torch.stack([tensor.detach()[:64].flatten() for tensor in tensors])
        end = float(sample.abs().max()) or 1.0
        places = np.linspace(-end, end, BINS)
        for k, values in enumerate(sample):
            counts = torch.histc(values[values != 0], BINS, -end, end)
            heights = layers[k] - 1.4 * counts.numpy() / max(float(counts.max()), 1)
            ridges[name][k].set_xy(np.column_stack([places, heights]))
            notes[name][k].set_text(f"{rms[k]:.2g}")
        axes[name].set_xlim(-end, end)
        dots[name].set_ydata(rms)
    axes["rms"].relim()
    axes["rms"].autoscale_view()
    display(figure)
