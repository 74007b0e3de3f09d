# Sourced by train.sh and test.sh: `prepare base` or `prepare test` makes .venv and installs what is missing.
# A second call finds its mark and installs nothing; a change of setup.cfg or constraints.txt renews the mark.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="$root/.venv/bin/python"

find_python() {
  local candidate
  for candidate in python3.11 python3.12 python3.13 python3; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "error: no Python 3.11, 3.12 or 3.13 is on the PATH: install one and call this again." >&2
  return 1
}

prepare() {
  local kind="$1" extras="" found mark
  [ "$kind" = test ] && extras="[test]"
  mark="$(cat "$root/setup.cfg" "$root/constraints.txt" | cksum | cut -d' ' -f1)"
  if [ -e "$root/.venv/.$kind-$mark" ] || [ -e "$root/.venv/.test-$mark" ]; then
    return
  fi
  found="$(find_python)" || return 1
  echo "installing into $root/.venv (once, some minutes) ..." >&2
  [ -x "$python" ] || "$found" -m venv "$root/.venv"
  "$python" -m pip install --quiet --disable-pip-version-check -c "$root/constraints.txt" \
    --config-settings editable_mode=compat -e "$root$extras"
  touch "$root/.venv/.$kind-$mark"
}
