"""The paper's network, loss and gradient in PyTorch, to compare with; needs PyTorch alone.

The allocator keeps memory between steps, as in ours.

Takes threads and batch as arguments, and for each line ``step`` or ``product`` prints the seconds that takes.
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

import torch
from torch import nn

FEATURES, FILTERS, LENGTH, LENGTHS = (32, 64, 128, 256), (21, 9, 9, 9), 284, (284, 142, 71, 36)
PENALTY, SIDE = 0.006, 2000


class Autoencoder(nn.Module):
    """Four convolutions, three poolings with switches, a linear code, and the mirror image."""

    def __init__(self) -> None:
        super().__init__()
        below = (1, *FEATURES[:-1])
        layers = list(zip(below, FEATURES, FILTERS, strict=True))
        self.encoder = nn.ModuleList(nn.Conv1d(i, o, k, padding="same") for i, o, k in layers)
        self.decoder = nn.ModuleList(nn.Conv1d(o, i, k, padding="same") for i, o, k in reversed(layers))
        self.pool = nn.MaxPool1d(2, ceil_mode=True, return_indices=True)
        self.unpool = nn.MaxUnpool1d(2)
        top = FEATURES[-1] * LENGTHS[-1]
        self.to_hidden, self.from_hidden = nn.Linear(top, LENGTH), nn.Linear(LENGTH, top)

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        """Eq. 5, mean over the batch."""
        maps, switches = rows[:, None], []
        for i, convolution in enumerate(self.encoder):
            maps = torch.relu(convolution(maps))
            if i < len(LENGTHS) - 1:
                maps, positions = self.pool(maps)
                switches.append(positions)
        z = maps.flatten(1)
        z_decoded = self.from_hidden(self.to_hidden(z))
        maps = z_decoded.view(maps.shape)
        for convolution in self.decoder:
            maps = convolution(maps)
            if switches:
                positions = switches.pop()
                length = LENGTHS[len(switches)]
                maps = self.unpool(torch.relu(maps), positions, output_size=(*maps.shape[:2], length))
        errors = (rows - maps[:, 0]).square().sum() + PENALTY * (z - z_decoded).square().sum()
        return 0.5 * errors / len(rows)


def main(threads: str, batch: str) -> None:
    """Answer requests."""
    allocator = Path(__file__).parents[2] / "dca/train/allocator.py"
    runpy.run_path(str(allocator))["keep_memory"]()  # The package itself needs more than PyTorch.
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    model = Autoencoder()
    rows, matrix = torch.randn(int(batch), LENGTH), torch.randn(SIDE, SIDE)

    def step() -> None:
        model.zero_grad()
        model.loss(rows).backward()

    things = {"step": step, "product": lambda: matrix @ matrix}
    for line in sys.stdin:
        begin = time.perf_counter()
        things[line.strip()]()
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
