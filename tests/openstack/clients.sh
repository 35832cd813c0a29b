#!/usr/bin/env bash
# Brings the current clients of PyPI, and schemathesis, under target/openstack/venv, and Ansible beside it, once.
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

# Ansible, and of its collections the one for OpenStack alone: the whole package has half a gigabyte unpacked.
ansible=$PWD/target/openstack/ansible
wanted=(ansible-core==2.17.14 openstacksdk==4.4.0)
collection=ansible==10.7.0

if [ "$(cat "$ansible/.complete" 2>/dev/null)" != "${wanted[*]} $collection" ]; then
    rm -rf "$ansible"
    python3 -m venv "$ansible"
    "$ansible/bin/pip" install --quiet --disable-pip-version-check "${wanted[@]}" </dev/null
    "$ansible/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$ansible" "$collection" </dev/null
    "$ansible/bin/python3" - "$ansible" <<'PYTHON'
import glob, sys, zipfile
home = sys.argv[1]
wheel = zipfile.ZipFile(glob.glob(home + "/ansible-*.whl")[0])
wheel.extractall(home + "/collections", [name for name in wheel.namelist() if "ansible_collections/openstack/cloud/" in name])
PYTHON
    rm "$ansible"/ansible-*.whl
    echo "${wanted[*]} $collection" >"$ansible/.complete"
fi

# The API tests of networking-l2gw's tempest plug-in: its source alone, which tests/openstack/tempest.py runs without tempest.
tempest=$PWD/target/openstack/tempest
plugin=networking-l2gw-tempest-plugin==0

if [ "$(cat "$tempest/.complete" 2>/dev/null)" != "$plugin" ]; then
    rm -rf "$tempest"
    mkdir -p "$tempest"
    "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$tempest" "$plugin" </dev/null
    tar -xzf "$tempest"/*.tar.gz -C "$tempest" --strip-components=1
    rm "$tempest"/*.tar.gz
    echo "$plugin" >"$tempest/.complete"
fi
