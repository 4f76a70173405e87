#!/usr/bin/env bash
# Proves that the static binary needs nothing but a kernel: builds it as
# deploy/Containerfile does, and has it serve, reload and drain in a root
# directory that holds the binary and its configuration alone.
#
#   scripts/static_check.sh            builds first; minutes
#   scripts/static_check.sh BINARY     checks one that was built
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "static_check.sh: $1" >&2
    exit 1
}

target="$(uname -m)-unknown-linux-gnu"
binary=${1:-}
if [[ -z $binary ]]; then
    RUSTFLAGS='-C target-feature=+crt-static' \
        cargo build --release --locked --bin pointsman --target "$target"
    binary=${CARGO_TARGET_DIR:-target}/$target/release/pointsman
fi
if ldd "$binary" >/dev/null 2>&1 && ! ldd "$binary" | grep -q 'statically linked'; then
    fail "$binary is linked dynamically"
fi

root=$(mktemp -d)
router=
finish() {
    [[ -z $router ]] || kill -KILL "$router" 2>/dev/null || true
    rm -rf "$root"
}
trap finish EXIT
install -m 0755 "$binary" "$root/pointsman"
cat >"$root/pointsman.toml" <<'TOML'
[[listener]]
address = "127.0.0.1:0"
[admin]
address = "127.0.0.1:0"
[access_log]
path = ""
TOML

# The output goes to a file outside of the root. Who is not root becomes it in
# a namespace of their own, where chroot is theirs to call.
enter=(chroot)
[[ $(id -u) == 0 ]] || enter=(unshare --map-root-user chroot)
out=$(mktemp -p "$root/.." pointsman-static-XXXXXX)
trap 'finish; rm -f "$out"' EXIT
"${enter[@]}" "$root" /pointsman run -c /pointsman.toml >"$out" 2>&1 &
router=$!

# Looks until `$@` succeeds, for at most 10 s.
eventually() {
    for ((i = 0; i < 200; i++)); do
        if "$@"; then return; fi
        sleep 0.05
    done
    cat "$out" >&2
    fail "waited in vain: $*"
}

says() { grep -q "$1" "$out"; }
eventually says '^admin http://'
address=$(sed -n 's/^listening //p' "$out")
admin=$(sed -n 's/^admin //p' "$out")
[[ $(curl -sS "$address/health") == ok ]] || fail "it is not healthy"
[[ $(curl -sS -o /dev/null -w '%{http_code}' -H 'Host: a.test' "$address/") == 404 ]] ||
    fail "it does not answer"
printf '\n[errors]\nexpose_endpoints = true\n' >>"$root/pointsman.toml"
reloaded() { curl -sS "$admin/config" | grep -q '"expose_endpoints":true'; }
eventually reloaded
kill -TERM "$router"
status=0
wait "$router" || status=$?
router=
[[ $status == 0 ]] || fail "it ended with $status"
echo "$binary: $(stat -c %s "$binary") bytes, served, reloaded and drained in an empty root"
