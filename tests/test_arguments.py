"""Every public part checks its arguments where it is made, so that no value of another kind is misread in training."""

import inspect
import math
import re

import keras
import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras import augmentation, data, losses, models, objectives, optimizers, replay, schedules, synthesis
from dfkd_keras.experiment.teacher_recipe import TeacherRecipe
from dfkd_keras.experiment.training.early_stopping import AgreementEarlyStopping
from dfkd_keras.models.layers import LocalResponseNormalization, UpsamplingConvolution
from dfkd_keras.optimizers.rates import ScaledRate
from dfkd_keras.utils.errors import InvalidInputError

ROOMS = (augmentation, data, losses, models, objectives, optimizers, replay, schedules, synthesis)
OTHERS = (AgreementEarlyStopping, LocalResponseNormalization, ScaledRate, TeacherRecipe, UpsamplingConvolution)
TERM, OBJECTIVE = objectives.OneHotCrossEntropy(), objectives.WeightedSum([objectives.OneHotCrossEntropy()])
SHAPE, IMAGES = (32, 32, 3), data.digits()


def generator():
    return models.sigmoid_generator(2, (8, 8, 1), width=2, filters=(2, 2))


GIVEN = {  # arguments without a default
    "AfterRounds": {"term": TERM, "rounds": 1},
    "ContrastiveDiversity": {"optimizer": keras.optimizers.SGD()},
    "CosineDecayOverTraining": {"initial_learning_rate": 0.1},
    "ExponentialPenalty": {"penalized": [TERM]},
    "GeneratorSynthesizer": {"generator": generator(), "objective": OBJECTIVE},
    "ImageDataset": {"name": "a", "image_shape": SHAPE, "class_names": ("a", "b"), "load": IMAGES.load},
    "LatentInversion": {
        "generator": generator(), "objective": OBJECTIVE, "latent_optimizer": keras.optimizers.SGD(),
    },
    "Modulated": {"term": TERM},
    "Reptile": {"inner_optimizer": keras.optimizers.SGD()},
    "TeacherRecipe": {"model": generator, "data": IMAGES, "optimizer": keras.optimizers.SGD},
    "Scaled": {"term": TERM, "factor": 2.0},
    "ScaledRate": {"schedule": optimizers.CosineDecayOverTraining(0.1), "factor": 0.5},
    "UpsamplingConvolution": {"filters": 2},
    "WeightedSum": {"terms": [TERM]},
    "compact_cnn": {"image_shape": SHAPE, "num_classes": 3, "parameters": 500, "multiplications": 5000},
    "held_out_images": {"image_shape": (4, 4, 1), "count": 1},
    "preprocessed": {"network": models.lenet5, "image_shape": SHAPE, "num_classes": 3},
    "tfds_segmentation": {"name": "a", "class_names": ("a", "b")},
}  # fmt: skip


def parts():
    rooms = {name: getattr(room, name) for room in ROOMS for name in room.__all__ if name != "slim"}
    return rooms | {part.__name__: part for part in OTHERS}


def arguments(kind):
    """Returns the name of each part with that of each of its arguments that is of a kind, by its default or example."""
    found = []
    for name, part in parts().items():
        for argument in inspect.signature(part).parameters.values():
            value = GIVEN.get(name, {}).get(argument.name, argument.default)
            if type(value) is kind and not issubclass(part if inspect.isclass(part) else object, tuple):
                found.append((name, argument.name, value))
    assert found
    return found


def make(name, /, **changed):
    return parts()[name](**GIVEN.get(name, {}) | changed)


@pytest.mark.parametrize(("name", "argument", "default"), arguments(bool))
def test_a_boolean_is_true_or_false_and_no_text(name, argument, default):
    for value in ("False", 0, None):
        with pytest.raises(InvalidInputError, match=rf"\.{argument}={value!r} must be True or False\.$"):
            make(name, **{argument: value})


@pytest.mark.parametrize(("name", "argument", "default"), arguments(int))
def test_a_count_is_a_whole_number_in_its_range(name, argument, default):
    for value in (math.nan, -1, "2", True, 0.5):
        with pytest.raises(InvalidInputError, match=rf"\.{argument}={value!r} must be "):
            make(name, **{argument: value})


@pytest.mark.parametrize(("name", "argument", "default"), arguments(float))
def test_a_number_is_finite_and_in_its_range(name, argument, default):
    for value in (math.nan, math.inf, -math.inf, -1.0, 1e300, True):
        with pytest.raises(InvalidInputError, match=rf"\.{argument}={re.escape(repr(value))} must be "):
            make(name, **{argument: value})


@pytest.mark.parametrize(("kind", "of_numpy"), [(bool, np.bool_), (int, np.int64), (float, np.float32)])
def test_numbers_of_numpy_will_do(kind, of_numpy):
    for name, argument, default in arguments(kind):
        if inspect.isclass(parts()[name]):  # a function would build a network, or read data
            make(name, **{argument: of_numpy(default)})


ADAM = keras.optimizers.Adam


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("WeightedSum", {"weights": [math.nan]}, r"weights\[0\]=nan must be a number finite"),
        ("WeightedSum", {"weights": 3}, "weights=3 must be an object of tuple or list"),
        ("WeightedSum", {"terms": [objectives.ClassEntropy]}, r"not a class: call ClassEntropy, in gin @Class"),
        ("ExponentialPenalty", {"added": TERM}, r"added=.* must be a list of objects of Term"),
        ("Modulated", {"modulation": 1.0}, r"modulation=1\.0 must be an object of Modulation"),
        ("AfterRounds", {"term": ADAM()}, r"term=.*Adam.* must be an object of Term"),
        ("AdversarialDiscrepancy", {"discrepancy": losses.SoftTargets}, "discrepancy=SoftTargets must be a function"),
        ("AttentionTransfer", {"loss": ADAM()}, r"loss=.*Adam.* must be an object of StudentLoss"),
        ("AttentionTransfer", {"teacher_features": "conv"}, "teacher_features='conv' must be a list of objects of str"),
        ("KerasDistillation", {"loss": losses.SoftTargets()}, r"must be an object of keras\.DistillationLoss"),
        ("ReplayBuffer", {"sampling": []}, r"sampling=\[\] must be an object of Sampling"),
        ("ReplayBuffer", {"eviction": replay.RandomEviction}, "object of Eviction, not a class: call Random"),
        ("PrioritySampling", {"discrepancy": 1.0}, "must be a function"),
        ("GeneratorSynthesizer", {"generator": "dcgan"}, r"generator='dcgan' must be an object of keras\.Model"),
        ("GeneratorSynthesizer", {"objective": TERM}, "must be an object of Objective"),
        ("LatentInversion", {"latent_optimizer": "adam"}, r"='adam' must be an object of keras\.Optimizer"),
        ("LatentInversion", {"latent_optimizer": ADAM}, "=Adam must be .*, not a class: call Adam"),
        ("LatentInversion", {"learning": ""}, "learning='' must be an object of GeneratorLearning"),
        ("LatentInversion", {"augment": augmentation.RollFlip}, "=RollFlip must be a function, .*: call RollFlip"),
        ("LatentInversion", {"reset_at_round": -1}, "reset_at_round=-1 must be a whole number of at least 0"),
        ("Reptile", {"inner_optimizer": "adam"}, r"='adam' must be an object of keras\.Optimizer"),
        ("Reptile", {"scale": -math.inf}, "scale=-inf must be positive"),
        ("CoupledSGD", {"l2": -5}, "l2=-5 must be a number of at least 0"),
        ("CoupledSGD", {"momentum": 1.0}, r"momentum=1\.0 must be at least 0 and less than 1"),
        ("TeacherRecipe", {"train_images": 0}, "train_images=0 must be a whole number of at least 1"),
        ("TeacherRecipe", {"model": generator()}, "model=.* must be a function or class that builds it"),
        ("TeacherRecipe", {"data": "digits"}, "data='digits' must be an object of ImageDataset"),
        ("lenet5", {"normalization": (0.5,)}, r"normalization=\(0\.5,\) must be an object of Normalization"),
        ("lenet5", {"width": 0.1}, r"width=0\.1 must be a number of at least 0\.166667"),
        ("resnet", {"depth": []}, r"depth=\[\] must be one of 18, 34"),
        ("upsampling_generator", {"filters": (128,)}, r"filters=\(128,\) must be 2 whole numbers"),
        ("upsampling_generator", {"activation": "adam"}, "activation='adam' is no activation of Keras"),
        ("lenet5", {"name": 3}, "name=3 must be an object of str"),
        ("CoupledSGD", {"learning_rate": "fast"}, "learning_rate='fast' must be a number of at least 0"),
        ("ExponentialPenalty", {"penalized": []}, r"penalized=\[\] must be at least one term"),
        ("sigmoid_generator", {"image_shape": (32, 32)}, r"image_shape=\(32, 32\) must be 3 whole numbers"),
        ("small_deeplab", {"rates": (2, 0)}, r"rates\[1\]=0 must be a whole number"),
        ("RandomResizedCropFlip", {"scale": (0.5, math.nan)}, r"scale=\(0\.5, nan\) must be two positive numbers"),
    ],
)  # fmt: skip
def test_a_part_of_another_kind_is_refused(name, changed, message):
    with pytest.raises(InvalidInputError, match=rf"^{name}\..*{message}"):
        make(name, **changed)


@pytest.mark.parametrize(
    ("mean", "std"), [((math.nan,), (0.5,)), ((0.5,), (math.nan,)), ((0.5,), (math.inf,)), (("a",), (0.5,)), ((), ())]
)
def test_a_normalization_is_of_finite_numbers(mean, std):
    with pytest.raises(InvalidInputError, match=r"^Normalization\."):
        dk.Normalization(mean, std)


def test_a_generator_that_has_nothing_to_train_is_refused():
    frozen = generator()
    frozen.trainable = False
    with pytest.raises(InvalidInputError, match=r"has no trainable weights, .*: set trainable = True"):
        synthesis.GeneratorSynthesizer(frozen, OBJECTIVE)


def test_a_generator_of_other_shapes_is_refused():
    flat = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    with pytest.raises(InvalidInputError, match=r"must map latents \[B, Z\] to images .* \(None, 2\) and \(None, 3\)"):
        synthesis.GeneratorSynthesizer(flat, OBJECTIVE)
