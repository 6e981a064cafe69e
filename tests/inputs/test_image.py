import gzip

import nibabel as nib
import numpy as np
import pytest

from dca.errors import ImageError
from dca.inputs import open_bold, open_mask, read_bold
from dca.inputs.image import compare_affines


def refused(call, path, problem):
    with pytest.raises(ImageError) as error:
        call(path)
    assert str(error.value).startswith(f"{path}: ")
    assert problem in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.remedy


def test_reads_scaled_float32(tmp_path):
    values = np.arange(2 * 2 * 2 * 3, dtype=np.int16).reshape(2, 2, 2, 3)
    image = nib.Nifti1Image(values, np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nib.save(image, tmp_path / "a.nii.gz")
    data, opened = read_bold(tmp_path / "a.nii.gz")
    assert data.dtype == np.float32
    np.testing.assert_array_equal(data, 0.5 * opened.dataobj.get_unscaled() + 10)
    assert data.shape == (2, 2, 2, 3)


@pytest.mark.parametrize("name", ["with space.nii.gz", "Größe 顔/b%20#?.nii.gz", "plain.nii"])
def test_any_path_will_do(write_bold, tmp_path, name):
    data, _ = read_bold(write_bold(tmp_path / name))
    assert data.shape == (3, 4, 5, 10)


def test_nifti2_is_nifti(tmp_path):
    nib.save(
        nib.Nifti2Image(np.arange(16, dtype=np.int16).reshape(2, 2, 2, 2), np.eye(4)), tmp_path / "a.nii"
    )
    assert read_bold(tmp_path / "a.nii")[0].shape == (2, 2, 2, 2)


def test_missing_file(tmp_path):
    refused(open_bold, tmp_path / "a.nii.gz", "does not exist")


def test_dangling_link(tmp_path):
    (tmp_path / "a.nii.gz").symlink_to(tmp_path / ".git" / "annex" / "key")
    refused(open_bold, tmp_path / "a.nii.gz", "is a link to a missing file")


def test_folder(tmp_path):
    (tmp_path / "a.nii.gz").mkdir()
    refused(open_bold, tmp_path / "a.nii.gz", "cannot be read as NIfTI")


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"not an image at all", b"a" * 1000])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.txt"])
def test_not_an_image(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    refused(open_bold, tmp_path / name, "cannot be read as NIfTI")


def test_truncated_in_the_header(write_bold, tmp_path):
    path = write_bold(tmp_path / "a.nii.gz")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:200]))
    refused(open_bold, path, "cannot be read as NIfTI")


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_truncated_gzip(write_bold, tmp_path, kept):
    path = write_bold(tmp_path / "a.nii.gz", shape=(10, 10, 10))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    open_bold(path)
    refused(read_bold, path, "is truncated or damaged")


def test_flipped_bits(write_bold, tmp_path):
    path = write_bold(tmp_path / "a.nii.gz", shape=(10, 10, 10))
    content = bytearray(path.read_bytes())
    for i in range(len(content) // 2, len(content) // 2 + 200):
        content[i] ^= 0xFF
    path.write_bytes(content)
    refused(read_bold, path, "is truncated or damaged")


def test_truncated_plain_file_shows_in_the_header_check(write_bold, tmp_path):
    path = write_bold(tmp_path / "a.nii")
    path.write_bytes(path.read_bytes()[:-1])
    refused(open_bold, path, "is truncated (1551 of 1552 bytes)")


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4), (3, 4, 5, 2, 2), (3, 4, 5, 1, 10)])
def test_not_four_dimensions(write_bold, tmp_path, shape):
    path = write_bold(tmp_path / "a.nii.gz", data=np.ones(shape)) if len(shape) < 5 else tmp_path / "a.nii.gz"
    if len(shape) == 5:
        nib.save(nib.Nifti1Image(np.ones(shape, np.float32), np.eye(4)), path)
    refused(open_bold, path, f"is {len(shape)}-D {'×'.join(map(str, shape))}, not 4-D")


def test_two_affines_that_disagree_are_told(write_bold, tmp_path):
    image = nib.load(write_bold(tmp_path / "a.nii.gz"))
    image.set_qform(image.affine, 1)
    assert compare_affines(image) is None
    image.set_sform(image.affine + 1e-4, 2)
    assert compare_affines(image) is None
    moved = image.affine.copy()
    moved[:3, 3] += [3, 0, 4]
    image.set_sform(moved, 2)
    assert compare_affines(image) == "sform and qform place its voxels up to 5.0 mm apart; the sform counts"
    image.set_qform(None, 0)
    assert compare_affines(image) is None


@pytest.mark.parametrize("volumes", [0, 1])
def test_no_time_series(write_bold, tmp_path, volumes):
    path = write_bold(tmp_path / "a.nii.gz", data=np.ones((3, 4, 5, 2)))
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[48:50] = int(volumes).to_bytes(2, "little")  # dim[4]
    path.write_bytes(gzip.compress(bytes(raw)))
    refused(open_bold, path, "holds no time series")


@pytest.mark.parametrize(
    "affine",
    [np.diag([3, 3, 0, 1.0]), np.zeros((4, 4)), np.diag([3, np.nan, 3, 1.0]), np.diag([np.inf, 3, 3, 1.0])],
)
def test_affine_that_cannot_be_inverted(write_bold, tmp_path, affine):
    path = write_bold(tmp_path / "a.nii.gz")
    image = nib.load(path)
    data = np.asarray(image.dataobj)
    header = image.header.copy()
    for row, name in zip(affine[:3], ("srow_x", "srow_y", "srow_z"), strict=True):
        header[name] = row
    header["sform_code"] = 1
    broken = nib.Nifti1Image(data, None, header)
    with open(path, "wb") as target, gzip.open(target, "wb") as stream:
        stream.write(header.binaryblock + b"\0" * 4 + data.tobytes("F"))
    assert broken.shape == data.shape
    refused(open_bold, path, "has an affine that cannot be inverted")


@pytest.mark.parametrize("dtype", [np.complex64, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])])
def test_not_real_numbers(tmp_path, dtype):
    nib.save(nib.Nifti1Image(np.zeros((3, 4, 5, 6), dtype), np.eye(4)), tmp_path / "a.nii.gz")
    refused(open_bold, tmp_path / "a.nii.gz", "not real numbers")


def test_other_formats(tmp_path):
    data = np.zeros((3, 4, 5, 6), np.float32)
    nib.save(nib.MGHImage(data, np.eye(4)), tmp_path / "a.mgz")
    refused(open_bold, tmp_path / "a.mgz", "is a MGHImage, not a NIfTI volume")
    nib.save(nib.Nifti1Pair(data, np.eye(4)), tmp_path / "a.img")
    refused(open_bold, tmp_path / "a.img", "is a Nifti1Pair, not a NIfTI volume")


SERIES = np.random.default_rng(1).normal(100, 1, (3, 3, 3, 4))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (np.full_like(SERIES, np.nan), "holds no finite value"),
        (np.full_like(SERIES, np.inf), "holds no finite value"),
        (np.zeros_like(SERIES), "is zero everywhere"),
        (np.full_like(SERIES, 7), "does not change over time"),
        (np.repeat(SERIES[..., :1], 4, axis=-1), "does not change over time"),
        (np.where(np.arange(4) % 2, np.nan, np.full_like(SERIES, 7)), "does not change over time"),
    ],
    ids=["nan", "inf", "zero", "constant", "one volume repeated", "constant or nan"],
)
def test_data_without_signal(write_bold, tmp_path, data, problem):
    path = write_bold(tmp_path / "a.nii.gz", data=data, dtype=np.float32)
    open_bold(path)
    refused(read_bold, path, problem)


def test_some_values_that_are_not_finite_are_no_error(write_bold, tmp_path):
    data = SERIES.copy()
    data[0], data[..., 0] = np.nan, np.inf
    read, _ = read_bold(write_bold(tmp_path / "a.nii.gz", data=data, dtype=np.float32))
    assert np.isfinite(read).sum() == 2 * 3 * 3 * 3


def test_mask_on_the_grid(write_bold, tmp_path):
    bold = open_bold(write_bold(tmp_path / "a.nii.gz"))
    assert open_mask(write_bold(tmp_path / "m.nii.gz", data=np.ones((3, 4, 5))), bold).shape == (3, 4, 5)


@pytest.mark.parametrize(
    ("shape", "size", "problem"),
    [
        ((3, 4, 6), 3, "has shape 3×4×6"),
        ((3, 4, 5, 10), 3, "has shape 3×4×5×10"),
        ((3, 4, 5), 2, "another affine"),
    ],
)
def test_mask_on_another_grid(write_bold, tmp_path, shape, size, problem):
    bold = open_bold(write_bold(tmp_path / "a.nii.gz"))
    mask = write_bold(tmp_path / "m.nii.gz", data=np.ones(shape), affine=np.diag([size, 3, 3, 1.0]))
    refused(lambda path: open_mask(path, bold), mask, problem)
