"""Checks of whether the parts of a distiller fit together, made before anything is trained.

All of them raise `InvalidInputError`, with the part to change and the remedy.
"""

from typing import Any

import keras

from dfkd_keras.backend.distribution import check_scope, replicas, shard_count
from dfkd_keras.losses.student_loss import StudentLoss
from dfkd_keras.objectives.modulation import Modulation
from dfkd_keras.replay import ImageSource, SoftLabelCache
from dfkd_keras.schedules.schedule import Schedule
from dfkd_keras.synthesis.synthesizer import Synthesizer
from dfkd_keras.teacher.model_checks import check_outputs
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import (
    check_counts,
    check_flags,
    check_functions,
    check_kinds,
    check_seed,
    entries,
    given,
    same_shape,
)
from dfkd_keras.utils.errors import InvalidInputError

NOT_FOR_COMPILE = ("loss", "loss_weights", "weighted_metrics")
NOT_FOR_FIT = ("x", "y", "batch_size", "validation_split", "sample_weight", "class_weight", "shuffle")


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


def check_compile_arguments(arguments: dict[str, Any]) -> None:
    """Checks that `compile` is called without the losses of supervised training, and with arguments of their kinds."""
    for name in NOT_FOR_COMPILE:
        if arguments.get(name) is not None:
            raise InvalidInputError(
                f"compile({name}=...) has no effect here: the loss is DataFreeDistiller.distillation_loss."
            )
    flags = {name: arguments[name] for name in ("run_eagerly", "auto_scale_loss") if name in arguments}
    if arguments.get("jit_compile", "auto") != "auto":
        flags["jit_compile"] = arguments["jit_compile"]
    check_flags("compile", **flags)
    check_counts("compile", **given(steps_per_execution=arguments.get("steps_per_execution")))


def check_fit_arguments(arguments: dict[str, Any]) -> None:
    """Checks that `fit` is called without training data, and with validation arguments of their kinds."""
    for name in NOT_FOR_FIT:
        if name in arguments:
            raise InvalidInputError(
                f"fit({name}=...): data-free distillation takes no training data, only validation_data."
            )
    check_counts("fit", **given(validation_batch_size=arguments.get("validation_batch_size")))
    every = arguments.get("validation_freq", 1)
    check_counts("fit", **entries("fit", validation_freq=every if isinstance(every, (tuple, list)) else [every]))


def check_optimizers(optimizer: keras.optimizers.Optimizer, synthesis_optimizer: keras.optimizers.Optimizer) -> None:
    """Checks that student and synthesizer have an optimizer each."""
    check_kinds("compile", keras.optimizers.Optimizer, optimizer=optimizer, synthesis_optimizer=synthesis_optimizer)
    if optimizer is synthesis_optimizer:
        raise InvalidInputError(
            f"both sides were given the same {optimizer.name!r} object: give each its own optimizer."
        )


def check_loss_scaling(optimizer: keras.optimizers.Optimizer) -> None:
    """Checks that the backend can scale losses, where float16 makes it necessary."""
    if keras.config.backend() == "jax" and isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise InvalidInputError("mixed_float16 does not work on the jax backend: use mixed_bfloat16 or float32.")


def check_plan(distiller: Any, epochs: int, steps_per_epoch: int, initial_epoch: int, initial_step: int) -> None:
    """Checks that a distiller can be trained as its schedule and the arguments of `fit` say."""
    if not distiller.compiled:
        raise InvalidInputError("fit needs the optimizers: call compile(optimizer, synthesis_optimizer) first.")
    check_counts("fit", epochs=epochs, steps_per_epoch=steps_per_epoch)
    check_counts("fit", minimum=0, initial_epoch=initial_epoch, initial_step=initial_step)
    if initial_epoch >= epochs:
        raise InvalidInputError(
            f"fit(initial_epoch={initial_epoch}) begins after the last of epochs={epochs}: raise epochs, or begin "
            "earlier."
        )
    if initial_step > steps_per_epoch:
        raise InvalidInputError(
            f"fit(initial_step={initial_step}) must be from 0 to the {steps_per_epoch} steps of an epoch; count whole "
            "epochs by initial_epoch."
        )
    schedule = distiller.schedule  # maybe another one than the distiller was built with
    if schedule.kinds:  # that of a benchmark has none
        check_schedule(schedule, distiller.replay, distiller.synthesizer)
    check_execution(schedule, distiller.steps_per_execution, steps_per_epoch, initial_step)
    check_buffer(distiller, epochs, initial_epoch, initial_step)
    if schedule.rounds and steps_per_epoch != schedule.steps_per_epoch:
        raise InvalidInputError(
            f"fit(steps_per_epoch={steps_per_epoch}) would cut rounds short: leave it out to use the schedule's "
            f"{schedule.steps_per_epoch}."
        )
    if synthesis_updates := steps_per_epoch * max((kind.synthesis for kind in schedule.kinds), default=0):
        distiller.synthesizer.objective.check_updates_per_epoch(synthesis_updates)


def check_execution(schedule: Schedule, execution: int, steps_per_epoch: int, initial_step: int) -> None:
    """Checks that several steps can be made in one call, where `compile(steps_per_execution=...)` says so."""
    owner = f"compile(steps_per_execution={execution})"
    if execution > 1 and any(kind.begins_round for kind in schedule.kinds):
        raise InvalidInputError(
            f"{owner}: {type(schedule).__name__} makes rounds, whose steps are made one by one: use 1."
        )
    if steps_per_epoch % execution:
        raise InvalidInputError(
            f"{owner} does not divide the {steps_per_epoch} steps of an epoch, which would be overrun: give a divisor."
        )
    if execution > 1 and replicas() > 1:
        raise InvalidInputError(
            f"{owner} does not work on several devices with TensorFlow, whose strategies cannot update weights in a "
            "loop: use 1."
        )
    if initial_step % execution:
        raise InvalidInputError(
            f"fit(initial_step={initial_step}) lies within a call of {owner}: resume with steps_per_execution=1, or at "
            "a multiple."
        )


def check_buffer(distiller: Any, epochs: int, initial_epoch: int, initial_step: int) -> None:
    """Checks that the replay buffer has room for all images to come, and has those that were added before."""
    schedule, replay = distiller.schedule, distiller.replay
    if replay.grows and schedule.rounds_in(epochs) * distiller.batch_size > replay.capacity:
        raise InvalidInputError(
            f"fit(epochs={epochs}): the growing buffer has room for the {replay.capacity} images of the distiller's "
            "first schedule only: build it with a longer one, or give ReplayBuffer.capacity_images."
        )
    added = initial_epoch or any(schedule.step_kind(0, step).ends_round for step in range(initial_step))
    if added and replay.empty:
        raise InvalidInputError(
            f"fit(initial_epoch={initial_epoch}, initial_step={initial_step}) with an empty buffer: load the weights "
            "of the training so far."
        )
