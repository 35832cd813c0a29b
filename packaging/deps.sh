#!/usr/bin/env bash
# Installs from Debian's packages what building, testing and the demo need; checks the Rust toolchain, which is not
# installed here: vtepd wants a newer one than Debian has.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:${HOME:-/root}/.cargo/bin:/usr/sbin:/sbin"

packages=(
    openvswitch-switch openvswitch-vtep openvswitch-common # ovsdb-server, vtep-ctl, the hardware_vtep schema
    openssh-server                                         # to test (it runs as private servers, never on port 22 here)
    libsystemd-dev pkg-config gcc libc6-dev                # to build
    iproute2 ethtool iputils-ping arping tcpdump procps    # the lab of tests/lab
    libfaketime                                            # to test clocks that jump
    man-db                                                 # renders the manual pages in a test
    sqlite3 jq curl python3 python3-venv ca-certificates   # to test, and for the demo
    valgrind                                               # counts the hot path's instructions
)

# `deps.sh openstack`: what tests/openstack needs besides. Servers run as private ones, never as the system's services.
if [ "${1:-}" = openstack ]; then
    packages+=(
        python3-keystone python3-neutron python3-pymysql python3-psycopg2
        mariadb-server-core mariadb-client postgresql
        python3-openstackclient python3-networking-l2gw python3-neutronclient # openstack and neutron with l2gw's commands
    )
fi

# `deps.sh bench`: whom benches/load measures beside us.
if [ "${1:-}" = bench ]; then
    packages+=(ovn-controller-vtep ovn-central python3-openvswitch)
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done

as_root=()
if [ ${#missing[@]} -gt 0 ]; then
    echo "deps: installing ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "deps: run as root: apt-get install ${missing[*]}" >&2
            exit 1
        }
        as_root=(sudo)
        # Nobody is there to type a password.
        [ -t 0 ] || as_root+=(--non-interactive)
    fi
    "${as_root[@]}" apt-get -qq update </dev/null
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends \
        "${missing[@]}" </dev/null
fi

# promtool, which checks /metrics in a test. Debian has it beside a server that we don't want to run: only the tool is taken.
if ! command -v promtool >/dev/null && [ ! -x target/tools/bin/promtool ]; then
    echo "deps: fetching promtool"
    fetched=$(mktemp -d)
    # Without lists of packages there is nothing to download from.
    (
        cd "$fetched"
        apt-get -qq download prometheus 2>/dev/null ||
            { "${as_root[@]}" apt-get -qq update </dev/null && apt-get -qq download prometheus; }
        dpkg-deb --extract prometheus_*.deb .
    )
    mkdir -p target/tools/bin
    cp "$fetched/usr/bin/promtool" target/tools/bin/
    rm -r "$fetched"
fi

wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
found=$(cargo --version 2>/dev/null | cut -d' ' -f2 || true)
if [ -z "$found" ] || [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort --version-sort | head -n1)" != "$wanted" ]; then
    cat >&2 <<TEXT
deps: Rust $wanted or newer is needed, and ${found:+version }${found:-no cargo} was found.
      With rustup (a Debian package, too): rustup toolchain install stable --component rustfmt,clippy
TEXT
    exit 1
fi
