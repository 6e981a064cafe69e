"""Online dictionary learning (Mairal et al. 2010) by SPAMS: the dictionary, then the codes.

Both minimise, over N columns x of length L, K atoms D with norm at most 1 and codes α,

    (1/N) Σ ½‖x − Dα‖² + λ‖α‖₁

which SPAMS calls ``mode=2`` (``PENALTY``).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import spams
from scipy import sparse
from threadpoolctl import threadpool_limits
from tqdm import tqdm

NOISE = 0.1  # norm of what tells repeated columns of the initial dictionary apart
TOLERANCE = 1e-6  # of a code's optimality, relative to its column
DESCENTS = 100_000  # at most, for one column
DEAD = 1e-6  # SPAMS sets atoms that nobody uses to zero; all others have norm 1


class Codes(NamedTuple):
    """Sparse codes of all columns, and how well they do.

    Attributes
    ----------
    matrix : csr_array, float32, shape (K, N)
    losses : ndarray, float64, shape (N,)
        ½‖x − Dα‖² + λ‖α‖₁ of each column.
    r2 : float
        1 − ‖X − DA‖² / ‖X‖², over all columns together.
    repaired : int
        Columns where LARS went astray, as it may among equal atoms, and coordinate descent took over.
    """

    matrix: sparse.csr_array
    losses: np.ndarray
    r2: float
    repaired: int

    @property
    def objective(self) -> float:
        """Mean loss over the columns."""
        return float(self.losses.mean())


def initial_dictionary(X: np.ndarray, usable: np.ndarray, atoms: int, seed: int) -> np.ndarray:
    """Draw a dictionary from the columns.

    With fewer usable columns than atoms, each is taken once and the rest are drawn again with a little
    noise, since equal atoms could not part ways.

    Parameters
    ----------
    X : ndarray, float32, shape (L, N)
    usable : ndarray, bool, shape (N,)
        Columns that may be drawn.
    atoms : int
        K.
    seed : int

    Returns
    -------
    ndarray, float32, shape (L, K), Fortran order
        With unit norm.
    """
    rng = np.random.default_rng(seed)
    candidates = rng.permutation(np.flatnonzero(usable))
    repeats = max(0, atoms - len(candidates))
    drawn = np.concatenate([candidates[:atoms], rng.choice(candidates, repeats)])
    dictionary = unit(X[:, drawn])
    if repeats:
        noise = rng.normal(size=(len(X), repeats))
        dictionary[:, -repeats:] += NOISE * unit(noise - noise.mean(axis=0))
    return unit(dictionary)


class Learner:
    """Online dictionary learning: columns pass by in mini-batches, in an order that SPAMS fixes.

    It can be fed chunk by chunk, so that the columns need not fit into memory, and be looked at in between:
    what SPAMS keeps of the past (the sums A of αα' and B of xα') goes from one chunk to the next. SPAMS seeds
    its own generator with 0 in every call, so that the result depends on the columns, the initial dictionary
    and the number of threads alone.

    Parameters
    ----------
    initial : ndarray, float32, shape (L, K), Fortran order
    lam : float
        λ, on the scale of the columns.
    batch_size : int
        Columns per mini-batch; all of a chunk, if there are fewer.
    threads : int
        More than one pays only on idle cores.

    Attributes
    ----------
    iterations : int
        Mini-batches so far.
    """

    def __init__(self, initial: np.ndarray, lam: float, batch_size: int, threads: int = 1) -> None:
        self._dictionary, self.iterations = initial, 0
        self._model: dict[str, Any] | None = None
        self._lam, self._batch_size, self._threads = lam, batch_size, threads

    def feed(self, X: np.ndarray, iterations: int) -> None:
        """Learn from columns, float32, shape (L, n), Fortran order, in so many mini-batches."""
        with _fixed_threads(self._threads):
            self._dictionary, model = spams.trainDL(
                X,
                return_model=True,
                model=self._model,
                D=self._dictionary,
                lambda1=self._lam,
                lambda2=0,
                mode=spams.PENALTY,
                batchsize=self._batch_size,
                iter=iterations,
                numThreads=self._threads,
                verbose=False,
            )
        self._model = _owned(model)
        self.iterations += iterations

    @property
    def dictionary(self) -> np.ndarray:
        """Atoms of unit norm so far, float32, shape (L, K); those that no column came to use are zero."""
        return unit(self._dictionary)


def _owned(model: dict[str, Any]) -> dict[str, Any]:
    """Copy the sums A and B of SPAMS, and free its own.

    It hands them out without an owner, so that nobody else would: a stream of columns, with one call for each
    chunk, would lose (K + L) K numbers a call. C++ made them with ``new[]``; ``delete[]`` is what fits.
    """
    kept = dict(model)
    for name in ("A", "B"):
        given = model[name]
        kept[name] = given.copy(order="F")
        if not given.flags.owndata and given.base is None:
            _delete_array(given.ctypes.data)
    return kept


def _delete_array(address: int) -> None:
    delete = ctypes.CDLL("libstdc++.so.6")["_ZdaPv"]  # the one that SPAMS has loaded
    delete.argtypes, delete.restype = [ctypes.c_void_p], None
    delete(address)


def restore_dead(dictionary: np.ndarray, initial: np.ndarray) -> int:
    """Put initial atoms back, in place, where learning left none; return how many.

    SPAMS does likewise (with a random column) at the start of its next iteration.
    """
    dead = np.linalg.norm(dictionary, axis=0) < DEAD
    dictionary[:, dead] = initial[:, dead]
    return int(dead.sum())


def encode(
    X: np.ndarray, dictionary: np.ndarray, lam: float, *, threads: int = 1, block: int = 2048
) -> Codes:
    """Find the sparse code of every column (lasso), each checked to be at the minimum.

    LARS runs with Cholesky factors (without them it fails wherever two atoms are equal), block by block, in
    float32. There SPAMS usually stops short of the minimum for a few columns in ten thousand (among equal
    atoms for nearly all): these are done again in float64. What does not get there either is left to
    coordinate descent, whose result is taken as it is.

    Parameters
    ----------
    X : ndarray, float32, shape (L, N), Fortran order
    dictionary : ndarray, shape (L, K)
        Atoms of norm 1: coordinate descent takes no others.
    lam : float
        λ, on the scale of the columns.
    threads : int
    block : int
        Columns at a time.
    """
    D = np.asfortranarray(dictionary, dtype=np.float64)
    D32 = np.asfortranarray(dictionary, dtype=np.float32)
    N = X.shape[1]
    blocks, losses, repaired = [], [], 0
    residual = total = np.float64(0)
    with _fixed_threads(threads):
        for start in tqdm(range(0, N, block), desc="codes", unit="block", disable=block >= N):
            x32 = np.asfortranarray(X[:, start : start + block], dtype=np.float32)
            x, codes = x32.astype(np.float64), _lars(x32, D32, lam, threads).astype(np.float64)
            rest, energy = _residual(x, D, codes), _squares(x)
            for solve in (_lars, _descend):
                short = np.flatnonzero(~_at_minimum(energy, D, codes, rest, lam))
                if not short.size:
                    break
                codes = codes.tolil()
                codes[:, short] = solve(np.asfortranarray(x[:, short]), D, lam, threads)
                codes = codes.tocsc()
                rest = _residual(x, D, codes)
                repaired += short.size if solve is _descend else 0
            squares = _squares(rest)
            losses.append(0.5 * squares + lam * np.asarray(abs(codes).sum(axis=0)).ravel())
            residual += squares.sum()
            total += energy.sum()
            blocks.append(codes.astype(np.float32))
    matrix = sparse.csr_array(sparse.hstack(blocks, format="csr"))
    matrix.eliminate_zeros()
    return Codes(matrix, np.concatenate(losses), float(1 - residual / total), repaired)


def _lars(x: np.ndarray, D: np.ndarray, lam: float, threads: int) -> sparse.csc_matrix:
    return spams.lasso(x, D=D, lambda1=lam, mode=spams.PENALTY, cholesky=True, numThreads=threads)


def _descend(x: np.ndarray, D: np.ndarray, lam: float, _: int) -> sparse.csc_matrix:
    """Solve by coordinate descent, from zero."""
    start = sparse.csc_matrix((D.shape[1], x.shape[1]))
    options = {"mode": spams.PENALTY, "itermax": DESCENTS, "tol": TOLERANCE, "numThreads": 1}
    return spams.cd(x, D, start, lambda1=lam, **options)


def _residual(x: np.ndarray, D: np.ndarray, codes: sparse.csc_matrix) -> np.ndarray:
    return x - (codes.T @ D.T).T


def _squares(matrix: np.ndarray) -> np.ndarray:
    """Sum of squares of every column."""
    return np.einsum("ij,ij->j", matrix, matrix)


def _at_minimum(
    energy: np.ndarray, D: np.ndarray, codes: sparse.csc_matrix, rest: np.ndarray, lam: float
) -> np.ndarray:
    """Tell, by the lasso's duality gap, which codes of columns with so much energy are at the minimum.

    With the residual r = x − Dα, α is optimal if |D'r| ≤ λ and λ‖α‖₁ = α'D'r.
    """
    gradient = D.T @ rest
    gap = np.asarray((lam * abs(codes) - codes.multiply(gradient)).sum(axis=0)).ravel()
    steepest = np.maximum(gradient.max(axis=0), -gradient.min(axis=0))
    return (steepest <= lam + TOLERANCE * np.sqrt(energy)) & (gap <= TOLERANCE * energy)


def unit(matrix: np.ndarray) -> np.ndarray:
    """Scale columns to unit norm as float32 in Fortran order; columns of next to nothing become zero."""
    exact = np.asarray(matrix, dtype=np.float64)
    norms = np.linalg.norm(exact, axis=0)
    scale = np.divide(1, norms, out=np.zeros_like(norms), where=norms > DEAD)
    return np.asfortranarray(exact * scale, dtype=np.float32)


@contextmanager
def _fixed_threads(threads: int) -> Iterator[None]:
    # SPAMS forms D'D before it sets its number of threads: without this, the last digits would depend on
    # what ran before.
    with threadpool_limits(threads):
        yield
