#!/bin/sh
# Makes .venv ready: `setup.sh run` for the product, `setup.sh dev` for tests and lint as well.
# Does nothing when it is ready already; starts anew when the lock or the folder has changed.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$1" >&2; }
fail() { say "$1"; exit 1; }

case "${1:-}" in
run) lock=requirements.lock ;;
dev) lock=requirements-dev.lock ;;
*) fail "Use: setup.sh run|dev" ;;
esac

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null 2>&1 && is_new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    fail "Everpost needs Python 3.11 or newer on the PATH, and there is none: install it (on Debian: apt install python3 python3-venv)."
}

make_venv() {
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        fail "This Python ($python) lacks the venv module: install it (on Debian: apt install python3-venv)."
    "$python" -m venv --clear .venv ||
        fail "Cannot make .venv in $(pwd): see above."
}

# An editable install remembers its folder, so a copied checkout needs its own.
wanted="$(pwd) $(cat "$lock" pyproject.toml | cksum)"
stamp=.venv/.ready-$1
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

# A .venv that somebody else made is taken as it is; one of another folder or without a working
# Python is made anew.
if ! is_new_enough .venv/bin/python || [ "$(cat .venv/.folder 2>/dev/null || pwd)" != "$(pwd)" ]; then
    make_venv
fi
pwd >.venv/.folder
.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null ||
    fail "There is no pip in .venv: remove the folder .venv and try again."

say "Installing packages into .venv (only now and when $lock changes) …"
pip() { .venv/bin/python -m pip --quiet --disable-pip-version-check --no-input "$@"; }
pip install --require-hashes --requirement "$lock" ||
    fail "The packages of $lock could not be installed: see above; is the network there?"
pip install --no-index --no-deps --no-build-isolation --editable . ||
    fail "Everpost itself could not be installed into .venv: see above."
echo "$wanted" >"$stamp"
