"""Times the updates of any configuration: `python scripts/benchmark.py --gin_file=rdskd.gin --batch_size=256`.

The last line of the output is JSON: medians after a warm-up.
"""

import json

from absl import flags
from commandline import configured_experiment, main

from dfkd_keras.experiment.benchmark import measure
from dfkd_keras.experiment.results import peak_memory_mb

FLAGS = flags.FLAGS
flags.DEFINE_integer("batch_size", None, "Images per update; the configuration's by default.")
flags.DEFINE_integer("steps", 15, "Measured steps of each kind.", lower_bound=1)


def benchmark() -> None:
    """Prints the medians."""
    bindings = ["TeacherRecipe.trained = False"]
    if FLAGS.batch_size is not None:
        bindings.append(f"DataFreeDistiller.batch_size = {FLAGS.batch_size}")
    results = measure(configured_experiment(bindings).build(), FLAGS.steps)
    print(json.dumps({**results, "peak_memory_mb": peak_memory_mb()}))


if __name__ == "__main__":
    main(benchmark)
