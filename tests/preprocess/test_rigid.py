import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dca.preprocess.rigid import (
    grid_centre,
    matrices_from_parameters,
    parameters_from_matrices,
    rms_displacement,
)

CENTRE = np.array([3.0, -20.0, 11.0])
motions = arrays(np.float64, (4, 6), elements=st.floats(-0.5, 0.5))


@given(motions)
def test_parameters_and_matrices_are_inverse(parameters):
    matrices = matrices_from_parameters(parameters, CENTRE)
    np.testing.assert_allclose(
        matrices[:, :3, :3] @ matrices[:, :3, :3].transpose(0, 2, 1), [np.eye(3)] * 4, atol=1e-12
    )
    np.testing.assert_allclose(parameters_from_matrices(matrices, CENTRE), parameters, atol=1e-9)


def test_convention_is_right_handed_about_the_centre():
    quarter = matrices_from_parameters(np.array([[1.0, 2, 3, 0, 0, np.pi / 2]]), CENTRE)[0]
    moved = quarter @ np.append(
        CENTRE + np.array([10, 0, 0]), 1
    )  # a point to the right of the centre goes to the front
    np.testing.assert_allclose(moved[:3] - CENTRE, [1, 12, 3], atol=1e-12)


@given(motions, st.tuples(*[st.floats(-5, 5)] * 3))
def test_displacement_of_a_shift_is_its_length(parameters, shift):
    matrices = matrices_from_parameters(parameters, CENTRE)
    shifted = matrices.copy()
    shifted[:, :3, 3] += shift
    points = np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_allclose(rms_displacement(shifted, matrices, points), np.linalg.norm(shift), atol=1e-9)


def test_grid_centre_is_between_the_first_and_the_last_voxel():
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    np.testing.assert_allclose(grid_centre(affine, (3, 4, 6, 99)), [2, 4.5, 10])
