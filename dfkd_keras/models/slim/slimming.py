"""A student made of its teacher's most useful channels."""

import keras
import numpy as np

from dfkd_keras.models.slim.budget import FEWEST, kept_at_share, kept_at_width, least_share
from dfkd_keras.models.slim.costs import multiplication_costs, parameter_costs
from dfkd_keras.models.slim.graph import Graph, read_graph
from dfkd_keras.models.slim.groups import Dependencies, dependencies
from dfkd_keras.models.slim.layout import Shape
from dfkd_keras.models.slim.norms import restore_statistics, with_statistics_of
from dfkd_keras.models.slim.ranking import ranked_groups
from dfkd_keras.models.slim.refit import refit as refit_layers
from dfkd_keras.models.slim.surgery import check_copies, slim_network
from dfkd_keras.utils.errors import InvalidInputError


def slim(
    model: keras.Model,
    images: np.ndarray,
    parameters: float | None = None,
    width: float | None = None,
    multiplications: float | None = None,
    refit: bool = True,
) -> keras.Model:
    """Makes a smaller network of the most useful channels of another one.

    Channels that depend on each other, such as those that are added, are kept or cut together. Kept are those from
    which, on the images, the next layers' outputs can best be predicted; with `parameters` or `multiplications`, as
    many of each group as pay for theirs. What the others contributed is made good layer by layer by ridge regression.
    Meanwhile BatchNorm layers have the statistics of the images, so that their channels vary as on the data. Layers
    that cannot be followed are kept whole, and named in the log; those that act in training alone, such as dropout and
    augmentation, are left out. The input and the outputs stay as they are.

    Args:
        model: Functional or Sequential Keras model of one input. It is left as it is.
        images: Array `[N, ...]` of inputs in the form that the model takes; no labels are needed, and images that
            nobody trained on will do, such as 1,000 of `ProceduralImages`.
        parameters: Float in (0, 1]. The share of the parameters to have at most. Give one of this and the next two.
        width: Float in (0, 1]. The share of the channels of each group to keep, at least 2. Defaults to None.
        multiplications: Float in (0, 1]. The share of the multiplications for an image, of dense and convolutional
            layers, to make at most. Defaults to None.
        refit: Boolean. Whether to refit the weights. Defaults to True.

    Returns:
        Functional Keras model of the same kinds of layers, trainable.

    Raises:
        InvalidInputError: If not exactly one of the shares is given, or out of range; if the images do not fit the
            model; if it has no channels that can be cut, or too few for the share.

    References:
        - Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023.
        - He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017.
        - Raikwar and Mishra, "Discovering and Overcoming Limitations of Noise-engineered Data-free Knowledge
          Distillation", NeurIPS 2022.

    Example:
        >>> student = dk.models.slim(dk.models.lenet5(), np.random.rand(100, 32, 32, 1), parameters=0.25)
    """
    budget, share = _checked_share(parameters=parameters, width=width, multiplications=multiplications)
    images = _checked_images(model, images)
    graph = read_graph(model)
    shapes = graph.shapes(images)
    found = dependencies(graph, shapes)
    if all(len(group) <= FEWEST for group in found.groups):
        whole = f" ({', '.join(found.kept_whole)} cannot be followed)" if found.kept_whole else ""
        raise InvalidInputError(
            f"model {model.name!r} has no channels that can be cut{whole}: train a student from scratch."
        )
    adapted, found = with_statistics_of(images, graph, found)
    kept = _kept(adapted, found, shapes, images, budget, share)
    network, layers = slim_network(model, adapted, found, kept)
    if refit:
        refit_layers(adapted, layers, found, kept, images)
    restore_statistics(graph, adapted, layers, found, kept)
    return network


def smallest_share(model: keras.Model, images: np.ndarray) -> float:
    """Returns the share of its parameters that `slim`, whose arguments these are, can bring a model down to.

    It is 1 for a model whose channels cannot be cut or whose layers cannot be copied, and otherwise right to a percent
    or so.
    """
    try:
        graph = read_graph(model)
        found = dependencies(graph, graph.shapes(_checked_images(model, images)))
        check_copies(graph, found)
    except InvalidInputError:
        return 1.0
    return least_share(found, parameter_costs(graph, found))


def _kept(
    graph: Graph, found: Dependencies, shapes: dict[int, Shape], images: np.ndarray, budget: str, share: float
) -> np.ndarray:
    """Returns which labels are kept, by what the budget is of: "width", "parameters" or "multiplications"."""
    rankings = ranked_groups(graph, found, images)
    if budget == "width":
        return kept_at_width(found, rankings, share)
    costs = parameter_costs(graph, found) if budget == "parameters" else multiplication_costs(graph, found, shapes)
    return kept_at_share(found, rankings, costs, share, budget)


def _checked_share(**shares: float | None) -> tuple[str, float]:
    """Returns the only share that is given, with its name."""
    given = {name: share for name, share in shares.items() if share is not None}
    if len(given) != 1:
        listed = ", ".join(f"{name}={share}" for name, share in shares.items())
        raise InvalidInputError(f"slim({listed}): give exactly one of them.")
    ((name, share),) = given.items()
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise InvalidInputError(f"slim({name}={share!r}) must be a number above 0 and at most 1, such as 0.25.")
    return name, share


def _checked_images(model: keras.Model, images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple):
        return images  # `read_graph` says what is wrong with such a model
    fits = len(images.shape) == len(shape) and all(
        length in (None, given) for length, given in zip(shape[1:], images.shape[1:], strict=True)
    )
    if not fits or len(images) < 2:
        raise InvalidInputError(
            f"slim(images of shape {images.shape}) do not fit model {model.name!r}, which takes {shape}: give at least "
            "two inputs in the form that it takes."
        )
    return images.astype(model.inputs[0].dtype)
