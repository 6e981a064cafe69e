"""What the charts draw: lines, bars, axes with their units, legends."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from dca.report import charts, events, filter_charts, group_maps, training_charts
from dca.report.feature_charts import Example, draw_features, draw_reconstructions
from dca.report.gallery import Gallery
from dca.report.results import Folder, RunResults, records

RNG = np.random.default_rng(0)


def legend(figure) -> list[str]:
    boxes = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return [text.get_text() for box in boxes for text in box.get_texts()]


def lines(axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Labelled lines of an axes."""
    return {line.get_label(): line.get_data() for line in axes.lines if line.get_label()[0] != "_"}


def test_losses_have_both_clocks_and_the_validation() -> None:
    train = pd.DataFrame({"step": range(1, 101), "split": "train"})
    train = train.assign(time_s=2.0 * train["step"], loss=100 / train["step"])
    validation = train.iloc[9::10].assign(split="validation", loss=lambda rows: rows["loss"] + 1)
    figure = training_charts.draw_losses(pd.concat([train, validation]), "x").figure
    assert [axes.get_xlabel() for axes in figure.axes] == ["Server updates (steps)", "Time (s)"]
    assert figure.axes[0].get_ylabel() == "Loss (eq. 5, per series)"
    assert legend(figure) == ["training", "validation"]
    for axes, column in zip(figure.axes, ("step", "time_s"), strict=True):
        x, y = lines(axes)["validation"]
        np.testing.assert_array_equal(x, validation[column])
        np.testing.assert_array_equal(y, validation["loss"])
        assert lines(axes)["training"][0].max() == train[column].max()
    dashes = {line.get_label(): line.get_linestyle() for line in figure.axes[0].lines}
    assert dashes["training"] != dashes["validation"]


def test_scaling_has_the_ideal_and_the_papers_star() -> None:
    rows = [
        {"workers": workers, "overlap": overlap, "compute_s": length, "speedup": 0.9 * workers}
        for workers in (1, 4, 13) for overlap in (False, True) for length in (0.5, 1.0)
    ]  # fmt: skip
    figure = training_charts.draw_scaling(pd.DataFrame(rows), "x").figure
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["without overlap", "with overlap"]
    for axes in figure.axes:
        drawn = lines(axes)
        assert set(drawn) == {"ideal", "0.5 s per step", "1 s per step", "paper (Fig. 5)"}
        np.testing.assert_array_equal(drawn["ideal"][0], drawn["ideal"][1])
        assert (drawn["paper (Fig. 5)"][0].item(), drawn["paper (Fig. 5)"][1].item()) == (13, 7)
        np.testing.assert_allclose(drawn["1 s per step"][1], [0.9, 3.6, 11.7])
        assert axes.get_xlabel() == "Workers"
    assert figure.axes[0].get_ylabel() == "Speed-up over one process"
    assert len(legend(figure)) == 4


def test_the_excess_has_dots_means_and_intervals() -> None:
    table = pd.DataFrame(
        {"event": ["a", "a", "b", "b"] * 2, "setup": ["raw"] * 4 + ["dca"] * 4, "excess": np.arange(8) / 10}
    )
    differences = pd.DataFrame(
        {"event": ["a", "b"], "difference": [0.1, 0.2], "ci_low": [0.05, -0.1], "ci_high": [0.2, 0.4]}
    )
    figure = charts.draw_excess(table, differences, ["raw", "dca"], "x").figure
    above, below = figure.axes
    assert above.get_ylabel() == "Best |PCC| − mean of null" and below.get_ylabel() == "dca − raw"
    assert legend(figure) == ["raw", "dca"]
    assert [text.get_text() for text in below.get_xticklabels()] == ["a", "b"]
    segments = [segment[:, 1].tolist() for segment in below.collections[0].get_segments()]
    assert segments == [[0.05, 0.2], [-0.1, 0.4]]
    means = sorted(bar.get_segments()[0][0, 1] for bar in above.collections)
    np.testing.assert_allclose(means, [0.05, 0.25, 0.45, 0.65])
    assert {line.get_marker() for line in above.lines if line.get_label() in ("raw", "dca")} == {"s", "o"}
    table["setup"] += "-group"
    alone = charts.draw_excess(table, differences.iloc[:0], ["raw-group", "dca-group"], "x").figure
    assert len(alone.axes) == 1 and legend(alone) == ["raw-group", "dca-group"]
    assert len(alone.axes[0].collections) == 4


def test_the_timeline_has_a_bar_for_every_span() -> None:
    spans = [(worker, phase, t, t + 1) for worker in "01" for t, phase in enumerate(("compute", "exchange"))]
    spans.append(("supervisor", "validate", 3, 5))
    table = pd.DataFrame(spans, columns=["process", "phase", "start_s", "end_s"])
    picture, shown = training_charts.draw_timeline(table, "x")
    axes = picture.figure.axes[0]
    assert shown == 5 and axes.get_xlabel() == "Time (s)" and axes.get_ylabel() == "Worker"
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0", "1", "supervisor"]
    assert legend(picture.figure) == ["compute", "exchange", "validate"]
    bars = [(path.get_extents(), own) for own in axes.collections for path in own.get_paths()]
    assert len(bars) == len(spans)
    for extent, own in bars:
        work = to_hex(own.get_facecolor()[0]) != "#e69f00"
        assert extent.height == pytest.approx(training_charts.HIGH if work else training_charts.LOW)
        assert work == (not own.get_hatch()) or extent.width == 2  # validation is hatched as well


def test_staleness_and_pace_have_their_bars_and_numbers() -> None:
    picture, table = training_charts.draw_staleness(pd.Series([0, 1, 1, 1, 3]), "x")
    axes = picture.figure.axes[0]
    found = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in axes.patches}
    assert found == {0: 20, 1: 60, 3: 20} and table["updates"].tolist() == [1, 3, 1]
    assert axes.lines[0].get_xdata()[0] == pytest.approx(1.2)  # the mean
    assert "updates" in axes.get_xlabel() and axes.get_ylabel() == "Updates (%)"
    history = pd.DataFrame({"split": "train", "time_s": np.arange(1.0, 31), "samples": 50 * np.arange(1, 31)})
    picture, table = training_charts.draw_pace(history, "x")
    np.testing.assert_allclose(table["series_per_s"], 50)
    axes = picture.figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Time (s)", "Series per second")


def test_filters_are_over_seconds_and_gains_over_hertz() -> None:
    weights = RNG.standard_normal((21, 5))
    axes = filter_charts.draw_filters(weights, 0.72, "x").figure.axes[0]
    assert axes.get_xlabel() == "Lag (s)" and axes.get_ylabel() == "Weight"
    curves = axes.collections[1].get_segments()
    assert len(curves) == 5
    assert np.ptp(curves[0][:, 0]) == pytest.approx(20 * 0.72)
    np.testing.assert_allclose(curves[0][:, 1], weights[:, 0])
    axes = filter_charts.draw_gains(weights, 0.72, "x").figure.axes[0]
    assert axes.get_xlabel() == "Frequency (Hz)"
    assert axes.collections[1].get_segments()[0][-1, 0] == pytest.approx(1 / 1.44)
    picture, table = filter_charts.draw_deeper(RNG.standard_normal((9, 4, 6)), 1.44, "x")
    assert picture.figure.axes[0].get_xlabel() == "Frequency (Hz)"
    assert list(table) == ["frequency_hz", *(f"feature_{k}" for k in range(1, 7))]


def test_motion_has_units_and_the_threshold() -> None:
    names = [*charts.TRANSLATIONS, *charts.ROTATIONS, "framewise_displacement", "std_dvars"]
    table = pd.DataFrame(RNG.standard_normal((50, 8)), columns=names)
    figure = charts.draw_motion(table, 2.0, "x").figure
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["Translation (mm)", "Rotation (°)", "FD (mm)", "Standardised DVARS"]
    assert figure.axes[-1].get_xlabel() == "Time (s)" and legend(figure) == ["x", "y", "z"]
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), np.degrees(table["rot_x"]))
    assert figure.axes[0].lines[0].get_xdata()[-1] == 98
    threshold = figure.axes[2].lines[1]
    assert threshold.get_ydata()[0] == charts.FD_THRESHOLD
    runs = {"a": np.arange(1.0, 5), "b": np.full(4, 2.0)}
    axes = charts.draw_motion_overview(runs, "x").figure.axes[0]
    assert axes.get_xlabel() == "Framewise displacement (mm)"
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
    many = charts.draw_motion_overview({str(k): np.ones(3) for k in range(41)}, "x").figure.axes[0]
    assert (many.get_xlabel(), many.get_ylabel()) == ("Mean FD of a run (mm)", "Runs")


def test_time_courses_lie_over_the_event() -> None:
    time = np.arange(60) * 0.72
    courses = {"dca": np.sin(time), "raw": np.cos(time)}
    figure = charts.draw_time_courses(np.sin(time), courses, 0.72, "x").figure
    axes = figure.axes[0]
    assert set(lines(axes)) == {"dca", "raw"} and len(axes.collections) == 1
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Time (s)", "SD units")
    assert legend(figure) == ["event ∗ HRF", "dca", "raw"]
    assert len({line.get_linestyle() for line in axes.lines}) == 2


def test_reconstructions_and_features_are_labelled() -> None:
    examples = [Example(f"voxel {k}", RNG.standard_normal(20), RNG.standard_normal(20)) for k in range(3)]
    figure = draw_reconstructions(np.arange(20) * 0.72, examples, "x").figure
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["voxel 0", "voxel 1", "voxel 2"]
    assert legend(figure) == ["signal", "reconstruction"] and figure.axes[-1].get_xlabel() == "Time (s)"
    image = draw_features(RNG.standard_normal((30, 12)), "x").figure.axes[0].images[0]
    low, high = image.get_clim()
    assert low == -high and image.get_array().shape == (30, 12)


def test_the_columns_of_an_event_share_their_cut_and_each_its_scale(finished, tmp_path, monkeypatch) -> None:
    seen = []

    def look(values, background, frame, cut, scale, alt):
        seen.append((alt, cut, scale))

    monkeypatch.setattr("dca.report.events.draw_map", look)
    run = RunResults(records(finished.runs)[0], Folder(finished.results))
    with Gallery(tmp_path / "01.html") as gallery:
        shown = events.key_figure(run, ["dca", "raw"], gallery)
    per_event = [seen[k : k + 3] for k in range(0, len(seen), 3)]
    assert len(per_event) == len(run.events) == len(shown.rows)
    for event, columns in zip(run.events, per_event, strict=True):
        assert len({cut for _, cut, _ in columns}) == 1, event
        assert [alt.split()[0] for alt, _, _ in columns] == ["GLM", "dca", "raw"]
    for column in range(3):  # one scale for all events
        assert len({row[column][2] for row in per_event}) == 1
    assert len({row[0][1] for row in per_event}) > 1  # each event has a place of its own


def test_maps_of_the_group_share_a_scale(finished, tmp_path, monkeypatch) -> None:
    scales = []
    monkeypatch.setattr("dca.report.group_maps.draw_map", lambda *given: scales.append(given[4]))
    with Gallery(tmp_path / "index.html") as gallery:
        group_maps.show_group_maps(Folder(finished.results), gallery)
    assert len(scales) == 3 and len(set(scales)) == 1
