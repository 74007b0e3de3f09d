"""Parts that do not fit together are refused before anything is trained."""

import keras
import pytest
from keras import layers

import dfkd_keras as dk
from dfkd_keras import models, synthesis
from dfkd_keras.schedules.rounds import Rounds, RoundsFirst
from dfkd_keras.utils.errors import InvalidInputError

ANY_SIZE = (None, None, 1)


def classifier():
    inputs = layers.Input(ANY_SIZE)
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))))


def inverted_latents():
    objective = dk.objectives.WeightedSum([dk.objectives.TargetCrossEntropy()])
    return synthesis.LatentInversion(models.sigmoid_generator(5, (32, 32, 1)), objective, keras.optimizers.Adam())


def inverted_pixels():
    return synthesis.PixelInversion(dk.objectives.WeightedSum([dk.objectives.TargetCrossEntropy()]))


@pytest.mark.parametrize(("inverted", "schedule"), [(inverted_latents, Rounds), (inverted_pixels, RoundsFirst)])
def test_images_that_are_kept_are_of_one_size(inverted, schedule):
    parts = {"schedule": schedule(), "replay": dk.replay.ReplayBuffer(16), "batch_size": 8}
    with pytest.raises(ValueError, match=r"any size, \(None, None, 1\): say in Teacher\.image_shape which"):
        dk.DataFreeDistiller(classifier(), classifier(), inverted(), **parts)
    teacher = dk.Teacher(classifier(), image_shape=(32, 32, 1))
    assert dk.DataFreeDistiller(teacher, classifier(), inverted(), **parts).replay.images.shape == (16, 32, 32, 1)


def test_a_student_of_one_size_is_tried_at_that_size():
    sized = keras.Sequential([layers.Input((48, 64, 1)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(10)])
    synthesizer = dk.synthesis.GeneratorSynthesizer(
        models.upsampling_generator(5, (48, 64, 1)), dk.objectives.WeightedSum([dk.objectives.ClassEntropy()])
    )
    distiller = dk.DataFreeDistiller(classifier(), sized, synthesizer, batch_size=4)
    assert distiller.student is sized


def test_a_segmenter_of_any_size_needs_the_size_of_the_student():
    def segmenter(shape):
        return keras.Sequential([layers.Input(shape), layers.Conv2D(3, 3, padding="same")])

    generator = models.upsampling_generator(5, (48, 64, 1))
    synthesizer = dk.synthesis.GeneratorSynthesizer(
        generator, dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()])
    )
    with pytest.raises(ValueError, match=r"set Teacher\.image_shape = \(48, 64, 1\)"):
        dk.DataFreeDistiller(segmenter(ANY_SIZE), segmenter((48, 64, 1)), synthesizer, batch_size=4)
    teacher = dk.Teacher(segmenter(ANY_SIZE), image_shape=(48, 64, 1))
    assert dk.DataFreeDistiller(teacher, segmenter((48, 64, 1)), synthesizer, batch_size=4).teacher is teacher


def generator():
    objective = dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()])
    return dk.synthesis.GeneratorSynthesizer(models.upsampling_generator(5), objective)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"replay": dk.replay.ReplayBuffer(16)}, "Alternating with ReplayBuffer: a replay buffer and a schedule of ro"),
        ({"schedule": Rounds()}, "Rounds with FreshSamples: a replay buffer and a schedule of rounds"),
        ({"schedule": dk.schedules.TwoStage(0, 1)}, "has something to train, which TwoStage does not plan for"),
        ({"modulation": dk.objectives.Modulation()}, "counts the classes in the replay buffer, which FreshSamples"),
    ],
)
def test_schedule_and_source_of_images_go_together(parts, message):
    with pytest.raises(InvalidInputError, match=message):
        dk.DataFreeDistiller(models.lenet5(), models.lenet5_half(), generator(), batch_size=8, **parts)


def test_images_that_cannot_be_kept_are_not_drawn_by_rounds():
    parts = {"schedule": dk.schedules.RoundEveryStep(), "replay": dk.replay.ReplayBuffer(16), "batch_size": 8}
    real = synthesis.RealImages(dk.data.digits())
    with pytest.raises(InvalidInputError, match="RealImages makes no rounds of images, which ReplayBuffer is to keep"):
        dk.DataFreeDistiller(models.lenet5(), models.lenet5_half(), real, **parts)


def test_a_scalar_loss_cannot_be_weighted_per_image():
    scalar = keras.distillation.LogitsDistillation(loss=keras.losses.KLDivergence())
    modulation = dk.objectives.Modulation(diversity=False)
    with pytest.raises(ValueError, match=r"modulation weights each image .* KerasDistillation gives one value"):
        dk.DataFreeDistiller(
            models.lenet5(), models.lenet5_half(), generator(), scalar, batch_size=8, modulation=modulation
        )


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("student", models.lenet5, r"student=<function .* must be an object of keras\.Model"),
        ("synthesizer", "dafl", "synthesizer='dafl' must be an object of Synthesizer"),
        ("schedule", [], r"schedule=\[\] must be an object of Schedule"),
        ("schedule", Rounds, r"schedule=Rounds must be .*, not a class: call Rounds, in gin @Rounds\(\)"),
        ("replay", (), r"replay=\(\) must be an object of ImageSource"),
        ("modulation", 0, "modulation=0 must be an object of Modulation"),
        ("soft_label_cache", 4, "soft_label_cache=4 must be an object of SoftLabelCache"),
        ("augment", dk.augmentation.RollFlip, "augment=RollFlip must be a function, .*: call RollFlip"),
    ],
)
def test_a_part_of_another_kind_is_refused(part, value, message):
    parts = {"teacher": models.lenet5(), "student": models.lenet5_half(), "synthesizer": generator(), "batch_size": 8}
    with pytest.raises(InvalidInputError, match=rf"^DataFreeDistiller\.{message}"):
        dk.DataFreeDistiller(**parts | {part: value})


def test_a_student_that_is_not_built_is_told_how():
    student = keras.Sequential([layers.Flatten(), layers.Dense(10)])
    with pytest.raises(InvalidInputError, match="has no trainable weights: call it on images to build it"):
        dk.DataFreeDistiller(models.lenet5(), student, generator(), batch_size=8)
