import numpy as np
import pytest

from dfkd_keras.schedules.noise import Draws, NoiseStream
from dfkd_keras.schedules.schedule import Alternating, Position, Schedule, StepKind


class Listed(Schedule):
    """An epoch of the given kinds of step."""

    def __init__(self, *kinds):
        self.listed, self.steps_per_epoch = kinds, len(kinds)

    def step_kind(self, epoch, step=0):
        return self.listed[step]


def stream(*kinds, batch_size=4, latent_dim=3, **kwargs):
    return NoiseStream(Listed(*(kinds or 5 * [StepKind(1, 1)])), batch_size, latent_dim, num_classes=10, **kwargs)


def test_noise_is_a_function_of_seed_and_step():
    np.testing.assert_array_equal(stream()[7]["latents"], stream()[7]["latents"])
    later = stream()
    later.first_step = 5
    np.testing.assert_array_equal(stream()[7]["latents"], later[2]["latents"])
    assert not np.array_equal(stream()[7]["latents"], stream()[8]["latents"])
    assert not np.array_equal(stream()[7]["latents"], stream(seed=1)[7]["latents"])


def test_noise_is_standard_normal():
    latents = stream(batch_size=2000, latent_dim=50)[0]["latents"]
    assert latents.shape == (2000, 2, 50)
    assert latents.dtype == np.float32
    assert abs(latents.mean()) < 0.01
    assert abs(latents.std() - 1) < 0.01


def test_seed_and_step_do_not_mix():
    assert not np.array_equal(stream(seed=1)[2]["latents"], stream(seed=2)[1]["latents"])


def test_the_updates_before_a_step_are_counted_from_the_epochs_start():
    kinds = [
        StepKind(0, 0, begins_round=True),
        StepKind(4, 0),
        StepKind(4, 0),
        StepKind(0, 0, ends_round=True),
        StepKind(0, 1),
    ]
    noise = stream(*kinds)
    assert [int(noise[index]["updates_before"][0]) for index in (0, 1, 2, 3, 4, 5, 7, 6)] == [0, 0, 4, 8, 8, 0, 4, 0]


def test_every_update_has_draws_of_its_own():
    data = stream(batch_size=1000)[0]
    first, second = Draws.of_update(data, 0), Draws.of_update(data, 1)
    assert [draw.shape for draw in first] == [(1000, 3), (1000,), (1000,), (1000, 8)]
    assert all((np.array(a) != np.array(b)).any() for a, b in zip(first, second, strict=True))


def test_labels_are_uniform_classes_and_the_rest_is_in_the_unit_interval():
    data = stream(StepKind(1, 0), batch_size=20000)[0]
    counts = np.bincount(data["labels"].ravel(), minlength=10)
    assert len(counts) == 10
    assert abs(counts - 2000).max() < 5 * np.sqrt(2000)
    for name in ("selection", "augmentation"):
        assert 0 <= data[name].min() < 0.01 < 0.99 < data[name].max() < 1


def test_a_step_has_as_many_draws_as_it_has_updates():
    noise = stream(*(StepKind(step, step) for step in range(3)))
    assert [noise[step]["labels"].shape for step in range(3)] == [(4, 1), (4, 2), (4, 4)]


def test_latents_of_a_round_are_drawn_at_its_beginning():
    noise = stream(StepKind(2, 0, begins_round=True), StepKind(2, 0), StepKind(2, 0), by_rounds=True)
    assert [noise[step]["latents"].shape for step in range(3)] == [(4, 3), (4, 0), (4, 0)]
    first, second = Draws.of_update(noise[0], 0), Draws.of_update(noise[0], 1)
    np.testing.assert_array_equal(first.latents, second.latents)
    assert (np.array(first.augmentation) != np.array(second.augmentation)).any()


@pytest.mark.parametrize("steps_per_epoch", [None, 3])
def test_an_element_is_the_noise_of_a_position(steps_per_epoch):
    schedule = Alternating(epochs=9, synthesis_updates=2, steps_per_epoch=5)
    noise = NoiseStream(schedule, 4, latent_dim=3, num_classes=10, steps_per_epoch=steps_per_epoch)
    position = schedule.position(7, steps_per_epoch)
    assert position[:2] == divmod(7, steps_per_epoch or 5)
    for name, values in noise.element(position).items():
        np.testing.assert_array_equal(values, noise[7][name])
    assert noise.element(Position(0, 0, StepKind(1, 0)))["labels"].shape == (4, 1), "of another kind, if told so"


def test_a_step_that_is_a_whole_round_has_one_batch_of_latents():
    whole = StepKind(0, 3, begins_round=True, ends_round=True)
    element = stream(whole, batch_size=4, latent_dim=3)[0]
    assert (element["latents"].shape, element["selection"].shape) == ((4, 3), (4, 3))
    np.testing.assert_array_equal(Draws.of_update(element, 0).latents, element["latents"])
