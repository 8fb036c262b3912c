#!/usr/bin/env bash
# The fault campaign: rounds in which servers die, freeze, lose their network, their disk and their time, and after each of
# which everything is counted. Installs and builds what it needs.
#
#   scripts/fault.sh [ROUNDS [SEED]]     default: 100 rounds, a seed drawn and printed
#
# MILLRACE_FAULT_STAGE=N runs one set of servers of a campaign again, MILLRACE_FAULT_LANES how many stand at a time (default 2).
# See tests/fault/README.md.
. "$(dirname "$0")/lib.sh"
install_build_tools
install_postgres
"$ROOT/scripts/fetch-peers.sh" kafka
build --workspace --all-targets --features millrace/break-invariants
export MILLRACE_FAULT_ROUNDS="${1:-${MILLRACE_FAULT_ROUNDS:-100}}" RUST_LIB_BACKTRACE=0
[ -z "${2:-}" ] || export MILLRACE_FAULT_SEED="$2"
cd "$ROOT"
"$CARGO" test --release --locked --workspace --features millrace/break-invariants --test fault -- campaign
