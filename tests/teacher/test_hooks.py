"""Hooks record what passes through live layers, and leave nothing on them."""

import gc
import inspect
import threading

import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.losses.feature_matching import FeatureMatching
from dfkd_keras.teacher.hooks import ForwardHooks, layers_in_order

SHAPE = (32, 32, 1)
NEEDS = {"batch_statistics", "sample_means", "features"}


class Doubling(keras.layers.Layer):
    """A layer that takes its input by keyword."""

    def call(self, inputs, factor=2.0):
        return inputs * factor


def keep_inputs(kept, inputs, outputs):
    kept.setdefault("inputs", []).append(inputs)


def keep_outputs(kept, inputs, outputs):
    kept.setdefault("outputs", []).append(outputs)


def classifier():
    return models.cifar_resnet(SHAPE, depth=8)


def hooked_layers(model):
    """The layers of a model on which a `call` stands that is not their class's."""
    return [layer.name for layer in flatten_layers(model) if "call" in vars(layer)]


def test_hooks_are_on_the_layers_only_while_recording():
    layer, hooks = Doubling(), ForwardHooks()
    hooks.add_hook(layer, keep_outputs)
    layer(ops.ones((1,)))
    with hooks.recording() as kept:
        assert "call" in vars(layer)
        layer(ops.ones((1,)))
    layer(ops.ones((1,)))
    assert "call" not in vars(layer)
    assert len(kept["outputs"]) == 1


def test_hooks_come_off_if_the_model_fails():
    layer, hooks = Doubling(), ForwardHooks()
    hooks.add_hook(layer, keep_outputs)
    with pytest.raises(RuntimeError), hooks.recording():
        raise RuntimeError
    assert "call" not in vars(layer)


def test_a_layers_own_call_is_put_back():
    layer, hooks = Doubling(), ForwardHooks()
    layer.call = own = lambda inputs: inputs + 1.0
    hooks.add_hook(layer, keep_outputs)
    with hooks.recording() as kept:
        layer(ops.ones((1,)))
    assert vars(layer)["call"] is own
    np.testing.assert_array_equal(kept["outputs"][0], [2.0])


def test_a_quantized_layer_is_recorded():
    layer, hooks = layers.Dense(3), ForwardHooks()
    layer.build((None, 4))
    layer.quantize("int8")
    hooks.add_hook(layer, keep_outputs)
    with hooks.recording() as kept:
        outputs = layer(ops.ones((2, 4)))
    np.testing.assert_array_equal(kept["outputs"][0], outputs)
    assert not {"call", "quantized_call"} & vars(layer).keys()


def test_keyword_inputs_and_repeated_passes_are_recorded_in_order():
    layer, hooks = Doubling(), ForwardHooks()
    hooks.add_hook(layer, keep_inputs)
    hooks.add_hook(layer, keep_outputs)
    with hooks.recording() as kept:
        layer(inputs=ops.ones((1,)), factor=3.0)
        layer(ops.zeros((1,)))
    np.testing.assert_array_equal(np.stack(kept["inputs"]), [[1.0], [0.0]])
    np.testing.assert_array_equal(np.stack(kept["outputs"]), [[3.0], [0.0]])


def test_a_hooked_layer_keeps_its_signature():
    layer, hooks = Doubling(), ForwardHooks()
    expected = inspect.signature(layer.call)
    hooks.add_hook(layer, keep_outputs)
    with hooks.recording():
        assert inspect.signature(layer.call) == expected


def test_recordings_of_the_same_layer_may_be_nested():
    layer, first, second = Doubling(), ForwardHooks(), ForwardHooks()
    for hooks in (first, second):
        hooks.add_hook(layer, keep_outputs)
    with first.recording() as outer:
        with second.recording() as inner:
            layer(ops.ones((1,)))
        layer(ops.ones((1,)))
    assert (len(outer["outputs"]), len(inner["outputs"])) == (2, 1)
    assert "call" not in vars(layer)


def test_threads_record_the_same_layer_each_for_itself():
    layer, hooks, seen = Doubling(), ForwardHooks(), {}
    hooks.add_hook(layer, keep_outputs)
    both_record = threading.Barrier(2, timeout=30)

    def replica(number):
        with hooks.recording() as kept:
            both_record.wait()
            layer(ops.full((1,), float(number)))
            both_record.wait()
        seen[number] = [float(np.array(value)[0]) for value in kept["outputs"]]

    threads = [threading.Thread(target=replica, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {1: [2.0], 2: [4.0]}
    assert "call" not in vars(layer)


def test_ten_teachers_on_one_model_leave_it_untouched(rng):
    model, images = classifier(), rng.uniform(size=(2, *SHAPE)).astype("float32")
    outputs = []
    for _ in range(10):
        teacher = dk.Teacher(model)
        teacher.record(NEEDS)
        outputs.append(teacher(images))
    assert not hooked_layers(model)
    # Hooks that stack would record the statistics of each layer once for every earlier teacher.
    assert {len(each.batch_statistics) for each in outputs} == {7}
    np.testing.assert_array_equal(outputs[0].logits, outputs[9].logits)


def test_a_compiled_teacher_records_too(rng):
    teacher, images = dk.Teacher(classifier()), rng.uniform(size=(2, *SHAPE)).astype("float32")
    teacher.record(NEEDS)

    def means(images):
        outputs = teacher(images)
        return outputs.batch_statistics[0].mean, outputs.sample_means

    if keras.backend.backend() == "jax":
        import jax

        compiled = jax.jit(means)
    else:
        import tensorflow as tf

        compiled = tf.function(means)
    for expected, value in zip(means(images), compiled(images), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-5)
    assert not hooked_layers(teacher.model)


def test_after_a_distiller_is_gone_both_models_are_what_they_were(make_distiller, normalization):
    teacher, student = models.lenet5(), models.lenet5_half()
    before = {id(layer): {**vars(layer)}.keys() for model in (teacher, student) for layer in flatten_layers(model)}
    distiller = make_distiller(
        dk.schedules.Alternating(1),
        teacher=dk.Teacher(teacher, normalization),
        student=student,
        distillation_loss=dk.losses.AttentionTransfer(),
    )
    distiller.fit(steps_per_epoch=2, verbose=0)
    assert not hooked_layers(teacher) + hooked_layers(student)
    del distiller
    gc.collect()
    after = {id(layer): {**vars(layer)}.keys() for model in (teacher, student) for layer in flatten_layers(model)}
    assert after == before


def test_matching_leaves_the_student_untouched(normalization):
    teacher, student = dk.Teacher(models.lenet5(), normalization), models.lenet5_half()
    matching = FeatureMatching(dk.losses.AttentionTransfer(), teacher, student)
    assert not hooked_layers(student) + hooked_layers(teacher.model)
    images = np.zeros((2, *SHAPE), "float32")
    with matching.recording(teacher(images)):
        assert hooked_layers(student)
    assert not hooked_layers(student)


def test_layers_come_in_the_order_of_their_creation_each_once():
    norm = layers.BatchNormalization(name="shared")
    inner = keras.Sequential([layers.Input((4,)), layers.Dense(5, name="a"), layers.Dense(4, name="b"), norm])
    inputs = layers.Input((4,))
    model = keras.Model(inputs, layers.Dense(2, name="c")(norm(inner(inputs))))
    names = [layer.name for layer in layers_in_order(model) if not isinstance(layer, layers.InputLayer)]
    assert names == [inner.name, "a", "b", "shared", "c"]
