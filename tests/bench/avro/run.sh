#!/usr/bin/env bash
# run.sh [--quick]: Avro's converters on the same records: Millrace's, code written by hand for each schema and apache-avro in one
# process, then Apicurio's converter for Kafka Connect, a warm JVM for each shape. Called by scripts/bench.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/lib.sh"
find_rust
warm=5; seconds=4; [[ " $* " == *" --quick "* ]] && { warm=2; seconds=1; }
jars=("$CACHE"/apicurio-converter-*); jars="${jars[-1]}"
work="$(mktemp -d)"; trap 'rm -rf "$work"' EXIT
echo "commit $(git -C "$ROOT" describe --always --dirty), $(nproc) CPUs, $(uname -sr), load $(cut -d' ' -f1 /proc/loadavg) at the start"
(cd "$ROOT" && "$CARGO" bench --quiet --locked -p millrace-registry --bench avro -- "$work")
mkdir "$work/classes"
javac -cp "$jars/*" -d "$work/classes" "$ROOT/tests/bench/avro/AvroBench.java"
echo; java -version 2>&1 | head -1
for shape in $(cut -f1 "$work/figures.tsv" | uniq); do
  java -Xms512m -Xmx512m -XX:+UseSerialGC -cp "$work/classes:$jars/*" AvroBench "$work" "$shape" "$warm" "$seconds" >>"$work/figures.tsv"
done
echo
awk -F'\t' '
  !(($1, $2) in bytes) { order[++n] = $1 SUBSEP $2 }
  { k = $1 SUBSEP $2; least[k, $3] = $4; median[k, $3] = $5; made[k, $3] = $6; bytes[k] = $7 }
  function ratio(k, a, b) { return least[k, b] > 0 ? sprintf("%.2f", least[k, a] / least[k, b]) : "" }
  END {
    print "| shape | bytes | way | Millrace ns | records/s a core | of by hand | of apache-avro | Apicurio ns | faster than Apicurio | than its mapping alone | allocated a record: Millrace, Apicurio, mapping |"
    print "|---|---|---|---|---|---|---|---|---|---|---|"
    for (i = 1; i <= n; i++) {
      k = order[i]; split(k, p, SUBSEP)
      printf "| %s | %d | %s | %.0f | %.1f M | %s | %s | %.0f | %.1f | %.1f | %d B, %d B, %d B |\n", p[1], bytes[k], p[2], least[k, "Millrace"], 1000 / least[k, "Millrace"],
        ratio(k, "Millrace", "by hand"), ratio(k, "Millrace", "apache-avro"), least[k, "Apicurio"], least[k, "Apicurio"] / least[k, "Millrace"], least[k, "mapping"] / least[k, "Millrace"],
        made[k, "Millrace"], made[k, "Apicurio"], made[k, "mapping"]
    }
  }' "$work/figures.tsv"
echo; echo "Nanoseconds a record, the least of all rounds of 1,000 records; load $(cut -d' ' -f1 /proc/loadavg) at the end."
