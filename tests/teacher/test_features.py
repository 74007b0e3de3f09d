"""Features are found by name in functional, nested and subclassed models."""

import keras
import numpy as np
import pytest
from keras import layers

import dfkd_keras as dk
from dfkd_keras import losses, models
from dfkd_keras.losses.feature_matching import FeatureMatching
from dfkd_keras.teacher.features import add_feature_hooks, common_stages, logits_layer, stages
from dfkd_keras.teacher.hooks import ForwardHooks

SHAPE = (32, 32, 1)


def recorded(model, names, shape=SHAPE):
    hooks = ForwardHooks()
    add_feature_hooks(hooks, model, names, shape)
    with hooks.recording() as kept:
        model(np.ones((2, *shape), "float32"))
    return {name: tuple(value.shape) for name, value in kept.items()}


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.body = models.lenet5()
        self.head = layers.Dense(3)

    def call(self, images, training=False):
        return self.head(self.body(images))


def test_the_penultimate_feature_is_the_input_of_the_last_dense_layer():
    assert recorded(models.lenet5(), ["penultimate"]) == {"penultimate": (2, 84)}


@pytest.mark.parametrize("wrap", [lambda model: model, lambda model: keras.Sequential([layers.Input(SHAPE), model])])
def test_stages_are_the_last_maps_at_each_resolution(wrap):
    model = wrap(models.lenet5())
    assert list(stages(model, SHAPE)) == [(28, 28), (14, 14), (10, 10), (5, 5)]
    shapes = recorded(model, ["stage_1", "stage_4"])
    assert shapes == {"stage_1": (2, 28, 28, 6), "stage_4": (2, 5, 5, 16)}


def test_padding_makes_no_stage():
    shape = (32, 32, 3)
    assert list(stages(models.cifar_resnet(shape, depth=8), shape)) == [(32, 32), (16, 16), (8, 8)]
    assert list(stages(models.wide_resnet(shape, depth=10, width=1), shape)) == [(32, 32), (16, 16), (8, 8)]


def test_what_the_model_does_to_its_images_first_makes_no_stage(normalization):
    model = models.lenet5(normalization=normalization)
    assert list(stages(model, SHAPE)) == [(28, 28), (14, 14), (10, 10), (5, 5)]


def test_a_shortcut_that_permutes_its_axes_makes_no_stage():
    inputs = layers.Input((16, 16, 4))
    halved = layers.AveragePooling2D(2)(inputs)
    padded = layers.ZeroPadding2D(((0, 0), (2, 2)))(layers.Permute((1, 3, 2))(halved))
    x = layers.Add()([layers.Conv2D(8, 3, 2, padding="same")(inputs), layers.Permute((1, 3, 2))(padded)])
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    assert {size: layer.name for size, layer in stages(model, (16, 16, 4)).items()} == {(8, 8): model.layers[-3].name}


def test_a_subclassed_model_has_features_too():
    model = Subclassed()
    assert recorded(model, ["penultimate", "stage_2"]) == {"penultimate": (2, 10), "stage_2": (2, 14, 14, 6)}


def test_a_layer_by_name_gives_its_output():
    model = models.cifar_resnet(SHAPE, depth=8)
    layer = next(layer for layer in model.layers if isinstance(layer, layers.Add))
    assert recorded(model, [layer.name]) == {layer.name: (2, *layer.output.shape[1:])}


def test_unknown_features_are_refused_with_what_there_is():
    model = models.lenet5()
    with pytest.raises(ValueError, match=r"feature 'nowhere' is neither .* its layers: .*logits"):
        add_feature_hooks(ForwardHooks(), model, ["nowhere"], SHAPE)
    with pytest.raises(ValueError, match=r"'stage_5': the model .* has only 4 stages"):
        add_feature_hooks(ForwardHooks(), model, ["stage_5"], SHAPE)


def test_a_model_without_a_layer_of_its_logits_has_no_penultimate_feature():
    inputs = layers.Input(SHAPE)
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.DepthwiseConv2D(3)(inputs)))
    with pytest.raises(ValueError, match="has no dense layer or convolution of 1 outputs"):
        logits_layer(model, SHAPE)


def squeeze_excite_with_a_convolution_as_its_head():
    inputs = layers.Input(SHAPE)
    maps = layers.Conv2D(16, 3, activation="relu")(inputs)
    squeezed = layers.Dense(4, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(maps))
    maps = layers.Multiply(name="excited")([maps, layers.Dense(16, activation="sigmoid")(squeezed)])
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.Conv2D(5, 1, name="head")(maps)))


def test_the_logits_come_from_the_head_not_from_a_squeeze_excite_block(rng):
    model = squeeze_excite_with_a_convolution_as_its_head()
    assert logits_layer(model, SHAPE).name == "head"
    images = rng.uniform(size=(2, *SHAPE)).astype("float32")
    teacher = dk.Teacher(model)
    teacher.record({"features"})
    maps = keras.Model(model.input, model.get_layer("excited").output)(images)
    np.testing.assert_allclose(teacher(images).features["penultimate"], np.mean(maps, (1, 2)), atol=1e-6)


def test_common_stages_pair_equal_resolutions():
    shape = (32, 32, 3)
    first, second = models.vgg(shape), models.cifar_resnet(shape, depth=8)
    names = common_stages(first, second, shape)
    assert names == (("stage_1", "stage_2", "stage_3"), ("stage_1", "stage_2", "stage_3"))
    with pytest.raises(ValueError, match="none is common"):
        common_stages(models.lenet5(), models.cifar_resnet(SHAPE, depth=8), SHAPE)


def test_matching_gives_the_maps_of_both(normalization):
    teacher, student = dk.Teacher(models.lenet5(), normalization), models.lenet5_half()
    matching = FeatureMatching(losses.AttentionTransfer(), teacher, student)
    images = np.zeros((2, *SHAPE), "float32")
    with matching.recording(teacher(images)) as features:
        student(images)
    maps = features()
    assert [[each.shape[-1] for each in side] for side in maps] == [[6, 6, 16, 16], [3, 3, 8, 8]]


def test_a_loss_on_logits_matches_nothing(normalization):
    teacher = dk.Teacher(models.lenet5(), normalization)
    matching = FeatureMatching(dk.losses.SoftTargets(), teacher, models.lenet5_half())
    with matching.recording(teacher(np.zeros((2, *SHAPE), "float32"))) as features:
        pass
    assert features() == []


def test_features_that_do_not_match_are_refused(normalization):
    teacher, student = dk.Teacher(models.lenet5(), normalization), models.lenet5_half()
    with pytest.raises(ValueError, match="must be equally many"):
        FeatureMatching(losses.AttentionTransfer(teacher_features=("stage_1",)), teacher, student)
    loss = losses.AttentionTransfer(teacher_features=("stage_1",), student_features=("stage_2",))
    with pytest.raises(ValueError, match=r"'stage_1' is of size \(28, 28\), but the student's 'stage_2' of \(14, 14\)"):
        FeatureMatching(loss, teacher, student)


def test_attention_transfer_reaches_the_student_and_it_can_be_saved(make_distiller, tmp_path):
    histories = []
    for weight in (0.0, 100.0):
        distiller = make_distiller(
            dk.schedules.Alternating(1), distillation_loss=losses.AttentionTransfer(weight=weight)
        )
        histories.append(distiller.fit(steps_per_epoch=2, verbose=0).history["distillation_loss"][0])
    assert histories[1] > histories[0]
    distiller.student.save(tmp_path / "student.keras")
    images = np.random.default_rng(0).uniform(size=(2, *SHAPE)).astype("float32")
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    np.testing.assert_allclose(loaded(images), distiller.student(images), atol=1e-6)


def test_the_penultimate_feature_of_a_segmenter_is_the_input_of_its_last_convolution():
    shape = (32, 32, 3)
    assert recorded(models.small_deeplab(shape, width=4), ["penultimate"], shape) == {"penultimate": (2, 8, 8, 8)}
    by_pixel = keras.Sequential([layers.Input(shape), layers.Conv2D(7, 3, padding="same"), layers.Dense(4)])
    assert recorded(by_pixel, ["penultimate"], shape) == {"penultimate": (2, 32, 32, 7)}


class HeadFirst(keras.Model):
    def __init__(self):
        super().__init__()
        self.head, self.hidden, self.flat = layers.Dense(3), layers.Dense(7), layers.Flatten()

    def call(self, images, training=False):
        return self.head(self.hidden(self.flat(images)))


@pytest.mark.parametrize(
    ("make", "length"),
    [(lambda: keras.Sequential([layers.Input(SHAPE), models.lenet5()]), 84), (HeadFirst, 7)],
    ids=["nested", "made head first"],
)
def test_the_logits_come_from_the_dense_layer_that_runs_last(make, length):
    model = make()
    assert recorded(model, ["penultimate"]) == {"penultimate": (2, length)}
    layer = dk.Teacher(model, image_shape=SHAPE).logits_layer
    assert layer.kernel.shape[0] == length
