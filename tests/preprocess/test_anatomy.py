import pytest

from dca.errors import InputError
from dca.preprocess.anatomy import anatomy_name, find_t1w, require_t1w


@pytest.mark.parametrize(
    ("bold", "t1w"),
    [
        ("sub-01/func/sub-01_bold.nii.gz", "sub-01_acq-a_T1w"),
        ("sub-02/ses-3/func/sub-02_ses-3_bold.nii.gz", "sub-02_ses-3_T1w"),
        ("sub-02/ses-2/func/sub-02_ses-2_bold.nii.gz", "sub-02_ses-1_T1w"),  # none in its own session
        ("sub-03/func/sub-03_bold.nii.gz", None),
        ("images/run1.nii.gz", None),
    ],
)
def test_the_t1w_image_is_that_of_the_session_else_the_subjects_first(dataset, bold, t1w):
    found = find_t1w(dataset / bold)
    assert (found and anatomy_name(found)) == t1w


def test_a_setting_that_needs_a_t1w_image_names_the_subjects_without(dataset):
    found = {"10": None, "2": None, "01": find_t1w(dataset / "sub-01/func/sub-01_bold.nii.gz")}
    said = r"my.yaml: preprocess.x: y needs a T1w image .* none of 2, 10; add .*_T1w.nii.gz .* or set x: z"
    with pytest.raises(InputError, match=said):
        require_t1w(found, "preprocess.x: y", "x: z", "my.yaml")
    require_t1w({"01": found["01"]}, "preprocess.x: y", "x: z", "my.yaml")
