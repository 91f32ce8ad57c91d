# Shared by the scripts: finds a Python, makes .venv, installs flowc into it. Sourced, from the root of the checkout.

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1
VENV=.venv

say() { printf '\n==> %s\n' "$*"; }
stop() { printf 'error: %s\n' "$*" >&2; exit 2; }

# A command that is Python 3.11 to 3.13. A name on the PATH may be a launcher that finds nothing, so each is tried.
is_python() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }
can_make_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# A distribution's comes first: it is compiled with optimizations, which one that was built on this machine often is not.
candidates() {
  printf '%s\n' "${PYTHON:-}" /usr/bin/python3.1{1,2,3} python3.11 python3.12 python3.13 python3 python
  ls -d "${HOME:-/nonexistent}"/.pyenv/versions/3.1[123].*/bin/python /usr/local/bin/python3.1[123] 2>/dev/null || true
}

find_python() {
  local python
  for python in $(candidates); do
    if is_python "$python" && can_make_venv "$python"; then echo "$python"; return 0; fi
  done
  return 1
}

install_python() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "no Python 3.11 to 3.13 with venv here: installing Debian's"
    apt_install python3 python3-venv >&2
  fi
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y update >/dev/null 2>&1 || true
  DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"
}

make_venv() {
  if is_python "$VENV/bin/python" && "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then return; fi
  local python
  python=$(find_python) || { install_python; python=$(find_python); } ||
    stop "flowc needs Python 3.11, 3.12 or 3.13 with the venv module (Debian: apt-get install python3-venv), or PYTHON=/path/to/it"
  say "making $VENV with $($python --version) ($python)"
  "$python" -m venv --clear "$VENV"
}

# install_by_uv CHECKOUT: which takes a third of the time; not where pip was told of other indexes, or of constraints.
install_by_uv() {
  if "$VENV/bin/python" -m pip config list | grep 'index\|constraint' >/dev/null; then return 1; fi
  "$VENV/bin/python" -m pip install -q uv && "$VENV/bin/uv" pip install -q --no-config --python "$VENV/bin/python" -e "$1"
}

# ensure_installed EXTRAS: installs the checkout, editable, unless that was done for this pyproject.toml and this place.
ensure_installed() {
  make_venv
  local fingerprint stamp
  fingerprint="$(cksum < pyproject.toml) $(pwd)"
  for stamp in "$VENV/.installed-dev" "$VENV/.installed-$1"; do
    if [ "$(cat "$stamp" 2>/dev/null)" = "$fingerprint" ]; then return; fi
  done
  say "installing flowc${1:+ with [$1]} into $VENV"
  local checkout=".${1:+[$1]}"
  install_by_uv "$checkout" || "$VENV/bin/python" -m pip install -q -e "$checkout"
  printf '%s' "$fingerprint" > "$VENV/.installed-$1"
}
