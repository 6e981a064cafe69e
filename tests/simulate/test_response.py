import numpy as np
import pytest
from nilearn.glm.first_level import compute_regressor

from dca.simulate.paradigm import events_table
from dca.simulate.regions import REGIONS
from dca.simulate.response import (
    CANONICAL,
    HABITUATION,
    LATENCY_LIMIT_S,
    TRANSIENT,
    Response,
    draw_responses,
    drive,
    respond,
)
from dca.simulate.scenario import Scenario


def test_canonical_course_is_nilearns():
    scenario = Scenario()
    events = events_table(scenario, 0, 0, 0)
    times = (np.arange(scenario.volumes) + 0.5) * scenario.tr
    for event in ("cue", "tongue"):
        own = respond(
            drive(events, event, scenario.duration_s, False), CANONICAL, scenario.volumes, scenario.tr
        )
        rows = events[events["trial_type"] == event]
        condition = np.array([rows["onset"], rows["duration"], np.ones(len(rows))])
        golden = compute_regressor(condition, "spm", times, oversampling=50)[0][:, 0]
        np.testing.assert_allclose(own, golden / golden.max(), atol=0.02)


@pytest.mark.parametrize(("latency", "width"), [(0.0, 1.0), (1.5, 1.0), (-1.0, 0.8), (0.5, 1.3)])
def test_latency_and_width_move_the_peak(latency, width):
    time = np.arange(len(Response().kernel())) * 0.02
    kernel = Response(latency, width).kernel()
    peak = time[kernel.argmax()]
    canonical = time[CANONICAL.kernel().argmax()]
    assert peak == pytest.approx(canonical * width + latency, abs=0.03)
    above = time[kernel > kernel.max() / 2]
    canonical_above = time[CANONICAL.kernel() > CANONICAL.kernel().max() / 2]
    assert np.ptp(above) == pytest.approx(width * np.ptp(canonical_above), abs=0.06)


def test_responses_vary_by_region_and_subject_within_limits():
    drawn = [draw_responses(Scenario(), 0, index) for index in range(60)]
    latency = np.array([[responses[region.name].latency for region in REGIONS] for responses in drawn])
    assert np.abs(latency).max() <= LATENCY_LIMIT_S
    assert latency.std(axis=0).mean() > 0.3
    assert latency.std(axis=1).mean() > 0.3
    assert draw_responses(Scenario(), 0, 3) == drawn[3]
    assert set(draw_responses(Scenario(vary_response=False), 0, 0).values()) == {CANONICAL}


def test_drive_adapts_within_and_between_blocks():
    events = events_table(Scenario(), 0, 0, 0)
    course = drive(events, "tongue", 204.48, True)
    first, second = events.loc[events["trial_type"] == "tongue", "onset"]
    before, start, end, later = (
        course[round(at / 0.02)] for at in (first - 0.1, first + 0.02, first + 11, second + 11)
    )
    assert before == 0
    assert start > 0.98 > 0.85 > end > 1 - TRANSIENT
    assert later == pytest.approx(HABITUATION * end, rel=0.01)
