#!/usr/bin/env bash
# Tests with the newest Keras and TensorFlow of the registry, in .venv-newest, without constraints.txt: what the package
# uses of their private attributes, then training steps: bash scripts/test_newest.sh [pytest arguments]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
python="$root/.venv-newest/bin/python"
found="$(find_python)"
[ -x "$python" ] || "$found" -m venv "$root/.venv-newest"
echo "installing into $root/.venv-newest (some minutes) ..." >&2
"$python" -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager \
  --config-settings editable_mode=compat -e "$root[jax]" pytest pytest-xdist
cd "$root"
"$python" -c 'import importlib.metadata as m; print(*(f"{n} {m.version(n)}" for n in ("keras", "tensorflow", "jax")))'
exec "$python" -m pytest tests/backend/test_keras_internals.py tests/backend/test_gradient.py tests/test_distiller.py "$@"
