#!/usr/bin/env bash
# Runs every test, and first installs what the tests need. Arguments go to
# `cargo nextest run`, as in `scripts/test.sh framing`; with arguments the
# documentation tests are left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Command and Debian package, in pairs: the programs that tests drive as real
# clients, endpoints and witnesses.
needed=(
    curl curl
    nats-server nats-server
    nginx nginx
    openssl openssl
    python3 python3
)

need_command() {
    echo "test.sh: $1 is missing: $2" >&2
    exit 1
}

install_packages() {
    local packages=() i
    for ((i = 0; i < ${#needed[@]}; i += 2)); do
        # Debian keeps servers in sbin, which is not on everyone's path.
        if ! PATH="$PATH:/usr/sbin:/sbin" command -v "${needed[i]}" >/dev/null; then
            packages+=("${needed[i + 1]}")
        fi
    done
    if ((${#packages[@]} == 0)); then
        return
    fi
    if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
        echo "test.sh: these programs are missing: ${packages[*]}" >&2
        echo "test.sh: install them (on Debian, as root: apt-get install ${packages[*]})" >&2
        exit 1
    fi
    echo "test.sh: installing ${packages[*]}"
    # Installing a server must not start it: it would sit on port 80.
    if [[ ! -e /usr/sbin/policy-rc.d ]]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
}

command -v cargo >/dev/null || need_command cargo "install Rust from https://rustup.rs"
command -v cc >/dev/null || need_command cc "install a C compiler (on Debian: build-essential)"
command -v make >/dev/null || need_command make "the allocator is built with it (on Debian: build-essential)"
install_packages
if ! cargo nextest --version >/dev/null 2>&1; then
    echo "test.sh: building cargo-nextest, once; this takes some minutes"
    cargo install --locked cargo-nextest
fi

export PATH="$PATH:/usr/sbin:/sbin"
# The incidents are replayed against it too, where they have to happen.
cargo build --locked --features unguarded --bin pointsman-unguarded
cargo nextest run --locked "$@"
if (($# == 0)); then
    # The decision cores alone, as models and fuzzers build them.
    cargo nextest run --locked --no-default-features --lib --test compile_fail
    cargo test --locked --doc
fi
