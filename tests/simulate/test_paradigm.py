import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dca.errors import ConfigError
from dca.simulate.layout import EVENTS
from dca.simulate.paradigm import events_table
from dca.simulate.scenario import Scenario


def test_default_is_two_blocks_per_movement_and_a_cue_before_each():
    events = events_table(Scenario(), 0, 0, 0)
    counts = events["trial_type"].value_counts()
    assert counts["cue"] == 10
    assert all(counts[movement] == 2 for movement in EVENTS[1:])
    cues, blocks = events.iloc[::2], events.iloc[1::2]
    assert set(cues["trial_type"]) == {"cue"}
    assert "cue" not in set(blocks["trial_type"])
    np.testing.assert_allclose(cues["onset"].to_numpy() + 3, blocks["onset"].to_numpy())
    assert set(events["duration"]) == {3.0, 12.0}
    # Between ends and starts there is either nothing or a fixation of 15 s; the third is at the end.
    pauses = cues["onset"].to_numpy()[1:] - (blocks["onset"] + blocks["duration"]).to_numpy()[:-1]
    assert sorted(pauses.round(6)) == [0.0] * 7 + [15.0] * 2


def test_shared_order_is_one_for_all_and_per_run_is_not():
    shared, own = Scenario(), Scenario(order="per-run")
    assert events_table(shared, 7, 0, 0).equals(events_table(shared, 7, 3, 1))
    assert not events_table(shared, 7, 0, 0).equals(events_table(shared, 8, 0, 0))
    orders = {tuple(events_table(own, 7, i, run)["trial_type"]) for i in range(4) for run in range(2)}
    assert len(orders) == 8


@settings(deadline=None, max_examples=60)
@given(st.integers(32, 1000), st.floats(0.3, 3.0), st.integers(0, 1000))
def test_any_run_holds_every_event_within_it_or_is_refused(volumes, tr, seed):
    scenario = Scenario(volumes=volumes, tr=tr)
    try:
        events = events_table(scenario, seed, 0, 0)
    except ConfigError as error:
        assert "give at least" in str(error)
        assert scenario.duration_s < 0.4 * 83
        return
    assert set(events["trial_type"]) == set(EVENTS)
    assert (events["duration"] > 0).all()
    ends = (events["onset"] + events["duration"]).to_numpy()
    assert (ends <= scenario.duration_s + 1e-9).all()
    assert (events["onset"].to_numpy()[1:] >= ends[:-1] - 1e-3).all()
    movements = events.loc[events["trial_type"] != "cue", "trial_type"].to_numpy()
    assert (movements[1:] != movements[:-1]).all()
    assert (movements[2:] != movements[:-2]).all()


def test_the_least_that_the_error_names_is_enough():
    with pytest.raises(ConfigError) as caught:
        events_table(Scenario(volumes=40), 0, 0, 0)
    least = int(str(caught.value).split("at least ")[1].split()[0])
    assert set(events_table(Scenario(volumes=least), 0, 0, 0)["trial_type"]) == set(EVENTS)
    with pytest.raises(ConfigError):
        events_table(Scenario(volumes=least - 1), 0, 0, 0)
