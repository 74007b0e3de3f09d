"""Whether the parts of a distiller fit together."""

from typing import Any

import keras

from dfkd_keras.backend.distribution import check_scope, shard_count
from dfkd_keras.losses.student_loss import StudentLoss
from dfkd_keras.objectives.modulation import Modulation
from dfkd_keras.replay import ImageSource, SoftLabelCache
from dfkd_keras.schedules.schedule import Schedule
from dfkd_keras.synthesis.synthesizer import Synthesizer
from dfkd_keras.teacher.model_checks import check_outputs
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import (
    check_counts,
    check_functions,
    check_kinds,
    check_seed,
    given,
    same_shape,
)
from dfkd_keras.utils.errors import InvalidInputError


def check_parts(distiller: Any) -> None:
    """Checks the parts of a new `DataFreeDistiller`."""
    check_part_kinds(distiller)
    teacher, student, synthesizer = distiller.teacher, distiller.student, distiller.synthesizer
    schedule, replay, modulation = distiller.schedule, distiller.replay, distiller.modulation
    check_counts("DataFreeDistiller", batch_size=distiller.batch_size)
    check_seed("DataFreeDistiller", distiller.seed)
    check_shards(distiller.batch_size, {"teacher": teacher.model, "student": student, "synthesizer": synthesizer})
    check_student(student, teacher)
    check_gradients(teacher, synthesizer)
    check_targets(teacher, synthesizer)
    check_class_counts(replay, synthesizer, modulation)
    check_schedule(schedule, replay, synthesizer)
    check_image_size(teacher, replay, synthesizer)
    check_weights(distiller.distillation_loss, replay, modulation)
    if distiller.soft_label_cache is not None:
        distiller.soft_label_cache.check(replay, distiller.augment, distiller.distillation_loss)


def check_part_kinds(distiller: Any) -> None:
    """Checks that each part is an object of its class."""
    kinds = {"student": keras.Model, "synthesizer": Synthesizer, "schedule": Schedule, "replay": ImageSource}
    for name, kind in kinds.items():
        check_kinds("DataFreeDistiller", kind, **{name: getattr(distiller, name)})
    check_kinds("DataFreeDistiller", Modulation, **given(modulation=distiller.modulation))
    check_kinds("DataFreeDistiller", SoftLabelCache, **given(soft_label_cache=distiller.soft_label_cache))
    check_functions("DataFreeDistiller", **given(augment=distiller.augment))


def check_gradients(teacher: Teacher, synthesizer: Synthesizer) -> None:
    """Checks that gradients pass through the teacher, where images are optimized by them."""
    if synthesizer.trains and not teacher.gives_gradients:
        raise InvalidInputError(
            f"{type(synthesizer).__name__} needs gradients through the teacher {teacher.model.name!r}, of which only "
            "the outputs are known: use ProceduralImages (baselines/procedural.gin)."
        )


def check_student(student: keras.Model, teacher: Teacher) -> None:
    """Checks that the student can be trained, and has the teacher's inputs and outputs and returns logits."""
    if student is teacher.model:
        raise InvalidInputError(
            f"student and teacher are the same model, {student.name!r}: the student must be another one."
        )
    if not student.trainable_variables:
        remedy = "set trainable = True on each of its layers" if student.variables else "call it on images to build it"
        raise InvalidInputError(f"student {student.name!r} has no trainable weights: {remedy}.")
    # A subclassed model does not know the shape of its inputs.
    shape = tuple(getattr(student, "input_shape", (None, *teacher.input_shape))[1:])
    if not same_shape(shape, teacher.input_shape):
        raise InvalidInputError(
            f"student {student.name!r} takes images of shape {shape}, but the teacher "
            f"{teacher.model.name!r} {teacher.input_shape}: build the student with the teacher's image shape."
        )
    if teacher.is_segmenter and None in teacher.image_shape and None not in shape:
        raise InvalidInputError(
            f"teacher {teacher.model.name!r} segments images of any size, and student {student.name!r} those of "
            f"{shape}: set Teacher.image_shape = {shape}."
        )
    sizes = teacher.image_shape
    if len(shape) == len(sizes):
        sizes = [own or other for own, other in zip(sizes, shape, strict=True)]
    _check_logits(student, check_outputs(student, sizes, inputs=teacher.inputs), teacher)


def _check_logits(student: keras.Model, logits_shape: tuple[int, ...], teacher: Teacher) -> None:
    *positions, classes = logits_shape
    if classes != teacher.num_classes:
        raise InvalidInputError(
            f"student {student.name!r} has {classes} outputs, but the teacher {teacher.model.name!r} "
            f"{teacher.num_classes}: build the student with {teacher.num_classes} classes."
        )
    if tuple(logits_shape) != tuple(teacher.logits_shape):
        raise InvalidInputError(
            f"student {student.name!r} gives logits at {tuple(positions)} positions, but the teacher "
            f"{teacher.model.name!r} at {teacher.logits_shape[:-1]}: choose a "
            f"{'segmenter of the same resolution' if teacher.is_segmenter else 'classifier'} for the student."
        )


def check_targets(teacher: Teacher, synthesizer: Synthesizer) -> None:
    """Checks that no term wants one class per image from a segmenter, which has a class for each pixel."""
    needs = synthesizer.objective.needs & {"labels", "soft_labels"}
    if teacher.is_segmenter and needs:
        raise InvalidInputError(
            f"a term needs {' and '.join(sorted(needs))}, one for each image, but the teacher {teacher.model.name!r} "
            "predicts a class for each pixel: use OneHotCrossEntropy, whose targets are the teacher's own classes "
            "(gin: target_term), or another method."
        )


def check_shards(batch_size: int, parts: dict[str, keras.layers.Layer]) -> None:
    """Checks that a batch can be divided among the devices, and that all parts were made for them."""
    if batch_size % shard_count():
        raise InvalidInputError(
            f"DataFreeDistiller.batch_size={batch_size} must be divisible by the number of devices ({shard_count()})."
        )
    for role, part in parts.items():
        check_scope(f"{role} {part.name!r}", part.variables)


def check_schedule(schedule: Schedule, replay: ImageSource, synthesizer: Synthesizer) -> None:
    """Checks that the schedule has the updates and the rounds that the other parts need, and no others."""
    name = type(schedule).__name__
    if any(kind.synthesis for kind in schedule.kinds) != synthesizer.trains:
        without = "use TwoStage(synthesis_epochs=0), or RoundEveryStep with a ReplayBuffer"
        training = "use Rounds with a ReplayBuffer" if synthesizer.works_by_rounds else "give it synthesis_epochs"
        remedy = training if synthesizer.trains else without
        raise InvalidInputError(
            f"{type(synthesizer).__name__} has {'something' if synthesizer.trains else 'nothing'} to train, which "
            f"{name} does not plan for: {remedy}."
        )
    if "rounds" in synthesizer.objective.needs and not schedule.rounds:
        raise InvalidInputError(f"AfterRounds waits for rounds, which {name} has none of: use Rounds.")
    if replay.keeps_images != any(kind.ends_round for kind in schedule.kinds):
        raise InvalidInputError(
            f"{name} with {type(replay).__name__}: a replay buffer and a schedule of rounds, which fill it, go "
            "together; use Rounds with a ReplayBuffer."
        )
    if synthesizer.works_by_rounds and not replay.keeps_images:
        raise InvalidInputError(
            f"{type(synthesizer).__name__} makes its images by rounds: use a schedule of rounds and a ReplayBuffer."
        )
    if replay.keeps_images and type(synthesizer).end_round is Synthesizer.end_round:
        raise InvalidInputError(
            f"{type(synthesizer).__name__} makes no rounds of images, which {type(replay).__name__} is to keep: use "
            "FreshSamples and a schedule without rounds."
        )


def check_class_counts(replay: ImageSource, synthesizer: Synthesizer, modulation: Modulation | None) -> None:
    """Checks that there is a buffer where the classes in it are to be counted."""
    needed = "class_counts" in synthesizer.objective.needs or (modulation is not None and modulation.diversity)
    if needed and not replay.keeps_images:
        raise InvalidInputError(
            f"Modulation.diversity counts the classes in the replay buffer, which {type(replay).__name__} does not "
            "have: use a ReplayBuffer, or Modulation(diversity=False)."
        )


def check_image_size(teacher: Teacher, replay: ImageSource, synthesizer: Synthesizer) -> None:
    """Checks that the size of images that are kept, or optimized themselves, is known."""
    if None in teacher.image_shape and (replay.keeps_images or synthesizer.works_by_rounds):
        raise InvalidInputError(
            f"teacher {teacher.model.name!r} takes images of any size, {teacher.image_shape}: say in "
            "Teacher.image_shape which size to synthesize."
        )


def check_weights(distillation_loss: StudentLoss, replay: ImageSource, modulation: Modulation | None) -> None:
    """Checks that a loss which gets a weight for each image has a value for each image."""
    if not distillation_loss.per_sample and (replay.has_priorities or modulation):
        owner = "DataFreeDistiller.modulation" if modulation else "PrioritySampling"
        raise InvalidInputError(
            f"{owner} weights each image in the student's loss, but {type(distillation_loss).__name__} gives "
            "one value for the batch: use SoftTargets."
        )
