"""Whether a distiller can be trained as the arguments of `compile` and `fit` say."""

from typing import Any

import keras

from dfkd_keras.backend.distribution import replicas
from dfkd_keras.compatibility.parts import check_schedule
from dfkd_keras.schedules.schedule import Schedule
from dfkd_keras.utils.checks import check_counts, check_flags, check_kinds, entries, given
from dfkd_keras.utils.errors import InvalidInputError

NOT_FOR_COMPILE = ("loss", "loss_weights", "weighted_metrics")
NOT_FOR_FIT = ("x", "y", "batch_size", "validation_split", "sample_weight", "class_weight", "shuffle")


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
