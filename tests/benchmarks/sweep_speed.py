"""How fast are sweeps, and what does a history cost? Run on an idle machine; it takes a minute:

    python tests/benchmarks/sweep_speed.py

Prints points per second of `il.sweep` against a plain loop over the same points (goal: at least
2.5 times), and the time of a run that records every 10 steps against the bare run (at most 1.6).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median

import torch
from torch.nn import functional as F

import initlab as il
from initlab.experiments import sweep

DEPTH, WIDTH, SEEDS, STEPS = 10, 64, 8, 200
SCHEMES = ["xavier_normal", "kaiming_normal", "orthogonal", "lecun_normal"]
DATA = il.data.digits()


def swept() -> None:
    """All points in one call."""
    sweep(
        SCHEMES, DATA, depths=DEPTH, widths=WIDTH, seeds=SEEDS, steps=STEPS, lr=0.01, momentum=0.9
    )


def plain_loop() -> None:
    """The same points as everybody writes them.

    One thread: two are no faster in a net of this size, and many times slower as soon as anything
    else runs, since each waits for the other at every operation.
    """
    torch.set_num_threads(1)
    for scheme in SCHEMES:
        for seed in range(SEEDS):
            model = il.models.mlp(DEPTH, WIDTH)
            il.initialize(model, scheme, generator=torch.Generator().manual_seed(seed))
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
            order = torch.Generator().manual_seed(0)
            losses: list[float] = []
            accuracies: list[float] = []
            while len(losses) < STEPS:
                for rows in torch.randperm(len(DATA.x), generator=order).split(128)[:-1]:
                    if len(losses) == STEPS:
                        break
                    x, y = DATA.x[rows], DATA.y[rows]
                    optimizer.zero_grad()
                    output = model(x)
                    loss = F.cross_entropy(output, y)
                    loss.backward()
                    optimizer.step()
                    losses.append(loss.item())
                    accuracies.append((output.argmax(1) == y).float().mean().item())
            with torch.no_grad():
                output = model(DATA.x)
                losses.append(F.cross_entropy(output, DATA.y).item())
                accuracies.append((output.argmax(1) == DATA.y).float().mean().item())


def trained(record_every: int | None) -> Callable[[], None]:
    """One run, with or without a record every so many steps."""

    def run() -> None:
        model = il.models.mlp(DEPTH, WIDTH)
        il.initialize(model, "kaiming_normal", generator=torch.Generator().manual_seed(0))
        il.train(model, DATA, steps=STEPS, lr=0.01, momentum=0.9, record_every=record_every)

    return run


def paired(one: Callable[[], None], other: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Time both in turn, so that a busy moment hits both; return their medians in seconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for run, found in zip((one, other), times, strict=True):
            start = time.perf_counter()
            run()
            found.append(time.perf_counter() - start)
    return median(times[0]), median(times[1])


def main() -> None:
    """Print both figures."""
    trained(10)()  # warms up
    points = len(SCHEMES) * SEEDS
    ours, loop = paired(swept, plain_loop, repeats=3)
    print(f"{points} points: a {DEPTH}×{WIDTH} net, {len(SCHEMES)} schemes, {SEEDS} seeds, "
          f"{STEPS} steps, on {os.cpu_count()} cores")  # fmt: skip
    print(f"  sweep       {points / ours:6.1f} points per second")
    print(f"  plain loop  {points / loop:6.1f} points per second")
    print(f"  sweep is {loop / ours:.2f} times as fast (goal: at least 2.5)")
    bare, recorded = paired(trained(None), trained(10), repeats=21)
    print(
        f"one run: {1e3 * bare:.0f} ms bare, {1e3 * recorded:.0f} ms with a record every 10 steps"
    )
    print(f"  a history costs {recorded / bare:.2f} times the bare training (goal: at most 1.6)")


if __name__ == "__main__":
    main()
