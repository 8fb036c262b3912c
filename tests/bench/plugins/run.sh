#!/usr/bin/env bash
# run.sh plugins|instances [--quick]: what plugins cost. `plugins`: the same transform as a component, natively in the host, and as
# Kafka Connect's own Java transforms. `instances`: the start of a cached component, and the memory of a thousand instances.
# Called by scripts/bench.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/lib.sh"
what="$1"; shift
find_rust
find_wasm_target
seconds=10; warm=8; [[ " $* " == *" --quick "* ]] && { seconds=2; warm=2; }
target="${CARGO_TARGET_DIR:-$ROOT/target}"
# The packages of the worker beside it, so that what they are made of is built once.
bench() { (cd "$ROOT" && "$CARGO" bench --quiet --locked -p millrace-sandbox -p millrace -p millrace-tests --bench "$1" -- "${@:2}"); }
work="$(mktemp -d)"; trap 'rm -rf "$work"' EXIT
[ -x "$target/release/millrace" ] || build -p millrace --bins
made() { env -u CARGO_TARGET_DIR "$target/release/millrace" plugin build "$ROOT/$1" --out "$work/plugins" >/dev/null; }
echo "commit $(git -C "$ROOT" describe --always --dirty), $(nproc) CPUs, $(uname -sr), load $(cut -d' ' -f1 /proc/loadavg) at the start"
if [ "$what" = instances ]; then
  made examples/transforms/mask-email
  made tests/bench/plugins/mask-hash
  bench instances "$work/plugins/mask-email.wasm" "$work/plugins/mask-hash-bench.wasm"
  exit 0
fi
"$ROOT/scripts/fetch-peers.sh" kafka
jars=("$CACHE"/kafka-4*); jars="${jars[-1]}"
made tests/bench/plugins/mask-hash
bench plugins "$work/plugins/mask-hash-bench.wasm" "$work/records.jsonl" "$seconds" >"$work/figures.tsv"
mkdir "$work/classes"
javac -cp "$jars/*" -d "$work/classes" "$ROOT/tests/bench/plugins/ConnectTransforms.java"
java -version 2>&1 | head -1
java -Xms512m -Xmx512m -XX:+UseSerialGC -cp "$work/classes:$jars/*" ConnectTransforms "$work/records.jsonl" "$warm" "$seconds" 2>/dev/null >>"$work/figures.tsv"
awk -F'\t' '
  { name[NR] = $1; least[NR] = $2; median[NR] = $3; of[$1] = $2; half[$1] = $3 }
  function times(a, b) { return sprintf("%.2f by the least, %.2f by the median", of[a] / of[b], half[a] / half[b]) }
  END {
    print "| | ns a record | median | records/s a core |"
    print "|---|---|---|---|"
    for (i = 1; i <= NR; i++) printf "| %s | %.0f | %.0f | %.2f M |\n", name[i], least[i], median[i], 1000 / least[i]
    c = "component"; k = ", a constant for the hash"; java = "Kafka Connect, Java"
    printf "\nthe component takes %s of the time of native\n", times(c, "native")
    printf "with a constant for the hash, %s\n", times(c k, "native" k)
    w = ", whole records"
    printf "with whole records, %s; with a constant besides, %s\n", times(c w, "native" w), times(c w k, "native" w k)
    printf "Java takes %s times the component, which hashes besides\n", times(java, c)
    printf "Java takes %s times the component with a constant, which is the same work\n", times(java, c k)
  }' "$work/figures.tsv"
for plugin in examples/transforms/mask-email tests/bench/plugins/mask-plain; do made "$plugin"; done
fields=""
for field in id:int64 customer:string email:string city:string note:string amount:double quantity:int32 paid:boolean created:int64 updated:int64; do
  fields+="${fields:+,}{\"field\":\"${field%:*}\",\"type\":\"${field#*:}\",\"optional\":false}"
done
sed "s|.*|{\"topic\":\"orders\",\"value\":{\"schema\":{\"type\":\"struct\",\"optional\":false,\"fields\":[$fields]},\"payload\":&}}|" \
  "$work/records.jsonl" >"$work/enveloped.jsonl"
printf '\nan address masked, in batches of 500 records with schemas:\n'
for plugin in mask-email mask-plain-bench; do
  settings=(); [ "$plugin" = mask-email ] && settings=(--set field=email)
  printf '%s: ' "$plugin"
  "$target/release/millrace" plugin bench "$work/plugins/$plugin.wasm" --input "$work/enveloped.jsonl" --seconds "$seconds" "${settings[@]+"${settings[@]}"}" | grep 'records a second'
done
echo "the least of all rounds of 2,000 records, processor time; load $(cut -d' ' -f1 /proc/loadavg) at the end"
