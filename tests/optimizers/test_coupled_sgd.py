import keras
import numpy as np
import pytest

from dfkd_keras.optimizers import CoupledSGD


@pytest.mark.parametrize("nesterov", [False, True])
def test_decay_and_a_falling_rate_work_as_in_pytorch(nesterov):
    variable = keras.Variable([1.0, -2.0])
    rates = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.01])
    optimizer = CoupledSGD(rates, momentum=0.9, l2=0.5, nesterov=nesterov)
    optimizer.build([variable])
    weights, velocity = np.array([1.0, -2.0]), np.zeros(2)
    for rate, gradient in ((0.1, [0.3, 0.1]), (0.1, [-0.2, 0.4]), (0.01, [0.0, 0.0])):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        step = np.array(gradient) + 0.5 * weights
        velocity = 0.9 * velocity + step
        weights = weights - rate * (step + 0.9 * velocity if nesterov else velocity)
    np.testing.assert_allclose(variable.value, weights, rtol=1e-5)


def test_without_decay_it_is_sgd():
    variables = [keras.Variable([1.0, 2.0]) for _ in range(2)]
    for variable, optimizer in zip(variables, (CoupledSGD(0.1, 0.9), keras.optimizers.SGD(0.1, 0.9)), strict=True):
        optimizer.build([variable])
        for _ in range(3):
            optimizer.apply([keras.ops.convert_to_tensor([0.5, -0.5])], [variable])
    np.testing.assert_allclose(variables[0].value, variables[1].value, rtol=1e-6)


def test_it_survives_serialization():
    optimizer = CoupledSGD(keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.01]), 0.9, 5e-4)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert again.get_config() == optimizer.get_config()
    assert again.l2 == 5e-4
