import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from dca.compare.paradigm import read_paradigm


def table(*rows):
    return pd.DataFrame(rows, columns=["onset", "duration", "trial_type"])


def motor(cue=True, rest=15.0):
    """Ten blocks of five types, each after a cue, with rest after every third."""
    rows, time = [], 8.0
    for i, name in enumerate(["rh", "lf", "to", "rf", "lh", "to", "lf", "rh", "lh", "rf"]):
        if cue:
            rows.append((time, 3.0, "cue"))
        rows.append((time + 3, 12.0, name))
        time += 15 + rest * (i % 3 == 2)
    return table(*rows)


def test_close_events_of_one_type_are_one_block():
    events = table(
        (0, 1, "a"), (2, 1, "a"), (4, 1, "a"), (13, 1, "a"), (15, 1, "b"), (16, 2, "b"), (40, 1, "b")
    )
    paradigm = read_paradigm(events)
    assert [(unit.onset, unit.length, unit.label) for unit in paradigm.units] == [
        (0, 5, 0),
        (13, 1, 0),
        (15, 3, 1),
        (40, 1, 1),
    ]
    np.testing.assert_array_equal(paradigm.units[2].parts[0].pattern, [[0, 1], [1, 2]])
    assert len(read_paradigm(events, gap_s=10).units) == 3


def test_cue_belongs_to_the_block_after_it():
    paradigm = read_paradigm(motor())
    assert paradigm.names[paradigm.cue] == "cue"
    assert len(paradigm.units) == 10
    first = paradigm.units[0]
    assert (first.onset, first.length, paradigm.names[first.label]) == (8, 15, "rh")
    assert [part.pattern.tolist() for part in first.parts] == [[[0, 3]], [[3, 12]]]


def test_cue_without_a_block_keeps_its_place():
    events = pd.concat([motor(), table((400, 3, "cue"))])
    paradigm = read_paradigm(events)
    assert [unit.fixed for unit in paradigm.units] == [False] * 10 + [True]
    assert (paradigm.draw_orders(50, np.random.default_rng(0))[:, 10] == 10).all()


def test_no_cue_where_one_block_has_none():
    events = motor()
    assert read_paradigm(events.drop(index=6)).cue is None
    assert read_paradigm(motor(cue=False)).cue is None


def test_alternation_of_two_types_has_one_order():
    events = table(*[(20.0 * i, 10, "ab"[i % 2]) for i in range(12)])
    paradigm = read_paradigm(events)
    assert paradigm.possible(0)[0] == paradigm.possible(1)[0] == 1


def test_possible_orders_are_counted():
    paradigm = read_paradigm(motor())
    assert paradigm.possible(paradigm.names.index("to")) == (113400, 45)  # 10! / 2!^5, 10 over 2
    assert paradigm.possible(paradigm.cue)[1] == 1


def test_equal_blocks_keep_the_onsets():
    paradigm = read_paradigm(motor())
    orders = paradigm.draw_orders(20, np.random.default_rng(1))
    onsets = sorted(unit.onset for unit in paradigm.units)
    np.testing.assert_allclose(np.sort(paradigm.starts(orders), axis=1), np.tile(onsets, (20, 1)))


def test_overlapping_events_keep_the_onsets():
    events = table((0, 30, "a"), (10, 0, "press"), (40, 30, "b"), (52, 0, "press"), (80, 30, "a"))
    paradigm = read_paradigm(events)
    orders = paradigm.draw_orders(20, np.random.default_rng(1))
    np.testing.assert_allclose(np.sort(paradigm.starts(orders), axis=1), np.tile(events["onset"], (20, 1)))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 20), st.floats(0, 12), st.sampled_from("abcd")), min_size=1, max_size=25),
    st.integers(0, 2**32 - 1),
)
def test_any_order_keeps_blocks_whole_pauses_and_the_end(steps, seed):
    rows, time = [], 0.0
    for pause, duration, name in steps:
        rows.append((time + pause, duration, name))
        time += pause + duration
    paradigm = read_paradigm(table(*rows))
    orders = paradigm.draw_orders(5, np.random.default_rng(seed))
    starts = paradigm.starts(orders)
    np.testing.assert_allclose(
        paradigm.starts(np.arange(len(paradigm.units))[None])[0], [u.onset for u in paradigm.units]
    )
    length = np.array([unit.length for unit in paradigm.units])
    ends = starts + length
    np.testing.assert_allclose(ends.max(axis=1), time, atol=1e-6)
    assert (starts.min(axis=1) >= rows[0][0] - 1e-9).all()
    for order, start, end in zip(orders, starts, ends, strict=True):
        assert sorted(order) == list(range(len(paradigm.units)))
        assert (start[order][1:] >= end[order][:-1] - 1e-6).all()
