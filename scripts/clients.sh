#!/usr/bin/env bash
# The clients by others that the tests drive: Python packages in an environment of their own, and the program in
# tests/clients/go, both in the cache. Safe to run again.
. "$(dirname "$0")/lib.sh"
out="$CACHE/clients"; mkdir -p "$out"
wanted="$ROOT/tests/clients/python/requirements.txt"
if ! cmp -s "$wanted" "$out/requirements.txt" || [ ! -x "$out/venv/bin/kc" ]; then
  have python3 || apt_install python3
  python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
  say "installing the Python clients with pip"
  rm -rf "$out/venv" "$out/requirements.txt"
  python3 -m venv "$out/venv"
  "$out/venv/bin/python" -m pip install -q --disable-pip-version-check -r "$wanted"
  cp "$wanted" "$out/requirements.txt"
fi
have go || apt_install golang-go
[ -x "$out/connectclient" ] || say "building the Go client with $(go version)"
(cd "$ROOT/tests/clients/go" && go build -o "$out/connectclient" .)
