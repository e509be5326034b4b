#!/usr/bin/env bash
# Makes .venv hold exactly what requirements-dev.txt says. Called by the Makefile before every target that needs it;
# does nothing, quickly, when there is nothing to do.
#   PYTHON=...  the interpreter to use (default: the newest of python3.13 ... python3.11, python3 that is 3.11+)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv
lock=requirements-dev.txt
stamp=$venv/.installed-from # a copy of the lock, written last: without it the directory is not to be trusted

# `python3.13 --version` isn't enough: a version manager's shim is on PATH whether or not that version is chosen.
new_enough() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.11 python3 python; do
        if command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
        # A named interpreter that won't do is an error, not a hint.
        [ "$candidate" != "${PYTHON:-}" ] || break
    done
    {
        if [ -n "${PYTHON:-}" ]; then
            echo "error: PYTHON=$PYTHON is not a Python 3.11 or newer with the venv module."
        else
            echo "error: no Python 3.11 or newer (with the venv module) on PATH; python3 is: $(python3 --version 2>&1 || true)"
        fi
        echo "  Install one (Debian and Ubuntu: python3 and python3-venv) or name it: make <target> PYTHON=/path/to/python3.12"
    } >&2
    return 1
}

version_of() { "$1" -c 'import sys; print(*sys.version_info[:2], sep=".")'; }

up_to_date() {
    cmp -s "$lock" "$stamp" || return 1
    "$venv/bin/python" -c 'import pip' 2>/dev/null || return 1 # its interpreter may have been removed since
    [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$venv/bin/python")" ]
}

if up_to_date; then exit 0; fi

python=$(find_python)
echo "Setting up .venv with Python $(version_of "$python") and the packages of $lock (about a minute) ..." >&2
# From nothing each time: what an interrupted run, or an older lock, left behind can't shine through.
rm -rf "$venv"
"$python" -m venv "$venv"
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$lock"; then
    echo "error: the packages could not be installed; what pip says is above." >&2
    echo "  Behind a proxy or a mirror, tell pip of it (HTTPS_PROXY, PIP_INDEX_URL) and run the same command again." >&2
    exit 1
fi
cp "$lock" "$stamp"
