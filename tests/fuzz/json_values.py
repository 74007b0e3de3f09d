"""Changes of what JSON holds: of one value, somewhere within."""

import copy

from tests.fuzz.mutations import chance, pick

VALUES = (None, True, "", "x" * 300, "cat\x1b[2J\n", "1", -1, 0, 2**70, 1e300, float("nan"), float("inf"), [], {}, [[]],
          [None], {"": None}, "../../x", 0.5, [1, [2]])  # fmt: skip


def places(value, path=()):
    """Yields the path of every value within, as keys and indices."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from places(part, (*path, key))


def changed(rng, value):
    """Returns a copy in which one value is another one, is gone, or is there twice."""
    value = copy.deepcopy(value)
    if not (path := pick(rng, list(places(value)))):
        return pick(rng, VALUES)
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    if chance(rng, 0.6):
        holder[path[-1]] = copy.deepcopy(pick(rng, VALUES))
    elif chance(rng, 0.7):
        del holder[path[-1]]
    elif isinstance(holder, list):
        holder.append(holder[path[-1]])
    else:
        holder[f"{path[-1]}_"] = holder.pop(path[-1])
    return value
