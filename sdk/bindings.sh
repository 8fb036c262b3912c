#!/bin/sh
# Generates the bindings of sdk/go and sdk/c from wit/, which are committed so that authors need no generator.
# With --check it changes nothing and fails when they are not current. It needs:
#     cargo install wit-bindgen-cli@0.61.1 --locked
set -eu
here=$(cd "$(dirname "$0")" && pwd)
wit=$here/../wit
version=$(wit-bindgen --version 2>/dev/null) || version="no wit-bindgen on the path"
if [ "$version" != "wit-bindgen-cli 0.61.1" ]; then
    echo "$version: the bindings are made by 0.61.1; run: cargo install wit-bindgen-cli@0.61.1 --locked" >&2
    exit 1
fi
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
generate() {
    wit-bindgen "$@" >"$new/log" 2>&1 || { cat "$new/log" >&2; exit 1; }
}

# Worlds that import every capability: a component imports only what its plugin calls.
mkdir "$new/wit"
cp "$wit"/*.wit "$new/wit"
{
    echo 'package millrace:plugin@0.1.0;'
    for kind in transform plain source sink; do
        echo "world $kind-plugin {"
        sed -n 's/^interface \([a-z0-9-]*\) .*/\1/p' "$wit"/*.wit |
            grep -Evx 'types|plugin|transform|plain|source|sink|offsets' | sed 's/.*/  import &;/'
        echo "  export plugin; export $kind; }"
    done
} >"$new/wit/world.wit"

mkdir -p "$new/go" "$new/c"
for kind in transform plain source sink; do
    generate go "$new/wit" --world $kind-plugin --pkg-name millrace/plugin/internal/wit --out-dir "$new/$kind"
    # What the worlds import is the same in each; what they export is a package for each.
    cp -r "$new/$kind"/millrace_plugin_* "$new/go"
    mkdir "$new/go/${kind}_exports"
    sed "s/^package wit_exports$/package ${kind}_exports/" "$new/$kind/wit_exports/wit_exports.go" \
        >"$new/go/${kind}_exports/wit_exports.go"
done
# A world of C names its types after itself, and the library is written once: both kinds get a world of one name.
generate c "$new/wit" --world transform-plugin --out-dir "$new/c/transform"
sed -i 's/^world transform-plugin {/world other {/; s/^world plain-plugin {/world transform-plugin {/' "$new/wit/world.wit"
generate c "$new/wit" --world transform-plugin --out-dir "$new/c/plain"

if [ "${1:-}" = --check ]; then
    for name in "$new"/go/*; do
        diff -r "$name" "$here/go/internal/wit/$(basename "$name")"
    done
    diff -r "$new/c" "$here/c/bindings"
    exit
fi
rm -rf "$here"/go/internal/wit/millrace_plugin_* "$here"/go/internal/wit/*_exports "$here/c/bindings"
mkdir -p "$here/go/internal/wit"
cp -r "$new"/go/* "$here/go/internal/wit"
cp -r "$new/c" "$here/c/bindings"
