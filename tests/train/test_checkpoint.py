import numpy as np
import pytest

from dca.train.agenda import Agenda
from dca.train.checkpoint import Checkpoint, Checkpoints
from dca.train.position import Position

POSITION = Position(7, (3, 4), Agenda((((0, 9),), ((2, 5), (7, 8))), 1, ((((0, 1), (4, 9)), ()),)))


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path, "mine")


def save(checkpoints, step):
    arrays = {"weights": np.full(100, step, np.float32), "accumulator": np.arange(100.0)}
    return checkpoints.save(Checkpoint(step, 10 * step, 1, 2.5, POSITION, arrays, {"downpour": [1, 2]}))


def test_a_checkpoint_comes_back(checkpoints):
    assert checkpoints.latest(100) is None
    save(checkpoints, 3)
    found = checkpoints.latest(100)
    assert (found.step, found.samples, found.rejected, found.elapsed_s) == (3, 30, 1, 2.5)
    assert (found.position, found.details) == (POSITION, {"downpour": [1, 2]})
    np.testing.assert_array_equal(found.arrays["weights"], np.full(100, 3, np.float32))
    assert found.arrays.keys() == {"weights", "accumulator"}


def test_the_last_two_are_kept(checkpoints):
    for step in (5, 90, 1000, 999_999_999):
        save(checkpoints, step)
    assert [p.name for p in sorted(checkpoints.folder.iterdir())] == [
        "step-000001000.npz",
        "step-999999999.npz",
    ]
    assert checkpoints.latest(100).step == 999_999_999


@pytest.mark.parametrize("harm", ["cut", "empty", "flip"])
def test_a_damaged_one_is_passed_over_and_it_is_said(checkpoints, caplog, harm):
    save(checkpoints, 1)
    content = bytearray(save(checkpoints, 2).read_bytes())
    if harm == "flip":
        content[content.index(np.full(9, 2, np.float32).tobytes())] ^= 0xFF
    (checkpoints.folder / "step-000000002.npz").write_bytes(
        {"cut": content[: len(content) // 2], "empty": b"", "flip": content}[harm]
    )
    assert checkpoints.latest(100).step == 1
    assert "step-000000002.npz is not used" in caplog.text


@pytest.mark.parametrize("bit", [0x01, 0x80])
def test_damage_to_its_directory_never_goes_unnoticed(checkpoints, bit):
    save(checkpoints, 1)
    path = save(checkpoints, 2)
    whole = path.read_bytes()
    expected = checkpoints.latest(100).arrays
    for place in range(whole.index(b"PK\1\2"), len(whole)):
        content = bytearray(whole)
        content[place] ^= bit
        path.write_bytes(content)
        found = checkpoints.latest(100)
        assert found.step == 1 or all(
            np.array_equal(found.arrays[name], values) for name, values in expected.items()
        )


def test_another_trainings_are_not_taken(checkpoints, tmp_path, caplog):
    save(checkpoints, 1)
    assert Checkpoints(tmp_path, "another").latest(100) is None
    assert "belongs to other data" in caplog.text
    assert "starts afresh" in caplog.text


def test_one_of_other_parameters_is_not_taken(checkpoints, caplog):
    save(checkpoints, 1)
    assert checkpoints.latest(99) is None
    assert "not of 99 parameters" in caplog.text


def test_removal_leaves_nothing(checkpoints):
    save(checkpoints, 1)
    (checkpoints.folder / ".step-000000002.77.npz").write_bytes(b"half")
    (checkpoints.folder / "history.tsv").write_text("step\n")
    checkpoints.remove()
    assert not checkpoints.folder.exists()
    checkpoints.remove()
