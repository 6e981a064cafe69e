"""FSL's coordinates, from their description in words and numbers worked out by hand."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dca.errors import InputError
from dca.preprocess.fsl.geometry import fsl_from_voxel, head_motion, read_matrices, write_matrices
from dca.preprocess.rigid import grid_centre, parameters_from_matrices

SHAPE = (10, 12, 8)
RIGHT_HANDED = np.array([[4.0, 0, 0, -20], [0, 3, 0, -15], [0, 0, 2, -8], [0, 0, 0, 1]])
LEFT_HANDED = RIGHT_HANDED @ np.array([[-1.0, 0, 0, 9], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def image(affine):
    return nib.Nifti1Image(np.zeros(SHAPE, np.float32), affine)


def test_a_right_handed_grid_is_turned_round_in_x():
    # The last voxel in x is at 0 mm, the first at 9 x 4 mm.
    matrix = fsl_from_voxel(image(RIGHT_HANDED))
    np.testing.assert_allclose(matrix @ [9, 0, 0, 1], [0, 0, 0, 1])
    np.testing.assert_allclose(matrix @ [0, 5, 3, 1], [36, 15, 6, 1])


def test_a_left_handed_grid_is_not():
    np.testing.assert_allclose(fsl_from_voxel(image(LEFT_HANDED)) @ [2, 5, 3, 1], [8, 15, 6, 1])


@pytest.mark.parametrize("affine", [RIGHT_HANDED, LEFT_HANDED])
def test_a_head_that_moved_to_the_right_has_a_positive_trans_x(affine):
    # Both grids: the head of the volume is 3 mm further to the right than that of the reference. In
    # FSL's frame x runs to the left in both, so the matrix that brings it back adds 3 mm to x.
    back = np.eye(4)
    back[0, 3] = 3
    motion = head_motion(back[None], image(affine))
    parameters = parameters_from_matrices(motion, grid_centre(affine, SHAPE))
    np.testing.assert_allclose(parameters, [[3, 0, 0, 0, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("affine", [RIGHT_HANDED, LEFT_HANDED])
def test_a_nod_is_a_rotation_about_x_with_the_right_hand_rule(affine):
    # Chin up by 2 degrees about the centre of the grid: front (y) goes up (z), rot_x > 0. FSL's y and
    # z run as the scanner's here, so the matrix that brings the head back turns by -2 degrees.
    moved = fsl_from_voxel(image(affine))
    centre = moved[:3, :3] @ ((np.array(SHAPE) - 1) / 2) + moved[:3, 3]
    back = np.eye(4)
    angle = np.deg2rad(-2)
    back[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    back[:3, 3] = centre - back[:3, :3] @ centre
    parameters = parameters_from_matrices(head_motion(back[None], image(affine)), grid_centre(affine, SHAPE))
    np.testing.assert_allclose(parameters, [[0, 0, 0, np.deg2rad(2), 0, 0]], atol=1e-12)


@given(
    st.lists(st.floats(-0.2, 0.2), min_size=6, max_size=6),
    st.booleans(),
    st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=3),
)
def test_points_go_where_the_matrix_takes_them_on_any_grid(numbers, flip, tilt):
    affine = (LEFT_HANDED if flip else RIGHT_HANDED).copy()
    affine[:3, :3] = Rotation.from_euler("xyz", tilt).as_matrix() @ affine[:3, :3]
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", numbers[3:]).as_matrix()
    matrix[:3, 3] = 20 * np.array(numbers[:3])
    grid = image(affine)
    voxel = np.array([3.0, 4, 5, 1])  # of the volume
    reference = np.linalg.inv(fsl_from_voxel(grid)) @ matrix @ fsl_from_voxel(grid) @ voxel
    motion = head_motion(matrix[None], grid)[0]
    np.testing.assert_allclose(motion @ affine @ reference, affine @ voxel, atol=1e-9)


def test_matrices_survive_their_file(tmp_path):
    matrices = np.random.default_rng(0).normal(size=(5, 4, 4))
    write_matrices(tmp_path / "xfm.tsv", matrices)
    np.testing.assert_allclose(read_matrices(tmp_path / "xfm.tsv"), matrices, rtol=1e-12)
    (tmp_path / "other.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match="does not hold 4x4 matrices"):
        read_matrices(tmp_path / "other.tsv")
