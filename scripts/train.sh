#!/usr/bin/env bash
# Installs what is missing into .venv, then runs scripts/train.py: bash scripts/train.sh --gin_file=rdskd.gin
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare base
exec "$python" "$root/scripts/train.py" "$@"
