#!/usr/bin/env bash
# The main job, end to end, on this machine: installs what is missing, builds, and runs `millrace demo`, which starts a
# private PostgreSQL and a worker on its embedded broker, and shows rows going from one database to another through a
# source, a transform and a sink. It stays up until Ctrl-C; with --once it checks everything and exits with 0 or 1.
. "$(dirname "$0")/lib.sh"
[ $# -eq 0 ] || [ "$*" = --once ] || fail "usage: scripts/demo.sh [--once]"

install_build_tools
install_postgres
build -p millrace
exec "$ROOT/target/release/millrace" demo "$@"
