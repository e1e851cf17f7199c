#!/usr/bin/env bash
# Makes the virtual environment .venv and installs the package into it, editable.
#
#   scripts/setup.sh run    what a user needs: the package with Qt and everything optional
#   scripts/setup.sh dev    the same, and the tools for tests, checks and docs
#
# Safe to call again: it does nothing while pyproject.toml, the constraints and Python stay the same.
# PYTHON=/path/to/python3.12 chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

mode="${1:-dev}"
case "$mode" in
run | dev) ;;
*) stop "usage: scripts/setup.sh [run|dev]" ;;
esac

venv=.venv

suits() { # is this command a Python of at least 3.11?
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        suits "$PYTHON" || stop "PYTHON=$PYTHON is not a Python of version 3.11 or later."
        command -v "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
        if suits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    stop "No Python of version 3.11 or later was found ($(python3 --version 2>/dev/null || echo 'no python3'))." \
        "Install one (Debian 12 or later, Ubuntu 24.04 or later: sudo apt-get install python3 python3-venv)," \
        "or name yours: make demo PYTHON=/path/to/python3.12"
}

# Debian ships Python without what `python3 -m venv` needs.
need_venv_module() {
    local python="$1" package
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 && return
    package="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    install_packages "$package" ||
        stop "$python cannot make virtual environments. Run:  sudo apt-get install $package"
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        stop "$python still cannot make virtual environments (ensurepip is missing)."
}

make_venv() {
    if [ -x "$venv/bin/python" ] && suits "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    local python
    python="$(find_python)"
    need_venv_module "$python"
    say "Making a virtual environment in $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
}

stamp_text() { # changes whenever the installation has to be looked at again
    cat pyproject.toml constraints/dev.txt
    "$venv/bin/python" -c 'import sys; print(sys.version, sys.prefix)'
}

pip_install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -c constraints/dev.txt "$@"
}

install() {
    local -a what=(-e ".[all]")
    [ "$mode" = run ] || what+=(--group dev)
    say "Installing (the first time takes a few minutes and about 2 GB) ..."
    # Dependency groups need pip 25.1.
    pip_install --upgrade "pip>=25.1"
    pip_install "${what[@]}" || stop "The installation failed; the lines above say why."
}

make_venv
now="$(stamp_text | cksum)"
stamp="$venv/.installed-$mode"
for done_before in "$stamp" "$venv/.installed-dev"; do
    if [ -f "$done_before" ] && [ "$(cat "$done_before")" = "$now" ]; then
        exit 0
    fi
done
install
printf '%s\n' "$now" >"$stamp"
