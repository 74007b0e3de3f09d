import keras
import numpy as np
import pytest

import dfkd_keras as dk


def orthogonalized(matrix, steps=5):
    """The Newton-Schulz iteration of Jordan et al. (2024), on the wider form of a matrix."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (np.linalg.norm(x) + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


@pytest.mark.parametrize("shape", [(3, 3, 4, 6), (1, 1, 3, 8), (5, 2, 3, 2)])
def test_kernels_step_along_their_orthogonalized_momentum(shape):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=shape), rng.normal(size=(3, *shape))
    kernel = keras.Variable(start)
    optimizer = dk.optimizers.Muon(0.01, momentum=0.9)
    optimizer.build([kernel])
    expected, momentum = start.reshape(-1, shape[-1]), np.zeros(shape).reshape(-1, shape[-1])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [kernel])
        matrix = gradient.reshape(-1, shape[-1])
        momentum = 0.9 * momentum + matrix
        scale = 0.2 * np.sqrt(max(expected.shape))
        expected = expected - 0.01 * scale * orthogonalized(matrix + 0.9 * momentum)
    np.testing.assert_allclose(kernel.numpy().reshape(-1, shape[-1]), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(5,), (3, 3, 4, 1), (6, 4), (4, 2, 3), (3, 3, 257, 257)])
def test_what_is_no_convolution_or_would_cost_too_much_is_updated_by_adam(shape):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=shape), rng.normal(size=(3, *shape))
    updated = []
    for optimizer in (dk.optimizers.Muon(0.02, adam_lr_ratio=0.5), keras.optimizers.Adam(0.01)):
        variable = keras.Variable(start)
        optimizer.build([variable])
        for gradient in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
        updated.append(variable.numpy())
    np.testing.assert_allclose(*updated, rtol=1e-5)


def test_it_survives_serialization():
    rate = dk.optimizers.CosineDecayOverTraining(0.002, updates=10)
    optimizer = dk.optimizers.Muon(rate, momentum=0.9, adam_lr_ratio=0.5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert isinstance(again, dk.optimizers.Muon)
    assert again.get_config() == optimizer.get_config()


def test_it_distills(make_distiller):
    distiller = make_distiller(dk.schedules.Alternating(2, steps_per_epoch=2))
    distiller.compile(dk.optimizers.Muon(0.002), synthesis_optimizer=dk.optimizers.Muon(0.002))
    before = [np.array(v.value) for v in distiller.student.trainable_variables]
    history = distiller.fit(verbose=0).history
    assert np.isfinite(history["distillation_loss"]).all()
    assert all((b != v.numpy()).any() for b, v in zip(before, distiller.student.trainable_variables, strict=True))
