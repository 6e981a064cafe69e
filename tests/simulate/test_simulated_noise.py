import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from dca.simulate.anatomy import load_anatomy
from dca.simulate.fluctuations import BAND_HZ, network_components, network_maps, other_components
from dca.simulate.layout import EVENTS
from dca.simulate.noise import TISSUE, TissueNoise, add_spikes, draw_artefacts, receive
from dca.simulate.regions import PEAK_RANGE, draw_activation
from dca.simulate.scenario import Scenario
from dca.simulate.stream import SLOPE, write_volumes


def test_anatomy_has_the_size_of_a_brain_whatever_the_grid():
    litres = [load_anatomy(mm).brain.sum() * mm**3 / 1e6 for mm in (5.0, 8.0, 10.0)]
    assert all(1.7 < litre < 2.1 for litre in litres)


def test_left_movements_are_on_the_right_and_scaled_as_promised():
    anatomy = load_anatomy(6.0)
    activation = draw_activation(anatomy, Scenario(), 0, 0)
    for event in EVENTS:
        weights = activation.weights(event)
        assert weights.max() == pytest.approx(1)
        assert weights.min() >= 0
        assert PEAK_RANGE[0] <= activation.peaks[event] <= PEAK_RANGE[1]
        if event.startswith(("left", "right")):
            side = 1 if event.startswith("left") else -1
            assert side * anatomy.position[weights.argmax(), 0] > 0


def test_tissue_noise_has_its_size_and_autocorrelation():
    scenario = Scenario(tr=0.72)
    field = TissueNoise(load_anatomy(8.0), scenario, np.random.default_rng(0))
    series = np.stack([field() for _ in range(400)]).reshape(400, -1)
    assert series.std() == pytest.approx(TISSUE, rel=0.03)
    lag = np.mean(series[1:] * series[:-1]) / np.mean(series**2)
    assert lag == pytest.approx(np.exp(-0.72 / 0.6), abs=0.03)


def test_background_of_the_magnitude_is_positive_and_rician():
    received = receive(np.zeros((40, 40, 40), np.float32), Scenario(), np.random.default_rng(0))
    assert received.min() >= 0
    assert received.mean() / received.std() == pytest.approx(np.sqrt(np.pi / (4 - np.pi)), rel=0.03)


def test_spikes_touch_only_their_slices():
    tables = [draw_artefacts(20, Scenario(), {"jerk": np.array([5])}, 0, i, 0) for i in range(5)]
    table = next(table for table in tables if (table["kind"] == "spike").any())
    assert {"jerk", "spike"} == set(table["kind"])
    spike = table[table["kind"] == "spike"].iloc[0]
    image = np.ones((3, 3, 20), np.float32)
    add_spikes(image, table, int(spike["volume"]))
    touched = np.zeros(20, bool)
    touched[spike["first_slice"] :: spike["slice_step"]] = True
    np.testing.assert_allclose(image[0, 0], np.where(touched, 1 + spike["size"], 1), rtol=1e-6)
    assert not (draw_artefacts(20, Scenario(artefacts=False), {}, 0, 0, 0)["kind"] == "spike").any()
    many = draw_artefacts(20, Scenario(artefact_rate=10.0), {"burst": np.array([7])}, 0, 0, 0)
    assert (many["kind"] == "spike").sum() > 10
    assert many.loc[many["kind"] == "burst", "volume"].tolist() == [7]


def test_networks_fluctuate_in_their_band():
    anatomy, scenario = load_anatomy(10.0), Scenario(volumes=1000)
    components = network_components(network_maps(anatomy), scenario, 0, 0, 0)
    assert len(components) == 20
    frequency = np.fft.rfftfreq(1000, scenario.tr)
    inside = (frequency > 0.8 * BAND_HZ[0]) & (frequency < 1.1 * BAND_HZ[1])
    for component in components:
        power = np.abs(np.fft.rfft(component.course)) ** 2
        assert power[inside].sum() > 0.97 * power.sum()
        assert component.map.max() == pytest.approx(1)


def test_noise_and_drift_can_be_switched_off():
    anatomy = load_anatomy(10.0)
    components = other_components(anatomy, Scenario(noise=0.0, drift=0.0), 0, 0, 0)
    assert not any(component.course.any() for component in components)


def test_volumes_are_streamed_to_disk(tmp_path):
    shape, number = (40, 40, 40), 40
    volumes = (np.full(shape, volume, np.float32) for volume in range(number))
    tracemalloc.start()
    write_volumes(tmp_path / "run_bold.nii.gz", volumes, np.eye(4), (*shape, number), 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    whole = 4 * np.prod(shape) * number
    assert peak < 0.25 * whole
    image = nib.load(tmp_path / "run_bold.nii.gz")
    np.testing.assert_allclose(image.get_fdata()[3, 4, 5], np.arange(number), atol=SLOPE)
