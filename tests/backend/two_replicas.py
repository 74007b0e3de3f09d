"""Trains a method on one device and on two with half of the batch each; prints how they differ, as JSON.

Run as `python -m tests.backend.two_replicas METHOD BINDING...`, a process of its own because devices are set up
only once.
"""

import json
import sys

import gin
import numpy as np
import tensorflow as tf

from dfkd_keras.experiment import configure
from tests.steady import steady

STEPS = ["steps_per_epoch = 25", "synthesis_epochs = 1", "student_epochs = 2", "rounds_per_epoch = 3"]
STEPS += ["student_updates_per_round = 5", "TeacherRecipe.trained = False", "batch_size = 8", "buffer_images = 16"]


def trained(method, bindings, strategy):
    """Returns a trained distiller, its losses, and how much its student has moved."""
    gin.clear_config()
    configure([method, "smoke.gin"], [*STEPS, *steady(method), *bindings])
    with strategy.scope():
        distiller = gin.get_configurable("Experiment")().build()
        start = [variable.numpy() for variable in distiller.student.variables]
        losses = distiller.fit(verbose=0).history
    return distiller, losses, difference(distiller.student.variables, start)


def differs_between_replicas(distiller):
    """Returns the paths of the variables that are not the same on all replicas, to the bit."""
    strategy, metrics = distiller.distribute_strategy, {id(variable) for variable in distiller.metrics_variables}
    copies = {
        variable.path: [copy.numpy() for copy in strategy.experimental_local_results(variable.value)]
        for variable in [*distiller.variables, *distiller.optimizer.variables]
        if id(variable) not in metrics
    }
    return [path for path, (first, *others) in copies.items() if not all(np.array_equal(first, v) for v in others)]


def difference(first, second):
    """Returns the largest absolute difference between variables and others, or arrays."""
    second = [getattr(other, "numpy", lambda other=other: other)() for other in second]
    return max(float(np.abs(a.numpy() - b).max()) for a, b in zip(first, second, strict=True))


def compared(method, bindings, two_devices):
    """Returns how training on two devices differs from training on one."""
    one, losses, moved = trained(method, bindings, tf.distribute.get_strategy())
    two, losses_of_two, _ = trained(method, bindings, two_devices)
    # A rounding error may move a pixel of the buffer's 8-bit images by a gray level: below 0.1, differences count as
    # such rather than relatively.
    relative = {
        name: float(np.max(np.abs(np.subtract(values, losses_of_two[name])) / np.maximum(np.abs(values), 0.1)))
        for name, values in losses.items()
        if name != "agreement"  # a fraction of few images
    }
    return {
        "losses": relative,
        "student_moved": moved,
        "student": difference(one.student.variables, two.student.variables),
        "differs_between_replicas": differs_between_replicas(two),
        "steps": int(two.optimizer.iterations.numpy()),
    }


def main(method, *bindings):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    print(json.dumps(compared(method, bindings, strategy)))


if __name__ == "__main__":
    main(*sys.argv[1:])
