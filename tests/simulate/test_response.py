import numpy as np
import pytest
from nilearn.glm.first_level import compute_regressor

from dca.simulate.paradigm import events_table
from dca.simulate.regions import REGIONS
from dca.simulate.response import (
    CANONICAL,
    EARLIEST_PEAK_S,
    HABITUATION,
    LATENCY_LIMIT_S,
    PEAK_S,
    TRANSIENT,
    TRANSIENT_S,
    Adaptation,
    Response,
    delayed,
    draw_adaptations,
    draw_responses,
    drive,
    respond,
)
from dca.simulate.scenario import RANGES, Scenario


def test_canonical_course_is_nilearns():
    scenario = Scenario()
    events = events_table(scenario, 0, 0, 0)
    times = (np.arange(scenario.volumes) + 0.5) * scenario.tr
    for event in ("cue", "tongue"):
        own = respond(
            drive(events, event, scenario.duration_s, None), CANONICAL, scenario.volumes, scenario.tr
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
    course = drive(events, "tongue", 204.48, Adaptation())
    first, second = events.loc[events["trial_type"] == "tongue", "onset"]
    before, start, end, later = (
        course[round(at / 0.02)] for at in (first - 0.1, first + 0.02, first + 11, second + 11)
    )
    assert before == 0
    assert start > 0.98 > 0.85 > end > 1 - TRANSIENT
    assert later == pytest.approx(HABITUATION * end, rel=0.01)


def test_spread_of_the_response_is_a_factor():
    once, twice, none = (draw_responses(Scenario(response_spread=s), 0, 4) for s in (1.0, 2.0, 0.0))
    for region in REGIONS:
        first, second = once[region.name], twice[region.name]
        earliest = EARLIEST_PEAK_S - PEAK_S * second.width
        if earliest / 2 < first.latency < LATENCY_LIMIT_S:
            assert second.latency == pytest.approx(2 * first.latency, abs=1e-3)
        assert second.width == pytest.approx(first.width**2, abs=1e-3)
    assert set(none.values()) == {CANONICAL}


@pytest.mark.parametrize("spread", [1.0, RANGES["response_spread"][1]])
def test_no_response_peaks_too_early_or_stands_on_its_head(spread):
    drawn = [r for i in range(60) for r in draw_responses(Scenario(response_spread=spread), 0, i).values()]
    early = sorted(drawn, key=lambda r: r.latency + PEAK_S * r.width)[:20]
    assert early[0].latency + PEAK_S * early[0].width >= EARLIEST_PEAK_S - 1e-3
    # The narrowest that the limit allows, and those that are cut most: at the limit, and wide.
    narrow = Response(EARLIEST_PEAK_S - PEAK_S * 0.5, 0.5)
    cut = Response(-spread * LATENCY_LIMIT_S, (EARLIEST_PEAK_S + spread * LATENCY_LIMIT_S) / PEAK_S)
    for response in (*early, narrow, cut):
        kernel = response.kernel()
        assert kernel.sum() == pytest.approx(1)
        assert kernel.argmax() == np.abs(kernel).argmax()
        assert kernel[0] < 0.7 * kernel.max()
        assert kernel.max() < 3 * CANONICAL.kernel().max()  # the sum that it is divided by is not small


def test_adaptation_has_its_size_and_differs_by_region_if_asked():
    assert set(draw_adaptations(Scenario(), 0, 0).values()) == {Adaptation()}
    none = draw_adaptations(Scenario(adaptation=0.0), 0, 0)["left-hand"]
    assert (none.transient, none.habituation) == (0, 1)
    scenario = Scenario(adaptation=2.25, adaptation_spread=0.4)
    drawn = [draw_adaptations(scenario, 0, index) for index in range(40)]
    shares = np.array([[own[region.name].transient for region in REGIONS] for own in drawn])
    assert np.median(shares) == pytest.approx(2.25 * TRANSIENT, rel=0.15)
    assert np.log(shares).std() == pytest.approx(0.4, rel=0.25)
    assert shares.max() < 1
    assert np.ptp([own["left-hand"].transient_s for own in drawn]) > 0.2 * TRANSIENT_S
    assert draw_adaptations(scenario, 0, 3) == drawn[3]


def test_behaviour_is_late_by_a_subjects_delay():
    events = events_table(Scenario(), 0, 0, 0)
    assert delayed(events, Scenario(), 0, 0, 0).equals(events)
    late = [
        delayed(events, Scenario(timing_s=1.0), 0, index, 0)["onset"] - events["onset"] for index in range(60)
    ]
    assert np.min(late) >= 0
    means = np.mean(late, axis=1)
    assert means.mean() == pytest.approx(np.sqrt(2 / np.pi), rel=0.3)
    assert np.std(late, axis=1).mean() < means.std()
