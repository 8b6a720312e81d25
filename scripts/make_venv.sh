#!/bin/sh
# requirements.lock -> .venv, exactly: every package is installed by its hash.
# The stamp .venv/installed is written last, so a run that was cut short is simply done again.
set -eu
cd "$(dirname "$0")/.."

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    echo "Python 3.11 to 3.14 is needed and was not found. On Debian or Ubuntu: sudo apt-get install python3 python3-venv" >&2
    return 1
}

# Debian ships venv apart from Python itself.
install_venv_package() {
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo -n"; else run="none"; fi
    if [ "$run" = none ] || ! command -v apt-get >/dev/null; then
        echo "Python's venv module is missing. Install it, then run make again:  sudo apt-get install $package" >&2
        return 1
    fi
    echo "      installing $package"
    $run apt-get install -y -q "$package" >/dev/null 2>&1 ||
        { $run apt-get update -q >/dev/null && $run apt-get install -y -q "$package" >/dev/null; }
}

python=$(find_python)
started=$(date +%s)
echo "[1/3] $("$python" --version) in .venv"
rm -f .venv/installed .venv/complete
if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    "$python" -c 'import venv, ensurepip' 2>/dev/null || install_venv_package "$python"
    "$python" -m venv --clear .venv
fi

echo "[2/3] uv, the installer"
awk '/^[a-zA-Z0-9]/ { wanted = /^uv==/ } wanted' requirements.lock > .venv/uv.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt

echo "[3/3] $(grep -c '^[a-zA-Z0-9]' requirements.lock) packages from requirements.lock"
# uv does not read pip's settings: a mirror that is configured there is handed over.
index=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$index}}}
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
{ .venv/bin/uv pip sync --python .venv/bin/python --require-hashes requirements.lock 2>&1 && touch .venv/complete; } |
    grep -v '^ [+-] '
[ -f .venv/complete ]
mv .venv/complete .venv/installed
echo "      ready in $(($(date +%s) - started)) s"
