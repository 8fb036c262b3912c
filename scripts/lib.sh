# Sourced by the other scripts: what this machine lacks, and how to get it. Debian and Ubuntu.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
CACHE="${MILLRACE_CACHE:-$HOME/.cache/millrace}"
RUST_WANTED="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")"

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# apt_install PACKAGE...: installs those that are missing, and says so. Asks nothing.
apt_install() {
  local missing=() p
  for p in "$@"; do dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p"); done
  [ ${#missing[@]} -eq 0 ] && return 0
  have apt-get || fail "this machine has no apt-get: install by hand: ${missing[*]}"
  local sudo=(); [ "$(id -u)" = 0 ] || { have sudo || fail "run as root, or install sudo, to install: ${missing[*]}"; sudo=(sudo); }
  say "installing with apt-get: ${missing[*]}"
  if [ -z "${APT_UPDATED:-}" ]; then "${sudo[@]}" apt-get update -qq >/dev/null; APT_UPDATED=1; fi
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# at_least HAVE WANTED: version comparison.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -1)" = "$2" ]; }
rust_version() { "$1" --version 2>/dev/null | awk '{print $2}'; }

# Sets CARGO to a cargo that is new enough: the one on PATH, rustup's, or Debian's own package.
find_rust() {
  [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
  local c
  for c in cargo /usr/bin/cargo; do
    have "$c" && at_least "$(rust_version "$c")" "$RUST_WANTED" && { CARGO="$(command -v "$c")"; return 0; }
  done
  if ! have rustup; then
    say "Rust $RUST_WANTED or newer is missing: trying rustup"
    apt_install curl ca-certificates
    curl -fsS --max-time 60 https://sh.rustup.rs -o /tmp/rustup-init.$$ 2>/dev/null &&
      sh /tmp/rustup-init.$$ -y -q --profile minimal --default-toolchain stable >/dev/null 2>&1 || true
    rm -f /tmp/rustup-init.$$
    [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
  else
    say "Rust $(rust_version rustc || true) is older than $RUST_WANTED: trying rustup update"
    rustup toolchain install stable --profile minimal >/dev/null 2>&1 || true
  fi
  if have cargo && at_least "$(rust_version cargo)" "$RUST_WANTED"; then CARGO="$(command -v cargo)"; return 0; fi
  say "rustup cannot be reached: using Debian's Rust packages"
  apt_install rustc-web cargo-web
  at_least "$(rust_version /usr/bin/cargo)" "$RUST_WANTED" || fail "Debian's cargo $(rust_version /usr/bin/cargo) is older than $RUST_WANTED: install Rust $RUST_WANTED or newer, then run this again"
  CARGO=/usr/bin/cargo; export RUSTC=/usr/bin/rustc
}

# The compiler for guests: rustup's target where it can be had, else Debian's packages. `millrace plugin build` finds
# either by itself and says which it used.
find_wasm_target() {
  if have rustup && rustup target list --installed 2>/dev/null | grep -q '^wasm32-unknown-unknown$'; then return 0; fi
  if have rustup && timeout 60 rustup target add wasm32-unknown-unknown >/dev/null 2>&1; then say "added rustup's target wasm32-unknown-unknown"; return 0; fi
  apt_install rustc-web cargo-web rust-web-src lld-19
}

# Go in a version that plugins can be built with: the one on PATH, that of golang.org's installer, else a toolchain from Go's module
# proxy, which Go fetches by itself from 1.21 on.
install_go() {
  local wanted=1.25 version
  go_version() { "$1" env GOVERSION 2>/dev/null | tr -d go; }
  if ! { have go && at_least "$(go_version go)" $wanted; } && at_least "$(go_version /usr/local/go/bin/go)" $wanted; then
    export PATH="/usr/local/go/bin:$PATH"
  fi
  have go || apt_install golang-go
  version="$(go_version go)"
  if at_least "$version" $wanted; then say "Go: $version"; return 0; fi
  if at_least "$version" 1.21; then
    export GOTOOLCHAIN=go1.25.0+auto
  else
    local name="v0.0.1-go1.25.0.$(go env GOOS)-$(go env GOARCH)" dir="$CACHE/go"
    if [ ! -f "$dir/.complete" ]; then
      # A module of files, none of which is executable.
      (cd / && GOFLAGS=-mod=mod go mod download "golang.org/toolchain@$name")
      rm -rf "$dir"; mkdir -p "$CACHE"; cp -r "$(go env GOMODCACHE)/golang.org/toolchain@$name" "$dir"
      chmod -R u+w "$dir"; chmod +x "$dir"/bin/* "$dir"/pkg/tool/*/*; touch "$dir/.complete"
    fi
    export PATH="$dir/bin:$PATH" GOROOT="$dir"
  fi
  say "Go: $(go_version go), because $version is older than plugins need"
}

# C for WebAssembly: clang with wasi-libc, Debian's packages where they can be had, else Zig's from PyPI. `millrace plugin
# build` finds either by itself.
install_wasi_c() {
  if have clang-19 && have wasm-ld-19 && [ -d /usr/include/wasm32-wasi ]; then say "C for WebAssembly: clang-19"; return 0; fi
  if have zig; then say "C for WebAssembly: zig $(zig version)"; return 0; fi
  if (apt_install clang-19 lld-19 wasi-libc) 2>/dev/null; then say "C for WebAssembly: clang-19, from apt-get"; return 0; fi
  local venv="$CACHE/zig/venv"
  if ! "$venv/bin/python" -m ziglang version >/dev/null 2>&1; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
    rm -rf "$CACHE/zig"; mkdir -p "$CACHE/zig/bin"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check ziglang==0.17.0
    printf '#!/bin/sh\nexec "%s" -m ziglang "$@"\n' "$venv/bin/python" >"$CACHE/zig/bin/zig"
    chmod +x "$CACHE/zig/bin/zig"
  fi
  export PATH="$CACHE/zig/bin:$PATH"
  say "C for WebAssembly: zig $(zig version), from PyPI"
}

# Compilers and libraries that the host needs.
install_build_tools() {
  apt_install build-essential pkg-config libssl-dev zlib1g-dev ca-certificates git
  find_rust
  find_wasm_target
}

# PostgreSQL's server programs; PGBIN is where they are.
install_postgres() {
  ls -d /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || apt_install postgresql
  PGBIN="$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -1)")"; export PGBIN
}

# Redis, for the tests of the capability.
install_redis() {
  have redis-server || apt_install redis-server
}

# The worker and the plugins, once, in one profile and one target directory.
build() {
  say "building the worker with $("$CARGO" --version)"
  (cd "$ROOT" && "$CARGO" build --release --locked "$@")
  say "building the plugins"
  (cd "$ROOT" && target/release/millrace plugin build plugins && target/release/millrace plugin build examples/transforms)
  # Plugins that only tests need stand apart: no worker finds them unless it is told to.
  (cd "$ROOT" && target/release/millrace plugin build tests/guests/relay --out target/release/test-plugins)
}

# free_port: one that nothing listens on now.
free_port() {
  local p
  while :; do p=$((20000 + RANDOM % 30000)); (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null || { echo "$p"; return; }; done
}
