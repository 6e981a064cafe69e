import nibabel as nib
import numpy as np
import pytest

from dca.errors import ImageError
from dca.inputs.image import open_bold
from dca.preprocess.series import SeriesWriter, read_mask, save_volume, volumes

from .conftest import AXIAL, oblique


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_volumes_come_in_order_and_can_be_written_back(save, tmp_path, suffix):
    data = np.random.default_rng(0).normal(size=(5, 6, 7, 9)).astype(np.float32)
    image = open_bold(save(f"bold{suffix}", data, oblique(AXIAL)))
    out = tmp_path / f"copy{suffix}"
    with SeriesWriter(out, image) as writer:
        for t, volume in enumerate(volumes(image)):
            np.testing.assert_array_equal(volume, data[..., t])
            assert volume.dtype == np.float32
            writer.write(volume)
    copy = nib.load(out)
    np.testing.assert_array_equal(np.asarray(copy.dataobj), data)
    np.testing.assert_array_equal(copy.affine, image.affine)
    np.testing.assert_allclose(copy.header.get_zooms(), image.header.get_zooms())
    assert copy.header.get_xyzt_units() == ("mm", "sec")
    assert len(list(volumes(image, 4))) == 4


@pytest.mark.parametrize("seed", range(25))
def test_any_damage_to_a_compressed_image_is_noticed(save, seed):
    """In a deflate stream that can be many kinds of error, or none before the checksum."""
    data = np.random.default_rng(0).normal(size=(10, 10, 10, 9)).astype(np.float32)
    path = save("bold.nii.gz", data, AXIAL)
    content, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
    start = int(rng.integers(len(content) // 3, len(content) - 40))
    content[start : start + 20] = rng.bytes(20)
    path.write_bytes(content)
    with pytest.raises(ImageError, match="damaged"):
        list(volumes(open_bold(path)))


def test_scaled_integers_are_scaled(tmp_path):
    image = nib.Nifti1Image(np.arange(48, dtype=np.int16).reshape(2, 3, 4, 2), AXIAL)
    image.header.set_slope_inter(0.5, 10)
    stored = image.header.copy()
    with open(tmp_path / "scaled.nii", "wb") as file:
        stored["vox_offset"] = 352
        stored.write_to(file)
        file.write(np.asarray(image.dataobj).tobytes(order="F"))
    first = next(volumes(open_bold(tmp_path / "scaled.nii")))
    np.testing.assert_allclose(first, 0.5 * np.arange(0, 48, 2).reshape(2, 3, 4) + 10)


def test_codes_of_the_space_are_kept_and_never_both_zero(save, tmp_path):
    data = np.zeros((3, 3, 3, 2), np.float32)
    for sform, qform, expected in ((4, 2, (4, 2)), (0, 1, (1, 1)), (0, 0, (1, 0))):
        image = nib.Nifti1Image(data, None)
        image.header.set_zooms((4, 4, 4, 2))
        image.set_qform(AXIAL, qform)
        image.set_sform(AXIAL if sform else None, sform)
        path = tmp_path / "image.nii"
        nib.save(image, path)
        source = open_bold(path)
        save_volume(tmp_path / "volume.nii", data[..., 0], source)
        copy = nib.load(tmp_path / "volume.nii")
        assert (int(copy.header["sform_code"]), int(copy.header["qform_code"])) == expected
        np.testing.assert_allclose(copy.affine, source.affine, atol=1e-5)


def test_writer_counts_its_volumes(save, tmp_path):
    image = open_bold(save("bold.nii", np.zeros((3, 3, 3, 2), np.float32)))
    with pytest.raises(ValueError, match="2 volumes"), SeriesWriter(tmp_path / "out.nii", image) as writer:
        writer.write(np.zeros((3, 3, 3)))
    with pytest.raises(ValueError, match="shape"), SeriesWriter(tmp_path / "out.nii", image) as writer:
        writer.write(np.zeros((3, 3, 4)))


def test_a_damaged_byte_is_found_by_the_checksum(save):
    data = np.random.default_rng(0).normal(size=(20, 20, 20, 5)).astype(np.float32)
    path = save("bold.nii.gz", data)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"bold\.nii\.gz: is truncated or damaged"):
        list(volumes(open_bold(path)))


def test_truncated_files_are_named(save):
    data = np.random.default_rng(0).normal(size=(20, 20, 20, 5)).astype(np.float32)
    bold, mask = save("bold.nii.gz", data), save("mask.nii.gz", np.abs(data[..., 0]))
    image = open_bold(bold)
    for path in (bold, mask):
        path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ImageError, match="truncated or damaged"):
        list(volumes(open_bold(bold)))
    with pytest.raises(ImageError, match="damaged"):
        read_mask(mask, image)
