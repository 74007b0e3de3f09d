"""Whether the parts of a distiller fit together, checked before anything is trained."""

from typing import Any

import keras

from dfkd_keras.backend.distribution import check_scope, replicas, shard_count
from dfkd_keras.objectives.modulation import Modulation
from dfkd_keras.replay import FreshSamples, ReplayBuffer
from dfkd_keras.schedules.schedule import Schedule
from dfkd_keras.synthesis.synthesizer import Synthesizer
from dfkd_keras.teacher.teacher import Teacher, check_outputs
from dfkd_keras.utils.checks import same_shape
from dfkd_keras.utils.errors import InvalidInputError


def check_student(student: keras.Model, teacher: Teacher) -> None:
    """Raises ValueError if the student is frozen, of other inputs or outputs than the teacher, or ends in softmax."""
    if student is teacher.model:
        raise InvalidInputError(
            f"student and teacher are the same model, {student.name!r}: the student must be one of its own."
        )
    if not student.trainable_variables:
        raise InvalidInputError(
            f"student {student.name!r} has no trainable weights: set trainable = True on each of its layers."
        )
    shape = tuple(getattr(student, "input_shape", (None, *teacher.image_shape))[1:])  # a subclassed one has none
    if not same_shape(shape, teacher.image_shape):
        raise InvalidInputError(
            f"student {student.name!r} takes images of shape {shape}, but the teacher "
            f"{teacher.model.name!r} {teacher.image_shape}: build the student with the teacher's image shape."
        )
    if teacher.is_segmenter and None in teacher.image_shape and None not in shape:
        raise InvalidInputError(
            f"teacher {teacher.model.name!r} segments images of any size, and student {student.name!r} those of "
            f"{shape}: say Teacher.image_shape = {shape}."
        )
    known = [own or other for own, other in zip(teacher.image_shape, shape, strict=True)]
    *positions, classes = outputs = check_outputs(student, known)
    if classes != teacher.num_classes:
        raise InvalidInputError(
            f"student {student.name!r} has {classes} outputs, but the teacher {teacher.model.name!r} "
            f"{teacher.num_classes}: build the student with {teacher.num_classes} classes."
        )
    if outputs != teacher.logits_shape:
        raise InvalidInputError(
            f"student {student.name!r} gives logits at {tuple(positions)} positions, but the teacher "
            f"{teacher.model.name!r} at {teacher.logits_shape[:-1]}: choose a "
            f"{'segmenter of the same resolution' if teacher.is_segmenter else 'classifier'} for the student."
        )


def check_targets(teacher: Teacher, synthesizer: Synthesizer) -> None:
    """Raises ValueError if a term wants to tell a segmenter what it is to see in an image as a whole."""
    needs = synthesizer.objective.needs & {"labels", "soft_labels"}
    if teacher.is_segmenter and needs:
        raise InvalidInputError(
            f"a term needs {' and '.join(sorted(needs))}, one for each image, but the teacher {teacher.model.name!r} "
            "sees a class in each pixel: use OneHotCrossEntropy, whose targets are the teacher's own classes (gin: "
            "target_term), or another method."
        )


def check_shares(batch_size: int, parts: dict[str, keras.layers.Layer]) -> None:
    """Raises ValueError if a batch cannot be shared among the devices, or a part was not made for them."""
    if batch_size % shard_count():
        raise InvalidInputError(
            f"DataFreeDistiller.batch_size={batch_size} cannot be shared equally by {shard_count()} devices: make it a "
            "multiple."
        )
    for role, part in parts.items():
        check_scope(f"{role} {part.name!r}", part.variables)


def check_memory(
    schedule: Schedule,
    replay: FreshSamples | ReplayBuffer,
    synthesizer: Synthesizer,
    modulation: Modulation | None,
) -> None:
    """Raises ValueError if something needs a memory and there is none, or the other way round."""
    if any(kind.synthesis for kind in schedule.kinds) != synthesizer.trains:
        remedy = "give it synthesis_epochs" if synthesizer.trains else "use TwoStage(synthesis_epochs=0)"
        raise InvalidInputError(
            f"{type(synthesizer).__name__} has {'something' if synthesizer.trains else 'nothing'} to train, which "
            f"{type(schedule).__name__} does not plan for: {remedy}."
        )
    counts_classes = "class_counts" in synthesizer.objective.needs or (modulation and modulation.diversity)
    if counts_classes and not replay.keeps_images:
        raise InvalidInputError(
            f"Modulation.diversity counts the classes in the memory, but {type(replay).__name__} is none: use a "
            "ReplayBuffer, or Modulation(diversity=False)."
        )
    if "rounds" in synthesizer.objective.needs and not schedule.rounds:
        raise InvalidInputError(
            f"AfterRounds waits for rounds, which {type(schedule).__name__} has none of: use Rounds."
        )
    if replay.keeps_images != any(kind.ends_round for kind in schedule.kinds):
        raise InvalidInputError(
            f"{type(schedule).__name__} with {type(replay).__name__}: a memory and a schedule of rounds, which fill "
            "it, go together; use Rounds with a ReplayBuffer."
        )
    if synthesizer.works_by_rounds and not replay.keeps_images:
        raise InvalidInputError(
            f"{type(synthesizer).__name__} makes its images by rounds: use a schedule of rounds and a ReplayBuffer."
        )


def check_image_size(teacher: Teacher, replay: FreshSamples | ReplayBuffer, synthesizer: Synthesizer) -> None:
    """Raises ValueError if images are to be kept, or optimized themselves, of a size that nobody has said."""
    if None in teacher.image_shape and (replay.keeps_images or synthesizer.works_by_rounds):
        raise InvalidInputError(
            f"teacher {teacher.model.name!r} takes images of any size, {teacher.image_shape}: say in "
            "Teacher.image_shape of which they are to be made."
        )


def check_weights(distillation_loss: Any, replay: FreshSamples | ReplayBuffer, modulation: Modulation | None) -> None:
    """Raises ValueError if images are weighted in a student's loss that has one value for all of them."""
    if getattr(distillation_loss, "per_sample", True):
        return
    if replay.has_priorities or modulation:
        owner = "DataFreeDistiller.modulation" if modulation else "PrioritySampling"
        raise InvalidInputError(
            f"{owner} weights each image in the student's loss, but {type(distillation_loss.loss).__name__} gives one "
            "value for the batch: use SoftTargets."
        )


def check_plan(distiller: Any, epochs: int, steps_per_epoch: int, initial_epoch: int, initial_step: int) -> None:
    """Raises ValueError if a distiller cannot be trained as its schedule, and the arguments of `fit`, say."""
    if not 0 <= initial_step <= steps_per_epoch:
        raise InvalidInputError(
            f"fit(initial_step={initial_step}) must be from 0 to the {steps_per_epoch} steps of an epoch; whole "
            "epochs are initial_epoch's."
        )
    schedule, execution = distiller.schedule, distiller.steps_per_execution
    if execution > 1 and any(kind.begins_round for kind in schedule.kinds):
        raise InvalidInputError(
            f"compile(steps_per_execution={execution}): {type(schedule).__name__} switches the kind of step within an "
            "epoch; use 1."
        )
    if steps_per_epoch % execution:
        raise InvalidInputError(
            f"compile(steps_per_execution={execution}) does not divide the {steps_per_epoch} steps of an epoch, which "
            "would be overrun: give a divisor."
        )
    if execution > 1 and replicas() > 1:
        raise InvalidInputError(
            f"compile(steps_per_execution={execution}) does not work on several devices with TensorFlow, whose "
            "strategies cannot update weights in a loop: use 1."
        )
    if initial_step % execution:
        raise InvalidInputError(
            f"fit(initial_step={initial_step}) lies within a call of compile(steps_per_execution={execution}): go on "
            "with 1, or at a multiple."
        )
    if schedule.rounds and steps_per_epoch != schedule.steps_per_epoch:
        raise InvalidInputError(
            f"fit(steps_per_epoch={steps_per_epoch}) would cut rounds short: leave it out, and it is the schedule's "
            f"{schedule.steps_per_epoch}."
        )
    if epochs > schedule.epochs and distiller.replay.grows:
        raise InvalidInputError(
            f"fit(epochs={epochs}): the growing memory has room for the schedule's {schedule.epochs} epochs only; plan "
            "them there, or give ReplayBuffer.capacity_images."
        )
    synthesis_updates = steps_per_epoch * max((kind.synthesis for kind in schedule.kinds), default=0)
    if synthesis_updates:
        distiller.synthesizer.objective.check_updates_per_epoch(synthesis_updates)
    written = initial_epoch or any(schedule.step_kind(0, step).ends_round for step in range(initial_step))
    if written and distiller.replay.keeps_images and not distiller.replay.stored:
        raise InvalidInputError(
            f"fit(initial_epoch={initial_epoch}, initial_step={initial_step}) with an empty memory: load the weights "
            "of what came before."
        )
