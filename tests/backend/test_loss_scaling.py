"""Loss scaling: gradients come out as they were, and an overflow costs one update and half of the scale."""

import numpy as np
from keras import ops

from dfkd_keras.backend import loss_scaling
from dfkd_keras.backend.loss_scaling import LossScaling


def enabled():
    scaling = LossScaling()
    scaling.enable(True)
    return scaling


def test_disabled_it_does_nothing():
    scaling, gradients = LossScaling(), [ops.ones(2)]
    scaling.enable(False)
    assert scaling.scale(3.0) == 3.0
    assert scaling.unscaled(gradients) is gradients
    assert not scaling.variables


def test_gradients_come_out_as_they_were():
    scaling = enabled()
    assert float(scaling.scale(1.0)) == 2.0**15
    (gradient,) = scaling.unscaled([scaling.scale(ops.convert_to_tensor([0.5, -3.0]))])
    np.testing.assert_array_equal(gradient, [0.5, -3.0])


def test_an_overflow_gives_gradients_of_zero_and_halves_the_scale():
    scaling = enabled()
    gradients = scaling.unscaled([ops.convert_to_tensor([1.0, np.inf]), ops.ones(1)])
    assert [np.array(gradient).tolist() for gradient in gradients] == [[0.0, 0.0], [0.0]]
    assert float(scaling.scale(1.0)) == 2.0**14


def test_it_grows_after_a_while_without_overflow(monkeypatch):
    monkeypatch.setattr(loss_scaling, "GROWTH_UPDATES", 3)
    scaling, scales = enabled(), []
    for value in (1.0, np.nan, 1.0, 1.0, 1.0, 1.0):
        scaling.unscaled([ops.convert_to_tensor([value])])
        scales.append(np.log2(float(scaling.scale(1.0))))
    assert scales == [15, 14, 14, 14, 15, 15]
