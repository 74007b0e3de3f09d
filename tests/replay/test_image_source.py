"""A user's own source of the student's images, and what the base class declares."""

from types import SimpleNamespace

import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras.experiment.training.stopping import StopOnNonFinite
from dfkd_keras.utils.errors import InvalidInputError
from tests.conftest import equal, values
from tests.replay.conftest import add, draws


class Gray(dk.replay.ImageSource):
    """Trains the student on gray images."""

    def sample(self, draws, synthesizer, teacher):
        return dk.replay.ReplayBatch(ops.full((ops.shape(draws.latents)[0], *teacher.image_shape), 0.5))

    def preview(self, count, distiller):
        return np.full((count, *distiller.teacher.image_shape), 0.5, np.float32)


def test_a_source_of_ones_own_trains_the_student(make_distiller):
    distiller = make_distiller(dk.schedules.Alternating(1), replay=Gray())
    before = values(distiller.student.trainable_variables)
    distiller.fit(epochs=1, steps_per_epoch=2, verbose=0)
    assert not equal(values(distiller.student.trainable_variables), before)


def test_a_source_keeps_no_images_unless_it_says_so():
    source = Gray()
    assert (source.keeps_images, source.grows, source.has_priorities) == (False, False, False)
    assert (source.stored, source.empty, source.class_counts, tuple(source.names)) == (0, False, None, ())
    assert source.update(None, None, None) == {}


def test_a_buffer_without_images_is_empty(make):
    buffer = make()
    assert buffer.empty
    buffer.add(ops.zeros((4, 4, 4, 1)), ops.zeros((4,), "int32"))
    assert not buffer.empty
    assert not dk.replay.FreshSamples().empty


def test_only_priorities_are_logged(make):
    assert make().names == ()
    assert make(sampling=dk.replay.PrioritySampling()).names == ("priority",)


class NewestOnly(dk.replay.Sampling):
    """A user's own sampling."""

    def sample(self, priorities, size, sample_count, selection):
        return ops.broadcast_to(ops.cast(size - 1, "int32"), ops.shape(selection)), None


def test_a_sampling_of_ones_own_draws_what_it_wants(make):
    buffer = make(sampling=NewestOnly())
    add(buffer, [1, 2, 3, 4])
    batch = buffer.sample(draws([0.0, 0.5, 0.9]))
    np.testing.assert_allclose(np.array(batch.images)[:, 0, 0, 0], 4 / 255, rtol=1e-6)
    assert batch.weights is None


def test_what_reports_ask_of_a_source_has_a_default():
    assert (Gray().capacity, Gray().effective_sample_size()) == (0, None)
    assert Gray().invalid_value("loudness", np.nan) == "Gray gave the loudness nan: it must be finite."


def test_a_value_that_is_not_finite_is_the_sources(make_distiller):
    class Loud(Gray):
        names = ("priority",)

    watcher = StopOnNonFinite(SimpleNamespace(latest={"priority": np.nan}))
    watcher.set_model(make_distiller(replay=Loud()))
    with pytest.raises(InvalidInputError, match="Loud gave the priority nan"):
        watcher.on_train_batch_end(0)


def test_a_sampling_that_does_not_tell_its_probabilities_is_fine(make):
    class First(dk.replay.Sampling):
        has_priorities = True

    buffer = make(sampling=First())
    buffer.add(ops.zeros((4, 4, 4, 1)), ops.zeros((4,), "int32"))
    assert buffer.effective_sample_size() is None
