"""The network of the paper's §3 written a second time, in plain float64 NumPy."""

import numpy as np


def convolve(x, kernel, bias):
    """ "same" cross-correlation of (B, L, I) with (k, I, O)."""
    k = kernel.shape[0]
    padded = np.pad(x, [(0, 0), ((k - 1) // 2, k // 2), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, k, axis=1)
    return np.einsum("blik,kio->blo", windows, kernel, optimize=True) + bias


def pool(x, size):
    """Maxima of windows of `size`, and where in its window each was."""
    length = x.shape[1]
    windows = [x[:, start : start + size] for start in range(0, length, size)]
    return (
        np.stack([w.max(axis=1) for w in windows], axis=1),
        np.stack([w.argmax(axis=1) for w in windows], axis=1),
    )


def unpool(x, positions, size, length):
    out = np.zeros((x.shape[0], length, x.shape[2]))
    for b, t, c in np.ndindex(x.shape):
        if positions is None:
            out[b, t * size : (t + 1) * size, c] = x[b, t, c]
        else:
            out[b, t * size + positions[b, t, c], c] = x[b, t, c]
    return out


def forward(architecture, flat, x):
    """Reconstruction, Z, H and Z' from the flat parameter vector, all float64."""
    a, at = architecture, 0

    def take(*shape):
        nonlocal at
        values = flat[at : at + int(np.prod(shape))].reshape(shape)
        at += values.size
        return values

    layers, top = len(a.features), a.lengths[-1] * a.features[-1]
    below = (1, *a.features)
    maps, positions = x[:, :, None], []
    for i in range(layers):
        kernel, bias = take(a.filters[i], below[i], below[i + 1]), take(below[i + 1])
        maps = np.maximum(convolve(maps, kernel, bias), 0)
        if i < layers - 1:
            maps, where = pool(maps, a.pooling[i])
            positions.append(where)
    z = maps.reshape(len(x), top)
    h = z @ take(top, a.hidden) + take(a.hidden)
    z_decoded = h @ take(a.hidden, top) + take(top)
    maps = z_decoded.reshape(len(x), a.lengths[-1], a.features[-1])
    for i in reversed(range(layers)):
        maps = convolve(maps, take(a.filters[i], below[i + 1], below[i]), take(below[i]))
        if i:
            maps = np.maximum(maps, 0)
            where = positions[i - 1] if a.switches else None
            maps = unpool(maps, where, a.pooling[i - 1], a.lengths[i - 1])
    assert at == flat.size
    return maps[:, :, 0], z, h, z_decoded


def loss(architecture, flat, x):
    """Eq. 5, mean over the batch."""
    output, z, _, z_decoded = forward(architecture, flat, x)
    squares = ((x - output) ** 2).sum(1) + architecture.penalty * ((z - z_decoded) ** 2).sum(1)
    return 0.5 * squares.mean()
