"""Loops of updates: as many as asked for. For those under a strategy see `test_distribution.py`."""

import pytest

import dfkd_keras as dk
from dfkd_keras.backend import gradient


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_body_is_called_as_often_as_asked_for(count):
    if gradient.BACKEND != "tensorflow":
        pytest.skip("on JAX a loop is one of a model's training step")
    import tensorflow as tf

    total = tf.Variable(0.0)

    @tf.function
    def loop():
        gradient.repeat(count, lambda index: total.assign_add(1.0 + tf.cast(index, tf.float32)))

    loop()
    assert float(total) == count * (count + 1) / 2


def test_terms_that_learn_are_refused_by_synthesizers_that_do_not_train_them(make_distiller):
    class Learning(dk.objectives.Term):
        learned_variables = ("something",)

        def __call__(self, batch):
            return 0.0

    with pytest.raises(ValueError, match="a term has variables of its own, which GeneratorSynthesizer does not train"):
        make_distiller(objective=dk.objectives.WeightedSum([Learning()]))
