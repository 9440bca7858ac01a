#!/usr/bin/env bash
# Fails, with the reason and a remedy, if packages cannot be installed for a Python: Deploy/check-python.sh PYTHON
set -euo pipefail

remedy="Create a virtual environment, and name its Python (Debian's package for this is python3-venv):
    python3 -m venv \"\$HOME/kachery-python\"
    make install PYTHON=\"\$HOME/kachery-python/bin/python\""

fail() {
  printf 'install: %s\n%s\n' "$1" "$remedy" >&2
  exit 1
}

command -v "$1" >/dev/null || fail "there is no Python '$1'."
"$1" -m pip --version >/dev/null 2>&1 || fail "'$1' has no pip."
[ -n "${PIP_BREAK_SYSTEM_PACKAGES:-}" ] || "$1" - <<'END' || fail "'$1' belongs to the system, which does not allow pip to change it."
import os, sys, sysconfig
marker = os.path.join(sysconfig.get_path("stdlib", sysconfig.get_default_scheme()), "EXTERNALLY-MANAGED")
sys.exit(sys.prefix == sys.base_prefix and os.path.exists(marker))
END
