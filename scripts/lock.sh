#!/bin/sh
# Writes the lock files from pyproject.toml: every version with its hashes, no registry's address.
# `--upgrade` moves to the newest versions; without it, what is locked stays where it can.
set -eu
cd "$(dirname "$0")/.."

uv=$(command -v .venv/bin/uv || command -v uv) || {
    echo "make lock needs uv: install it (pip install uv)." >&2
    exit 1
}
compile() {
    "$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header "$@" >/dev/null
}
compile --group build --output-file requirements.lock "${@}"
compile --group build --group dev --constraints requirements.lock \
    --output-file requirements-dev.lock "${@}"
