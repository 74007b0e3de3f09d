"""The front door: a teacher in, a student out."""

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from dfkd_keras.experiment.distillation.budget import OVERRUN, length_so_far, planned_length, time_limit
from dfkd_keras.experiment.distillation.choice import METHODS
from dfkd_keras.experiment.distillation.composition import Composition, compose
from dfkd_keras.experiment.distillation.findings import Findings, examine
from dfkd_keras.experiment.distillation.given_teacher import as_path
from dfkd_keras.experiment.distillation.request import Request, task_name
from dfkd_keras.experiment.presets import PresetExperiment, experiment_of
from dfkd_keras.experiment.reporting.verdict import headline, in_other_ranges
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.models.loading.saved_model import saved_model

METHOD = re.compile(r"^Experiment\.method = '(\w+)'$", re.MULTILINE)
logger = logging.getLogger(__name__)


def distill(
    teacher: str | keras.Model | Callable,
    *,
    run_dir: Path | str | None = None,
    resume: bool = True,
    verbose: bool = True,
    **options: Any,
) -> keras.Model:
    """Distills a teacher into a small student, without data.

    The teacher is examined, a method and a student are chosen, and an ordinary run follows: its folder has the student,
    the exported SavedModel, a report, and `config.gin`, with which `dfkd train` makes the same run.

    Args:
        teacher: String, Keras model or function. The path of a file of any format that `teacher.loading` reads, a
            trained model, or a function from images to outputs that is defined in a module.
        run_dir: String or `Path`. The run's folder. Defaults to `runs/distill-NAME-seedN`.
        resume: Boolean. Whether an interrupted run in this folder resumes. Defaults to True.
        verbose: Boolean. Whether to print what was found and decided, and the results. Defaults to True.
        **options: `student`: String, the name of a network in `dk.models`, a `.keras` file or `module:function`; by
            default "slim:0.25", a slim copy of the teacher, or "compact" where too little can be cut. `method`:
            String, the name of a gin file, or "auto". `minutes`: Float, training time, 10 by default. `images`: String,
            a folder of images that the student is evaluated on, labeled by subfolder or by the CSV file `labels`.
            `class_names`: Sequence of strings, or the path of a file. `input_range`, `channel_order`, `outputs` and
            `image_shape` as in `dfkd_keras.Teacher`, found out by default; `output`, `weights`, `custom_objects` and
            `allow_code` as in `load_teacher`. `seed`: Integer, 0 by default. `bindings`: Sequence of strings, gin
            bindings that override what was decided.

    Returns:
        Keras model. The trained student, which takes and returns what the teacher does.

    Raises:
        InvalidInputError: If the teacher cannot be read or an option is impossible.
        NotFoundError: If a file does not exist.

    Example:
        >>> student = dk.distill("teacher.h5", minutes=5, images="photos/")
    """
    path, name = as_path(teacher)
    say = print if verbose else logger.info
    request = Request(path, **options)
    run = run_directory(request, run_dir, name)
    run_request(request, run, resume, say)
    return saved_model(str(run.student), safe_mode=not request.allow_code, custom_objects=request.custom_objects)


def run_directory(request: Request, path: Path | str | None, name: str | None = None) -> RunDirectory:
    """Returns the folder of a request's run: that of the path, or else one by the name of the teacher."""
    return RunDirectory(path or f"runs/distill-{name or task_name(request.teacher)}-seed{request.seed}")


def run_request(request: Request, run: RunDirectory, resume: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Makes the run that a request asks for, and says what it does.

    Args:
        request: `Request`.
        run: `RunDirectory`. The folder of the run.
        resume: Boolean. Whether an interrupted run in this folder resumes.
        say: Callable. Takes each line to be shown.

    Returns:
        Dictionary. The contents of `results.json`.
    """
    run.check_is_run_or_empty()
    findings = examine(request)
    _say(say, findings.lines())
    length = length_so_far(run) if resume else {}
    is_earlier = bool(length)
    if is_earlier:
        composition = _compose_again(request, findings, run)
    else:
        composition, length = _compose_to_fit(request, findings)
    limit = time_limit(request.minutes, run, is_earlier)
    experiment = _experiment(_with_minutes(composition, limit).with_bindings(**length))
    _say(
        say,
        composition.decisions
        | {"training": _training(request, length, run if is_earlier else None), "evaluation": _evaluation(request)},
    )
    results = experiment.run(run.path, resume, max_minutes=limit)
    _say_results(say, run, results, request)
    return results


def _compose_to_fit(request: Request, findings: Findings) -> tuple[Composition, dict[str, int]]:
    """Returns the composition of the best method that keeps the time, and its length."""
    for rank in range(len(METHODS)):
        composition = compose(request, findings, rank)
        length = planned_length(_experiment(composition), request.minutes)
        if length.epochs >= composition.fewest_epochs:
            break
    return composition, length.macros


def _compose_again(request: Request, findings: Findings, run: RunDirectory) -> Composition:
    """Returns the composition of the run in a folder, which time may have decided."""
    candidates = (compose(request, findings, rank) for rank in range(len(METHODS)))
    earlier = METHOD.search(run.configuration.read_text(encoding="utf-8"))
    same = (each for each in candidates if earlier and Path(each.method).name == earlier[1])
    return next(same, None) or compose(request, findings)


def _with_minutes(composition: Composition, limit: float) -> Composition:
    """Returns the composition with the time of its training, for the report."""
    decisions = composition.bindings["Experiment.decisions"] | {
        "minutes": f"{limit / OVERRUN:g} of training (--minutes)"
    }
    return composition.with_bindings(**{"Experiment.decisions": decisions})


def _experiment(composition: Composition) -> PresetExperiment:
    return experiment_of([f"{composition.method}.gin"], composition.own_bindings, composition.text)


def _say(say: Callable[[str], None], lines: dict[str, str]) -> None:
    for title, text in lines.items():
        say(f"{title:<12}{text}")


def _training(request: Request, length: dict[str, int], earlier: RunDirectory | None) -> str:
    if earlier is not None:
        state = "is complete" if earlier.results.exists() else "is resumed"
        return f"the run in {earlier.path} {state}, with its own length (--noresume, or another --run_dir, starts anew)"
    end = time.strftime("%H:%M", time.localtime(time.time() + 60 * request.minutes))
    steps = length["student_epochs"] * length.get("steps_per_epoch", 0)
    count, unit = (steps, "step") if steps else (length["student_epochs"], "epoch")
    amount = f"{count:,} {unit}{'s' * (count != 1)}"
    unit = "minute" if request.minutes == 1 else "minutes"
    return f"{amount}, about {request.minutes:g} {unit} on this machine, until {end}; --minutes"


def _evaluation(request: Request) -> str:
    if request.images:
        return f"on the images of {request.images} (--images), none of which is trained on"
    return "on held-out procedural images, an estimate; --images=FOLDER measures on real ones"


def _say_results(say: Callable[[str], None], run: RunDirectory, results: dict[str, Any], request: Request) -> None:
    parameters = results["student_parameters"]
    share = (
        f" ({parameters / results['teacher_parameters']:.0%} of the teacher's)" if results["teacher_parameters"] else ""
    )
    say(headline(results))
    if shares := in_other_ranges(results):
        say(f"That is if the guessed range of its images is right, and {shares}; --input_range.")
    _say(
        say,
        {
            "student": f"{run.student}: {parameters:,} parameters{share}; takes and returns what the teacher does",
            **({"serving": f"{run.exports}/student: a SavedModel of uint8 images"} if run.exports.exists() else {}),
            "report": f"{run.report}",
            "same run": f"dfkd train --gin_file={run.configuration} --run_dir=ANOTHER",
            "better": "the same command with more --minutes and another --run_dir",
        },
    )
