#!/usr/bin/env bash
# Brings the current clients of PyPI, and schemathesis, under target/openstack/venv, once.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
venv=$PWD/target/openstack/venv
wanted=(python-openstackclient==10.5.0 networking-l2gw==22.0.0 python-neutronclient==14.0.0 schemathesis==4.32.5)

if [ "$(cat "$venv/.complete" 2>/dev/null)" != "${wanted[*]}" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${wanted[@]}" </dev/null
    echo "${wanted[*]}" >"$venv/.complete"
fi
