"""Sums over voxels that give the correlation of any atom's map with any effect map of the run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from dca.signals import Shard


class VoxelSums:
    """Correlation over voxels of atoms' maps with effect maps, without making the maps.

    An effect map is the product Y·v of the signals Y (N×T) with weights v of the volumes. Its mean, its
    variance and its product with the map a of an atom follow from the column means of Y, Y'Y and a'Y. So
    one pass over the shard serves any number of designs.

    Parameters
    ----------
    shard : Shard
    coefficients : mapping of str to csr_array, shape (K, N)
        Setup → maps of its atoms.
    volumes : ndarray, int, shape (T,)
        Which columns of the shard to use.
    """

    def __init__(
        self, shard: Shard, coefficients: Mapping[str, sparse.csr_array], volumes: np.ndarray
    ) -> None:
        length, count = len(volumes), shard.n_voxels
        by_voxel = {setup: codes.tocsc() for setup, codes in coefficients.items()}
        total, second = np.zeros(length), np.zeros((length, length))
        products = {setup: np.zeros((codes.shape[0], length)) for setup, codes in coefficients.items()}
        for start, rows in shard.blocks():
            block = rows[:, volumes]
            total += block.sum(axis=0, dtype=np.float64)
            second += block.T @ block
            for setup, codes in by_voxel.items():
                products[setup] += codes[:, start : start + len(block)] @ block
        mean = total / count
        self._covariance = second / count - np.outer(mean, mean)
        self._products = {}
        for setup, codes in coefficients.items():
            sums = np.asarray(codes.sum(axis=1, dtype=np.float64)).ravel() / count
            squares = np.asarray(codes.multiply(codes).sum(axis=1, dtype=np.float64)).ravel() / count
            spread = np.sqrt(np.maximum(squares - sums**2, 0))
            centred = products[setup] / count - np.outer(sums, mean)
            scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
            self._products[setup] = centred * scale[:, None]

    def correlations(
        self, setup: str, atoms: np.ndarray, weights: np.ndarray, volumes: np.ndarray
    ) -> np.ndarray:
        """Correlate one atom's map with one effect map, S times.

        Parameters
        ----------
        setup : str
        atoms : ndarray, int, shape (S,)
        weights : ndarray, shape (S, len(volumes))
            From `dca.compare.halves.effect_weights`; NaN where there is no effect map.
        volumes : ndarray, int
            Which of the T volumes the weights are for.

        Returns
        -------
        ndarray, float64, shape (S,)
            0 for an empty atom, NaN where the weights are.
        """
        covariance = self._covariance[np.ix_(volumes, volumes)]
        spread = np.sqrt(np.maximum(np.einsum("st,st->s", weights @ covariance, weights), 0))
        product = np.einsum("st,st->s", self._products[setup][atoms][:, volumes], weights)
        return np.where(spread == 0, 0, product / np.where(spread == 0, 1, spread))
