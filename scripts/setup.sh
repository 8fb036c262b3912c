#!/usr/bin/env bash
# Installs what the build needs and builds the worker and its plugins: target/release/millrace.
. "$(dirname "$0")/lib.sh"
install_build_tools
build -p millrace
say "ready: target/release/millrace run [worker.properties]"
