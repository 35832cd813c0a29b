#!/usr/bin/env bash
# Brings what tests/openstack compares with under target/openstack, once: the newest Neutron of PyPI in a virtual
# environment, and the schemas that neutron-db-manage makes, as dumps that each test loads in a second or two:
#   neutron-zed.mysql, neutron-latest.mysql, neutron-zed.postgresql
# The newest Neutron can't make its schema on PostgreSQL any more: it alters tables with MySQL's CONVERT TO CHARACTER SET.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/sbin:/sbin"
home=$PWD/target/openstack
mkdir -p "$home"

latest=$home/neutron-latest
if [ ! -e "$latest/.complete" ]; then
    rm -rf "$latest"
    python3 -m venv "$latest"
    "$latest/bin/pip" install --quiet --disable-pip-version-check neutron pymysql </dev/null
    touch "$latest/.complete"
fi

manage() { # PYTHON URL LOG
    printf '[database]\nconnection = %s\n' "$2" >"$scratch/neutron.conf"
    "$1" -c 'import sys; from neutron.db.migration.cli import main; main()' \
        --config-file "$scratch/neutron.conf" --subproject neutron upgrade head >"$3" 2>&1 </dev/null ||
        { tail -n 20 "$3" >&2; return 1; }
}

scratch=$(mktemp -d /tmp/vtepd-openstack-XXXXXX)
servers=()
# Asks in vain where a server has not come up.
finish() {
    for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$scratch"
}
trap finish EXIT

if [ ! -e "$home/neutron-zed.mysql" ] || [ ! -e "$home/neutron-latest.mysql" ]; then
    user=()
    [ "$(id -u)" -ne 0 ] || user=(--user=root)
    mariadb-install-db --no-defaults --datadir="$scratch/mysql" --auth-root-authentication-method=normal \
        --skip-test-db "${user[@]}" >"$scratch/install.log" 2>&1
    mariadbd --no-defaults --datadir="$scratch/mysql" --socket="$scratch/my.sock" --pid-file="$scratch/my.pid" \
        --skip-networking --innodb-flush-log-at-trx-commit=0 "${user[@]}" >"$scratch/my.log" 2>&1 </dev/null &
    servers+=($!)
    mysql=(mariadb --no-defaults -S "$scratch/my.sock" -u root)
    for _ in $(seq 300); do
        "${mysql[@]}" -e 'SELECT 1' >/dev/null 2>&1 && break
        sleep 0.1
    done
    for release in zed latest; do
        python=/usr/bin/python3
        [ $release = zed ] || python=$latest/bin/python3
        "${mysql[@]}" -e "CREATE DATABASE $release CHARACTER SET utf8mb3"
        manage "$python" "mysql+pymysql://root@localhost/$release?unix_socket=$scratch/my.sock&charset=utf8" \
            "$home/neutron-$release.mysql.log"
        mariadb-dump --no-defaults -S "$scratch/my.sock" -u root "$release" >"$scratch/dump"
        mv "$scratch/dump" "$home/neutron-$release.mysql"
    done
fi

if [ ! -e "$home/neutron-zed.postgresql" ]; then
    programs=$(echo /usr/lib/postgresql/*/bin)
    as=()
    # PostgreSQL refuses to run as root.
    if [ "$(id -u)" -eq 0 ]; then
        chown postgres "$scratch"
        as=(setpriv --reuid=postgres --regid=postgres --clear-groups --)
    fi
    "${as[@]}" "$programs/initdb" -D "$scratch/pg" -A trust -U postgres >"$home/initdb.log" 2>&1
    "${as[@]}" "$programs/postgres" -D "$scratch/pg" -k "$scratch" -c listen_addresses= -c fsync=off \
        >"$home/postgres.log" 2>&1 </dev/null &
    servers+=($!)
    for _ in $(seq 300); do
        psql -h "$scratch" -U postgres -c 'SELECT 1' >/dev/null 2>&1 && break
        sleep 0.1
    done
    psql -q -h "$scratch" -U postgres -c 'CREATE DATABASE zed'
    manage /usr/bin/python3 "postgresql+psycopg2://postgres@/zed?host=$scratch" "$home/neutron-zed.postgresql.log"
    pg_dump -h "$scratch" -U postgres --no-owner zed >"$scratch/dump"
    mv "$scratch/dump" "$home/neutron-zed.postgresql"
fi
