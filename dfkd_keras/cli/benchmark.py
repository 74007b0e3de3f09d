"""Measures the updates of any configuration: `dfkd benchmark --gin_file=rdskd.gin --batch_size=256`.

The last line of the output is JSON: medians after a warm-up, and the seconds that imports take in a fresh process.
"""

import json
import subprocess
import sys

from absl import flags

from dfkd_keras.cli import configuration
from dfkd_keras.cli.configuration import configured_experiment
from dfkd_keras.experiment.benchmark import measure
from dfkd_keras.experiment.gin_bindings import check_given
from dfkd_keras.experiment.results import peak_memory_mb

FLAGS = flags.FLAGS
flags.DEFINE_integer("batch_size", None, "Images per update; the configuration's by default.")
flags.DEFINE_integer("steps", 15, "Measured steps of each kind.", lower_bound=1)
flags.adopt_module_key_flags(configuration)

IMPORTS = """
import json, time
started = time.perf_counter()
import keras
imported = time.perf_counter()
import dfkd_keras
seconds = imported - started, time.perf_counter() - imported
print(json.dumps(dict(zip(("import_keras_seconds", "import_dfkd_keras_seconds"), seconds))))
"""


def run() -> None:
    """Prints the medians."""
    bindings = ["TeacherRecipe.trained = False"]
    if FLAGS.batch_size is not None:
        bindings.append(f"DataFreeDistiller.batch_size = {FLAGS.batch_size}")
    imports = import_seconds()
    distiller = configured_experiment(bindings).build()
    check_given()
    results = measure(distiller, FLAGS.steps)
    print(json.dumps({**results, "peak_memory_mb": peak_memory_mb(), **imports}))


def import_seconds() -> dict[str, float]:
    """Returns the seconds of `import keras`, and those that `import dfkd_keras` then adds, in a fresh process."""
    process = subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True)
    return json.loads(process.stdout.splitlines()[-1])
