#!/usr/bin/env bash
# Tests the package with the lowest versions that pyproject.toml declares, or with the newest there are.
#
#   scripts/test-versions.sh lowest|newest [arguments of pytest]
#
# Each has a virtual environment of its own, .venv-lowest or .venv-newest, made by uv (which .venv has) with the Python
# of .venv; the package is installed as a wheel. Environment variables: TORCH=2.13.0+cpu takes that torch where the
# lowest or newest one cannot be had or is too large; PIP_FIND_LINKS is a folder with wheels.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

which="${1:-}"
case "$which" in
lowest) resolution=lowest-direct ;;
newest) resolution=highest ;;
*) stop "usage: scripts/test-versions.sh lowest|newest [arguments of pytest]" ;;
esac
shift

# What depends most on other packages: reading and writing, the command line with training, forms, samples.
tests=(
    tests/arrays tests/storage tests/cli/test_commands.py tests/cli/test_train.py tests/cli/test_predict.py
    tests/cli/test_score.py tests/cli/test_mistakes.py tests/cli/test_export.py tests/nets/test_nets.py
    tests/learn/test_modelfile.py tests/jobs/test_inputs.py tests/plugin/test_forms.py tests/plugin/test_keymap.py
    tests/plugin/test_settings.py tests/plugin/test_plugin_samples.py
)
venv=".venv-$which"
uv=.venv/bin/uv
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

links=()
[ -z "${PIP_FIND_LINKS:-}" ] || links=(--find-links "$PIP_FIND_LINKS")
: >"$work/torch.txt"
[ -z "${TORCH:-}" ] || echo "torch==$TORCH" >"$work/torch.txt"

say "Resolving the $which versions ..."
"$uv" pip compile --quiet --python .venv/bin/python --resolution "$resolution" ${links[@]+"${links[@]}"} -c "$work/torch.txt" \
    --extra qt pyproject.toml -o "$work/versions.txt"
"$uv" venv --quiet --clear --python .venv/bin/python "$venv"
"$uv" pip install --quiet --python "$venv/bin/python" ${links[@]+"${links[@]}"} -r "$work/versions.txt" \
    pytest pytest-qt pytest-xvfb hypothesis
.venv/bin/python -m build --no-isolation --wheel --outdir "$work" . >/dev/null
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps "$work"/*.whl
grep -E '^(napari|numpy|torch|zarr|tifffile|typer|pydantic)==' "$work/versions.txt"
# Old versions warn of what newer ones of others have dropped: warnings are shown, not errors.
OMP_NUM_THREADS=1 "$venv/bin/python" -m pytest -p no:cacheprovider -o filterwarnings=default -q "${tests[@]}" "$@"
