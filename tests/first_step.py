"""Makes the first steps of methods on this backend, from weights in a file, and prints the losses as JSON.

Run as `python -m tests.first_step FOLDER METHOD...` on both backends. The first run keeps its weights in the folder,
and the second starts from them. What a method draws by `keras.random` differs between backends, and is replaced.
"""

import json
import sys
from pathlib import Path

import gin
import keras
import numpy as np

from dfkd_keras.experiment import configure
from dfkd_keras.synthesis.targets import Targets
from dfkd_keras.teacher.class_similarity import class_similarity
from tests.steady import steady

SMALL = ["TeacherRecipe.trained = False", "batch_size = 8"]
REPLACED = {
    "zskd.gin": ["PixelInversion.targets = @SimilarClasses()"],
    "cmi.gin": ["LatentInversion.learning = @ContinuedLearning()"],
    "nayer.gin": ["LatentInversion.learning = @ContinuedLearning()", "LatentInversion.latents = @FreeLatents()"],
}
MAGNIFIED = 10.0  # of the last layers: the divergence of untrained networks would be nothing but rounding errors


@gin.register(module="tests")
class SimilarClasses(Targets):
    """Soft labels that are a function of the class."""

    gives_soft_labels = True

    def draw(self, draws, teacher):
        similarity = keras.ops.softmax(class_similarity(teacher), axis=1)
        return draws.labels, keras.ops.take(similarity, draws.labels, axis=0)


class FirstLosses(keras.callbacks.Callback):
    """Keeps the first value of every loss."""

    def __init__(self):
        super().__init__()
        self.values = {}

    def on_train_batch_end(self, batch, logs=None):
        for name, value in self.model.running_means().items():
            if name not in self.values and value != 0:
                self.values[name] = float(value)


def first_losses(method, folder):
    gin.clear_config()
    configure([method, "smoke.gin"], [*SMALL, *steady(method), *REPLACED.get(method, [])])
    distiller, file, losses = gin.get_configurable("Experiment")().build(), folder / f"{method}.npz", FirstLosses()
    for model in (distiller.teacher.model, distiller.student):
        model.get_layer("logits").kernel.assign(MAGNIFIED * model.get_layer("logits").kernel)
    floats = [variable for variable in distiller.variables if "float" in variable.dtype]
    if not file.exists():
        np.savez(file, *[np.array(variable) for variable in floats])
    with np.load(file) as weights:
        for variable, value in zip(floats, weights.values(), strict=True):
            variable.assign(value)
    distiller.fit(callbacks=[losses], verbose=0)
    return losses.values


def main(folder, *methods):
    for method in methods:
        print(json.dumps({"method": method, "losses": first_losses(method, Path(folder))}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
