"""What does a trace cost, in multiples of the bare forward and backward pass?

    python tests/benchmarks/probe_cost.py

Prints one table for three tanh networks and a small convolutional one: the time and the peak
memory of `il.trace`, of a plain recorder as most people write it (hooks with `mean`, `std`,
`histc`), and of the bare pass. Runs of the three take turns, so that a busy machine slows all of
them; a ratio is the median over the turns. Peak memory counts the tensors that live during the
pass, the model and the batch included, and what numpy holds.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler is chatty otherwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initlab as il

Pass = Callable[[], Any]


def tanh_mlp(depth: int, width: int, batch: int) -> tuple[nn.Module, Tensor]:
    """Return a tanh network and a batch of its width."""
    hidden = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.Tanh())]
    return nn.Sequential(*hidden, nn.Linear(width, 10)), torch.randn(batch, width)


def conv_net(batch: int) -> tuple[nn.Module, Tensor]:
    """Return a small convolutional network and a batch of 32 × 32 images."""
    channels = [3, 32, 32, 64, 64]
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(itertools.pairwise(channels)):
        layers += [nn.Conv2d(before, after, 3, padding=1, stride=1 + i % 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 8 * 8, 10)), torch.randn(
        batch, 3, 32, 32
    )


def bare(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """Run the forward and backward pass, and nothing else."""
    F.cross_entropy(model(x), y).backward()
    model.zero_grad()


def plain(model: nn.Module, x: Tensor, y: Tensor) -> dict[Any, Any]:
    """Record mean, std and histogram of every layer, with the hooks that tutorials show."""
    record: dict[Any, Any] = {}

    def numbers(t: Tensor) -> tuple[float, float, list[float]]:
        return t.mean().item(), t.std().item(), torch.histc(t, 50).tolist()

    def emitted(module: nn.Module, _: Any, output: Tensor) -> None:
        record[module, "activation"] = numbers(output.detach())
        output.register_hook(lambda g: record.update({(module, "gradient"): numbers(g)}))

    leaves = [m for m in model.modules() if not list(m.children())]
    handles = [m.register_forward_hook(emitted) for m in leaves]
    F.cross_entropy(model(x), y).backward()
    for module in leaves:
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            record[module, "weight"] = numbers(module.weight.detach())
            record[module, "weight_gradient"] = numbers(module.weight.grad)
    model.zero_grad()
    for handle in handles:
        handle.remove()
    return record


def seconds(run: Pass) -> float:
    """Time one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def peak_bytes(run: Pass) -> int:
    """Return the peak of what torch's allocator and Python's own hold during a run."""
    tracemalloc.start()
    with torch.profiler.profile(profile_memory=True) as profile:
        run()
    own = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    now = peak = 0
    events = profile.profiler.kineto_results.events()  # type: ignore[union-attr]
    for event in sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak + own


def compare(name: str, model: nn.Module, x: Tensor, turns: int) -> str:
    """Return one row of the table."""
    y = torch.randint(10, (len(x),))
    runs: list[Pass] = [
        lambda: bare(model, x, y),
        lambda: il.trace(model, x, y),
        lambda: plain(model, x, y),
    ]
    for run in runs:
        run(), run()
    times = [[seconds(run) for run in runs] for _ in range(turns)]
    ours, theirs = (statistics.median(turn[i] / turn[0] for turn in times) for i in (1, 2))
    least = [min(turn[i] for turn in times) for i in range(3)]
    fixed = sum(t.nbytes for t in (*model.parameters(), x, y))
    peak_bytes(lambda: None)  # the profiler's own first steps
    peaks = [fixed + peak_bytes(run) for run in runs]
    return (
        f"{name:<18}{least[0] * 1e3:>9.1f}{ours:>9.2f}{least[1] / least[0]:>9.2f}{theirs:>9.2f}"
        f"{least[2] / least[0]:>9.2f}{peaks[0] / 1e6:>9.1f}{peaks[1] / peaks[0]:>9.2f}"
        f"{peaks[2] / peaks[0]:>9.2f}"
    )


def main() -> None:
    """Print the table."""
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; times bare pass = 1")
    print(f"{'':<18}{'bare':>9}{'il.trace':>18}{'plain':>18}{'bare':>9}{'il.trace':>9}{'plain':>9}")
    print(
        f"{'network':<18}{'ms':>9}{'median':>9}{'least':>9}{'median':>9}{'least':>9}"
        f"{'peak MB':>9}{'memory':>9}{'memory':>9}"
    )
    for depth, width, batch, turns in ((20, 128, 128, 101), (20, 256, 256, 41), (30, 512, 512, 15)):
        name = f"tanh {depth} × {width}"
        print(compare(name, *tanh_mlp(depth, width, batch), turns), flush=True)
    print(compare("conv 4 × 32–64", *conv_net(64), 21))


if __name__ == "__main__":
    main()
