import pytest

from dca.preprocess.limits import beyond_limits

SUMMARY = {"mean_fd_mm": 0.6, "censored_volumes": 30, "volumes": 100, "tsnr_median": 40.0}


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({}, []),
        ({"mean_fd_mm": None, "censored_percent": 30, "tsnr": 40}, []),
        ({"mean_fd_mm": 0.5}, ["mean framewise displacement 0.6 mm is above the limit of 0.5 mm"]),
        ({"censored_percent": 20}, ["share of censored volumes 30 % is above the limit of 20 %"]),
        ({"tsnr": 50}, ["median temporal SNR 40 is below the limit of 50"]),
    ],
)
def test_what_is_beyond_a_limit_is_said(limits, said):
    found = beyond_limits(SUMMARY, limits)
    assert [line.split(" (")[0] for line in found] == said


def test_what_is_unknown_is_beyond_no_limit():
    unknown = dict.fromkeys(SUMMARY) | {"volumes": 100}
    assert beyond_limits(unknown, {"mean_fd_mm": 0.1, "censored_percent": 1, "tsnr": 99}) == []
    assert beyond_limits({}, {"mean_fd_mm": 0.1, "censored_percent": 1, "tsnr": 99}) == []
