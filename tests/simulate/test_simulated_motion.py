import numpy as np
import pytest

from dca.preprocess import rigid
from dca.simulate.anatomy import load_anatomy
from dca.simulate.motion import Mover, draw_motion, grid_centre, matrices
from dca.simulate.scenario import Scenario, artefact_factor

CENTRE = np.array([0.0, -18.0, 10.0])


def test_matrix_is_translation_after_rotations_about_x_then_y_then_z():
    trans, (a, b, c) = np.array([1.0, -2.0, 3.0]), (0.1, -0.2, 0.3)
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    centre = np.array([5.0, -20.0, 10.0])
    matrix = matrices(np.array([[*trans, a, b, c]]), centre)[0]
    np.testing.assert_allclose(matrix[:3, :3], z @ y @ x, atol=1e-12)
    np.testing.assert_allclose(matrix @ [*centre, 1], [*centre + trans, 1])
    np.testing.assert_array_equal(matrix[3], [0, 0, 0, 1])


def test_parameters_mean_what_they_mean_in_preprocess():
    parameters = np.random.default_rng(0).normal(0, 0.3, (5, 6))
    shape = load_anatomy(10.0).brain.shape
    affine = load_anatomy(10.0).affine
    np.testing.assert_allclose(grid_centre(affine, shape), rigid.grid_centre(affine, shape))
    np.testing.assert_allclose(
        matrices(parameters, CENTRE), rigid.matrices_from_parameters(parameters, CENTRE), atol=1e-12
    )


def test_a_positive_translation_moves_the_head_that_way():
    anatomy = load_anatomy(10.0)
    mover = Mover(anatomy.baseline, anatomy.affine, 20.0)
    moved = mover(anatomy.baseline, matrices(np.array([[0, 0, 10.0, 0, 0, 0]]), np.zeros(3))[0])
    # One voxel up: what was in slice k is now in slice k + 1.
    np.testing.assert_allclose(moved[:, :, 5:15], anatomy.baseline[:, :, 4:14], atol=0.5)


def test_inverse_matrix_undoes_the_motion():
    anatomy = load_anatomy(8.0)
    mover = Mover(anatomy.baseline, anatomy.affine, 5.0)
    matrix = matrices(np.array([[0.5, -0.8, 1.0, 0.02, -0.01, 0.015]]), CENTRE)[0]
    moved = mover(anatomy.baseline, matrix)
    back = mover(moved, np.linalg.inv(matrix))
    inside = anatomy.brain
    off = np.abs(moved - anatomy.baseline)[inside].mean()
    left = np.abs(back - anatomy.baseline)[inside].mean()
    assert left < 0.15 * off


@pytest.mark.parametrize("index", range(5))
def test_motion_starts_at_rest_and_keeps_its_size(index):
    scenario = Scenario(motion_mm=0.5)
    parameters, moves = draw_motion(scenario, 0, index, 0)
    assert parameters.shape == (284, 6)
    assert not parameters[0].any()
    assert 0.2 <= max(np.abs(parameters[:, :3]).max(), np.rad2deg(np.abs(parameters[:, 3:]).max())) <= 0.8
    assert all(0 < jerk < 284 for jerk in moves["jerk"])
    assert len(moves["burst"]) == 0


def test_no_motion_and_no_artefacts():
    assert not draw_motion(Scenario(motion_mm=0.0), 0, 0, 0)[0].any()
    moves = draw_motion(Scenario(artefacts=False, bursts=9.0), 0, 0, 0)[1]
    assert [len(volumes) for volumes in moves.values()] == [0, 0]


def test_bursts_move_the_head_in_every_volume_and_leave_the_rest_of_the_run():
    calm, _ = draw_motion(Scenario(artefact_rate=0.0), 0, 1, 0)
    restless, moves = draw_motion(Scenario(artefact_rate=0.0, bursts=1.0), 0, 1, 0)
    assert len(moves["burst"])
    inside, near = np.zeros((2, 283), bool)
    for first in moves["burst"]:
        inside[first : first + 4] = near[first - 1 : first + 14] = True  # a burst lasts 4 to 10 s
    steps, calm_steps = (np.abs(np.diff(p[:, :3], axis=0)).sum(axis=1) for p in (restless, calm))
    assert np.median(steps[inside]) > 1.7 * np.median(steps[~near])
    assert np.median(steps[~near]) < 1.1 * np.median(calm_steps)


def test_rate_of_artefacts_has_its_spread_between_runs():
    rates = [artefact_factor(Scenario(artefact_rate=3.0, artefact_spread=0.8), 0, i, 0) for i in range(200)]
    assert np.median(rates) == pytest.approx(3, rel=0.3)
    assert np.log(rates).std() == pytest.approx(0.8, rel=0.2)
    assert artefact_factor(Scenario(), 0, 3, 0) == 1
    jerks = [len(draw_motion(Scenario(artefact_rate=r), 0, 0, 0)[1]["jerk"]) for r in (0.0, 1.0, 8.0)]
    assert jerks[0] == 0
    assert jerks[2] > jerks[1] + 5
