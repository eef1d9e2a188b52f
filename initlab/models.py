"""Which network can I try it on?

Three families, each a plain `nn.Sequential` with names that a trace prints: `linear1`, `act1`, ...,
`head`. Weights start as PyTorch's own defaults, drawn from `seed`; `il.initialize` replaces them.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from initlab.activations import activation as find_activation
from initlab.arguments import number, whole

__all__ = ["ResidualBlock", "cnn", "mlp", "residual"]

ActivationLike = str | Callable[[Tensor], Tensor]
"""A name in `il.activations.ACTIVATIONS`, or any elementwise function or layer."""

NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
IMAGE_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "layer": lambda channels: nn.GroupNorm(1, channels),  # one group: all channels, each image
}


def mlp(
    depth: int,
    width: int,
    activation: ActivationLike = "relu",
    *,
    n_in: int = 64,
    n_out: int = 10,
    bias: bool = True,
    norm: str | None = None,
    dropout: float = 0.0,
    seed: int = 0,
) -> nn.Sequential:
    """Build a plain fully connected network: `depth` hidden layers of the same width, and a head.

    Nothing but matrices and nonlinearities in a row, so whatever one layer does to a signal
    happens `depth` times: the network in which initialisation shows most clearly.

    Args:
        depth: Number of hidden layers, at least 1; the head on top is not counted.
        width: Units in each hidden layer, at least 1.
        activation: Nonlinearity after each hidden layer: a name, a function or a layer.
        n_in: Features of the input; 64 fits `il.data.digits()`.
        n_out: Units of the head; 10 fits the ten digits.
        bias: Whether linear layers have a bias.
        norm: None, "batch" or "layer": normalisation between linear layer and nonlinearity.
        dropout: Share of units that are dropped after each nonlinearity, in [0, 1).
        seed: Decides PyTorch's default weights; the global random state is left alone.

    Shape:
        (B, n_in) → (B, n_out)

    Returns:
        A network whose layers are named `linear1, [norm1], act1, [drop1], linear2, ..., head`.

    Raises:
        TypeError: A count is not a whole number, or `activation` is neither name nor function.
        ValueError: A count is below 1, `dropout` is outside [0, 1), or a name is unknown.

    >>> [name for name, _ in mlp(depth=2, width=8).named_children()]
    ['linear1', 'act1', 'linear2', 'act2', 'head']
    """
    depth, width = whole("depth", depth), whole("width", width)
    n_in, n_out = whole("n_in", n_in), whole("n_out", n_out)
    make_norm, make_activation = _norm(norm, NORMS), _activation_maker(activation)
    dropout = _share("dropout", dropout)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    with _seeded(seed):
        for layer in range(1, depth + 1):
            layers[f"linear{layer}"] = nn.Linear(n_in if layer == 1 else width, width, bias=bias)
            if make_norm:
                layers[f"norm{layer}"] = make_norm(width)
            layers[f"act{layer}"] = make_activation()
            if dropout > 0:
                layers[f"drop{layer}"] = nn.Dropout(dropout)
        layers["head"] = nn.Linear(width, n_out, bias=bias)
    return _sequential(layers)


def cnn(
    depth: int,
    channels: int,
    activation: ActivationLike = "relu",
    *,
    in_channels: int = 1,
    image_size: int = 8,
    n_out: int = 10,
    norm: str | None = None,
    bias: bool = True,
    seed: int = 0,
) -> nn.Sequential:
    """Build a plain convolutional network: `depth` 3×3 convolutions of equal width, and a head.

    Zero padding keeps the image's size, so that depth is free. The fan-in of a convolution is
    9 · channels: each output pixel sums that many products.

    Args:
        depth: Number of convolutions, at least 1.
        channels: Channels that each convolution emits, at least 1.
        activation: Nonlinearity after each convolution: a name, a function or a layer.
        in_channels: Channels of the input image; digits have 1.
        image_size: Height and width of the input in pixels, at least 2; digits have 8.
        n_out: Units of the head; 10 fits the ten digits.
        norm: None, "batch" or "layer" (over channels and pixels of each image), between
            convolution and nonlinearity.
        bias: Whether convolutions and head have a bias.
        seed: Decides PyTorch's default weights; the global random state is left alone.

    Shape:
        (B, in_channels, image_size, image_size) → (B, n_out)

    Returns:
        A network whose layers are named `conv1, [norm1], act1, ..., pool, flatten, head`.

    Raises:
        TypeError: A count is not a whole number, or `activation` is neither name nor function.
        ValueError: A count is below its least value, or a name is unknown.

    >>> [name for name, _ in cnn(depth=1, channels=4).named_children()]
    ['conv1', 'act1', 'pool', 'flatten', 'head']
    """
    depth, channels = whole("depth", depth), whole("channels", channels)
    in_channels, n_out = whole("in_channels", in_channels), whole("n_out", n_out)
    pooled = whole("image_size", image_size, least=2) // 2
    make_norm, make_activation = _norm(norm, IMAGE_NORMS), _activation_maker(activation)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    with _seeded(seed):
        for layer in range(1, depth + 1):
            fed = in_channels if layer == 1 else channels
            layers[f"conv{layer}"] = nn.Conv2d(fed, channels, 3, padding=1, bias=bias)
            if make_norm:
                layers[f"norm{layer}"] = make_norm(channels)
            layers[f"act{layer}"] = make_activation()
        layers["pool"] = nn.AvgPool2d(2)
        layers["flatten"] = nn.Flatten()
        layers["head"] = nn.Linear(channels * pooled**2, n_out, bias=bias)
    return _sequential(layers)


class ResidualBlock(nn.Module):
    """Add a branch to the stream that passes by: x + branch_scale · branch(x).

    At the start branch and stream are nearly uncorrelated, so their second moments add up: a
    branch that keeps E[x²] doubles it, and L blocks multiply it by 2^L. A factor of 1/√L on each
    branch keeps the product below e.

    Args:
        branch: Layers whose output has the input's shape.
        branch_scale: Factor on the branch's output, dimensionless and constant.

    Shape:
        (B, width) → (B, width)

    Reference:
        He et al. (2016), Identity Mappings in Deep Residual Networks. arXiv:1603.05027
    """

    def __init__(self, branch: nn.Sequential, branch_scale: float = 1.0) -> None:
        super().__init__()
        self.branch = branch
        self.branch_scale = branch_scale
        self.stream = nn.Identity()  # a leaf, so that a trace sees the sum

    def forward(self, x: Tensor) -> Tensor:
        """Return x + branch_scale · branch(x)."""
        out: Tensor = self.stream(x + self.branch_scale * self.branch(x))
        return out

    def extra_repr(self) -> str:
        """Show the factor on the branch."""
        return f"branch_scale={self.branch_scale:g}"


def residual(
    blocks: int,
    width: int,
    activation: ActivationLike = "relu",
    *,
    n_in: int = 64,
    n_out: int = 10,
    norm: str | None = None,
    branch_scale: float = 1.0,
    layers_per_branch: int = 2,
    seed: int = 0,
) -> nn.Sequential:
    """Build a fully connected residual network: a stem, `blocks` residual blocks and a head.

    Each branch is a row of [norm] → nonlinearity → linear layer ("pre-activation"), so that
    nothing stands on the stream between stem and head but sums.

    Args:
        blocks: Number of residual blocks, at least 1.
        width: Units of the stream and of every layer in a branch, at least 1.
        activation: Nonlinearity before each linear layer of a branch and before the head.
        n_in: Features of the input; 64 fits `il.data.digits()`.
        n_out: Units of the head; 10 fits the ten digits.
        norm: None, "batch" or "layer": normalisation before each nonlinearity.
        branch_scale: Factor on each branch's output; 1/√blocks keeps the stream level.
        layers_per_branch: Linear layers in each branch, at least 1.
        seed: Decides PyTorch's default weights; the global random state is left alone.

    Shape:
        (B, n_in) → (B, n_out)

    Returns:
        A network named `stem, block1, ..., [norm], act, head`; each block is a `ResidualBlock`
        with `branch` (layers `[norm1], act1, linear1, ...`) and `stream` (what it emits).

    Raises:
        TypeError: A count is not a whole number, `branch_scale` is no number, or `activation` is
            neither name nor function.
        ValueError: A count is below 1, `branch_scale` is not finite, or a name is unknown.

    Reference:
        He et al. (2016), Identity Mappings in Deep Residual Networks. arXiv:1603.05027

    >>> net = residual(blocks=2, width=8, layers_per_branch=1)
    >>> [name for name, _ in net.named_children()]
    ['stem', 'block1', 'block2', 'act', 'head']
    >>> [name for name, _ in net.block1.branch.named_children()]
    ['act1', 'linear1']
    """
    blocks, width = whole("blocks", blocks), whole("width", width)
    n_in, n_out = whole("n_in", n_in), whole("n_out", n_out)
    layers_per_branch = whole("layers_per_branch", layers_per_branch)
    branch_scale = number("branch_scale", branch_scale)
    make_norm, make_activation = _norm(norm, NORMS), _activation_maker(activation)

    def branch() -> nn.Sequential:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for layer in range(1, layers_per_branch + 1):
            if make_norm:
                layers[f"norm{layer}"] = make_norm(width)
            layers[f"act{layer}"] = make_activation()
            layers[f"linear{layer}"] = nn.Linear(width, width)
        return nn.Sequential(layers)

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    with _seeded(seed):
        layers["stem"] = nn.Linear(n_in, width)
        for block in range(1, blocks + 1):
            layers[f"block{block}"] = ResidualBlock(branch(), branch_scale)
        if make_norm:
            layers["norm"] = make_norm(width)
        layers["act"] = make_activation()
        layers["head"] = nn.Linear(width, n_out)
    return _sequential(layers)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from `seed` on the CPU, and put the caller's random state back."""
    seed = whole("seed", seed, least=0)
    # What will have no numbers draws none; else weights don't depend on the device.
    where = "meta" if torch.get_default_device().type == "meta" else "cpu"
    with torch.random.fork_rng(devices=[]), torch.device(where):
        torch.default_generator.manual_seed(seed)
        yield


def _sequential(layers: OrderedDict[str, nn.Module]) -> nn.Sequential:
    """Stack the layers where the caller's default device is."""
    return nn.Sequential(layers).to(torch.get_default_device())


def _activation_maker(which: ActivationLike) -> Callable[[], nn.Module]:
    """Make fresh layers: a layer that the caller passed is copied, never shared."""
    make = find_activation(which).module
    return (lambda: copy.deepcopy(make())) if isinstance(which, nn.Module) else make


def _norm(
    name: str | None, norms: dict[str, Callable[[int], nn.Module]]
) -> Callable[[int], nn.Module] | None:
    if name is None:
        return None
    if not isinstance(name, str) or name not in norms:
        raise ValueError(f'norm must be None, "batch" or "layer", got {name!r}.')
    return norms[name]


def _share(name: str, value: float) -> float:
    value = number(name, value)
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {value}.")
    return value
