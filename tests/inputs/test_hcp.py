import numpy as np
import pytest

from dca.errors import ConfigError, EventsError, ImageError, InputError
from dca.files import read_tsv
from dca.inputs import list_runs, read_confounds, read_events, refresh, write_events
from dca.inputs.hcp import DESIGNS

MOTOR = ("cue", "lf", "lh", "rf", "rh", "t")


@pytest.fixture
def hcp(settings):
    def complete(path, **given):
        return settings("hcp", path, **given)

    return complete


def run_folder(root, name="tfMRI_MOTOR_LR", subject="100307"):
    return root / subject / "MNINonLinear" / "Results" / name


def test_a_study_that_was_moved_has_its_own_events(make_hcp, hcp, tmp_path):
    config = hcp(make_hcp())
    for place in ("a", "b"):
        if place == "b":
            (tmp_path / "a").rename(tmp_path / "b")
        runs = refresh(config, tmp_path / place, tmp_path / place / "results")
        assert str(runs[0].events_file).startswith(str(tmp_path / place))


def test_both_directions_of_every_subject_are_runs(make_hcp, hcp, tmp_path, caplog):
    root = make_hcp(subjects=["100307", "99999"])
    runs = list_runs(hcp(root), tmp_path)
    ids = [f"sub-{subject}_task-MOTOR_dir-{d}" for subject in ("99999", "100307") for d in ("LR", "RL")]
    assert [run.run_id for run in runs] == ids
    assert not caplog.records  # nothing is odd about such a tree
    run, folder = runs[2], run_folder(root)
    assert (run.subject, run.task, run.tr, run.volumes) == ("100307", "MOTOR", 0.72, 90)
    assert run.space == "MNI152NLin6Asym"
    assert run.bold == folder / "tfMRI_MOTOR_LR.nii.gz"
    assert run.mask == folder / "brainmask_fs.2.nii.gz"
    assert run.confounds == folder / "Movement_Regressors.txt"
    assert run.events == MOTOR
    assert run.events_file == tmp_path / f"results/inputs/{run.run_id}_events.tsv"


def test_the_direction_is_in_the_id_of_a_single_run_too(make_hcp, hcp):
    root = make_hcp(runs=["tfMRI_MOTOR_RL"])
    assert [run.run_id for run in list_runs(hcp(root), ".")] == ["sub-100307_task-MOTOR_dir-RL"]


def test_events_have_the_names_of_the_release():
    expected = {
        "EMOTION": ("fear", "neut"),
        "GAMBLING": ("loss", "win"),
        "LANGUAGE": ("math", "story"),
        "MOTOR": MOTOR,
        "RELATIONAL": ("match", "relation"),
        "SOCIAL": ("mental", "rnd"),
        "WM": (
            *("0bk_body", "0bk_faces", "0bk_places", "0bk_tools"),
            *("2bk_body", "2bk_faces", "2bk_places", "2bk_tools"),
        ),
    }
    assert expected == DESIGNS


def test_all_tasks_have_the_events_of_their_design_and_rest_has_none(make_hcp, hcp):
    names = [*(f"tfMRI_{task}_LR" for task in DESIGNS), "rfMRI_REST1_LR", "rfMRI_REST1_7T_PA"]
    runs = {run.run_id: run for run in list_runs(hcp(make_hcp(runs=names, volumes=110)), ".")}
    for task, events in DESIGNS.items():
        assert runs.pop(f"sub-100307_task-{task}_dir-LR").events == tuple(sorted(events))
    assert {run_id: (run.events, run.events_file) for run_id, run in runs.items()} == {
        "sub-100307_task-REST1_dir-LR": ((), None),
        "sub-100307_task-REST1_acq-7T_dir-PA": ((), None),
    }


def test_filters_and_chosen_events(make_hcp, hcp):
    root = make_hcp(runs=["tfMRI_MOTOR_LR", "tfMRI_WM_LR"], volumes=110)
    runs = list_runs(hcp(root, tasks=["WM"], evs={"WM": ["2bk_body", "all"]}), ".")
    assert [run.events for run in runs] == [("2bk_body", "all")]
    with pytest.raises(ConfigError, match=r"input\.evs: names MOTR, but the tasks are MOTOR, WM"):
        list_runs(hcp(root, evs={"MOTR": ["t"]}), ".")


def test_a_task_without_a_known_design_has_all_its_files_as_events(make_hcp, hcp):
    root = make_hcp(runs=["tfMRI_MOTOR_LR"])
    folder = run_folder(root)
    (folder / "tfMRI_MOTOR_LR.nii.gz").rename(folder / "tfMRI_FACES_AP.nii.gz")
    folder.rename(folder.with_name("tfMRI_FACES_AP"))
    assert list_runs(hcp(root), ".")[0].events == tuple(sorted(["all", *MOTOR]))


def test_events_are_those_of_the_three_column_files(make_hcp, tmp_path):
    evs = run_folder(make_hcp()) / "EVs"
    (evs / "t.txt").write_text("\ufeff3.5 1 1\r\n\r\n9 0.5 0\r\n")
    out = tmp_path / "x_events.tsv"
    write_events([evs / "t.txt", evs / "lf.txt"], 90 * 0.72, out)
    table = read_events(out, 90 * 0.72)
    assert table.to_numpy().tolist() == [[3.5, 1, "t"], [6.5, 2, "lf"], [33.5, 2, "lf"]]


def test_events_that_did_not_occur_are_told_and_left_out(make_hcp, hcp, caplog):
    root = make_hcp(runs=["tfMRI_MOTOR_LR"])
    evs = run_folder(root) / "EVs"
    (evs / "t.txt").write_text("")
    (evs / "cue.txt").write_text("0 0 0\n")
    assert list_runs(hcp(root), ".")[0].events == ("lf", "lh", "rf", "rh")
    assert f"{evs}: no event of cue, t" in caplog.text


def test_movement_comes_in_mm_and_radians(make_hcp):
    path = run_folder(make_hcp()) / "Movement_Regressors.txt"
    table, raw = read_confounds(path), np.loadtxt(path)
    assert list(table) == ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    np.testing.assert_allclose(table.to_numpy()[:, :3], raw[:, :3])
    np.testing.assert_allclose(table.to_numpy()[:, 3:], raw[:, 3:6] * np.pi / 180)


def test_a_changed_event_file_is_noticed(make_hcp, hcp, tmp_path):
    root = make_hcp(runs=["tfMRI_MOTOR_LR"])
    config = hcp(root)
    assert refresh(config, tmp_path, tmp_path / "results")[0].events == MOTOR
    (run_folder(root) / "EVs" / "t.txt").write_text("")
    assert refresh(config, tmp_path, tmp_path / "results")[0].events == MOTOR[:-1]
    assert list(read_tsv(tmp_path / "results/inputs.tsv")["events"]) == ["cue;lf;lh;rf;rh"]


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda f: (f / "tfMRI_MOTOR_LR.nii.gz").unlink(), ImageError, r"LR\.nii\.gz: does not exist"),
        (lambda f: (f / "brainmask_fs.2.nii.gz").unlink(), ImageError, r"fs\.2\.nii\.gz: does not exist"),
        (lambda f: (f / "Movement_Regressors.txt").unlink(), InputError, r"Regressors\.txt: cannot be read"),
        (
            lambda f: (f / "Movement_Regressors.txt").write_text("1 2\n"),
            InputError,
            "has 1 rows, its image 90",
        ),
        (lambda f: (f / "EVs").rename(f / "x"), EventsError, r"cue\.txt: does not exist; fetch it"),
        (lambda f: (f / "EVs/t.txt").write_text("1 2\n"), EventsError, r"t\.txt: has 2 columns, not three"),
        (
            lambda f: (f / "EVs/t.txt").write_text("1 2 1\n3\n"),
            EventsError,
            r"t\.txt: is not a table of numb",
        ),
        (
            lambda f: (f / "EVs/t.txt").write_text("a b c\n"),
            EventsError,
            r"t\.txt: is not a table of numbers",
        ),
        (
            lambda f: (f / "EVs/t.txt").write_text("1 2 0.5\n"),
            EventsError,
            "weight other than 0 and 1, .*line 1",
        ),
        (
            lambda f: (f / "EVs/t.txt").write_text("\n99 2 1\n"),
            EventsError,
            "onset past the end .* in line 2",
        ),
        (lambda f: (f / "EVs/t.txt").write_text("1 -2 1\n"), EventsError, "negative duration in line 1"),
        (
            lambda f: [p.write_text("") for p in f.glob("EVs/*.txt")],
            EventsError,
            "EVs: has no event in cue, lf",
        ),
    ],
)
def test_runs_that_cannot_be_used_get_one_line(make_hcp, hcp, spoil, error, message):
    root = make_hcp(runs=["tfMRI_MOTOR_LR"])
    spoil(run_folder(root))
    with pytest.raises(error, match=message) as caught:
        list_runs(hcp(root), ".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("move", "message"),
    [
        (lambda root: root / "100307", "the folder of one subject.*; name the folder that holds all"),
        (lambda root: root / "100307/MNINonLinear", "the folder of one subject"),
        (lambda root: wrap(root, "100307/unprocessed/3T"), "only unprocessed images; get the preprocessed"),
        (
            lambda root: wrap(root, "sub-01/func", "dataset_description.json"),
            "BIDS dataset; set input.source",
        ),
        (lambda root: wrap(root, "empty"), "holds no runs <id>/MNINonLinear/Results/.*; check input.path"),
        (lambda root: deeper(root), "one folder further down; unpack"),
        (lambda root: labelled(root), "103818_V1: has a name that is no label; rename"),
    ],
)
def test_wrong_trees_get_one_line(make_hcp, hcp, move, message):
    with pytest.raises(InputError, match=message):
        list_runs(hcp(move(make_hcp(runs=["tfMRI_MOTOR_LR"]))), ".")


def wrap(root, folder, file=None):
    other = root.parent / "other"
    (other / folder).mkdir(parents=True)
    if file:
        (other / file).write_text("{}")
    return other


def deeper(root):
    other = root.parent / "packages"
    (other / "100307").mkdir(parents=True)
    (root / "100307").rename(other / "100307" / "100307")
    return other


def labelled(root):
    (root / "100307").rename(root / "103818_V1")
    return root


def test_the_folder_must_be_set_and_there(hcp):
    with pytest.raises(ConfigError, match=r"input\.path: is not set"):
        list_runs(hcp(None), ".")
    with pytest.raises(ConfigError, match="nowhere is not a folder"):
        list_runs(hcp("nowhere"), ".")


def test_damaged_movement_is_refused(make_hcp):
    path = run_folder(make_hcp()) / "Movement_Regressors.txt"
    text = path.read_text()
    for wrong, message in (
        ("1 2 3\n", "twelve columns"),
        (text.replace("0.", "x.", 1), "not a table of num"),
    ):
        path.write_text(wrong)
        with pytest.raises(InputError, match=message):
            read_confounds(path)
