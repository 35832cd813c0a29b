#!/bin/bash
# Two emulated switches, the daemon, and the specification's example, until Ctrl-C.
#
# usage: demo.sh [PATH OF vtepd]      (default: the one of this tree that make demo builds, wherever cargo puts it)
# Needs: ovsdb-server and vtep-ctl (Debian: openvswitch-vtep), curl, jq. Everything it makes lies in one directory under
# $TMPDIR and listens on free ports of 127.0.0.1; all of it is gone when the script ends, however it ends.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
vtepd=${1:-${CARGO_TARGET_DIR:-$root/target}/debug/vtepd}
schema=/usr/share/openvswitch/vtep.ovsschema
switches=(tor-switch-1 tor-switch-2)
declare -A tunnel_ip=([tor-switch-1]=192.0.2.1 [tor-switch-2]=192.0.2.2) ovsdb_port=()
children=()
# ovsdb-server is a program of the system's; systemd, where it started us, has no business with the demo's daemon.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
unset NOTIFY_SOCKET JOURNAL_STREAM

# ===== how it looks =====

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' green='' red='' plain=''
fi

headline() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
row() { printf '  %-15s %s\n' "$1" "$2"; }
fail() {
    printf '%sdemo: %s%s\n' "$red" "$*" "$plain" >&2
    [[ ! -s $dir/vtepd.log ]] || tail -n 20 "$dir/vtepd.log" >&2
    exit 1
}

# ===== beginning and end =====

dir=$(mktemp -d "${TMPDIR:-/tmp}/vtepd-demo.XXXXXX")

# shellcheck disable=SC2317 # called by the trap
clean_up() {
    trap - EXIT INT TERM HUP
    ((${#children[@]} == 0)) || kill "${children[@]}" 2>/dev/null || true
    wait || true
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'printf "\n%sStopped; nothing is left behind.%s\n" "$dim" "$plain"; exit 0' INT TERM HUP

# Starts a program that dies with this script, even where that is killed with SIGKILL.
start() {
    local log=$1
    shift
    setpriv --pdeathsig TERM -- "$@" >>"$log" 2>&1 &
    children+=($!)
}

# Waits up to 10 s for a command to succeed.
until_true() {
    local what=$1
    shift
    for _ in $(seq 200); do
        "$@" && return
        sleep 0.05
    done
    fail "$what: not within 10 s"
}

# ===== the switches =====

listens() { grep -q 'listening on port' "$dir/$1.log" && [[ -S $dir/$1.sock ]]; }
ctl() { vtep-ctl --db="unix:$dir/$1.sock" --timeout=10 "${@:2}"; }

start_switch() {
    local name=$1
    ovsdb-tool create "$dir/$name.db" "$schema"
    start "$dir/$name.log" ovsdb-server "$dir/$name.db" --no-chdir -vconsole:info -vsyslog:off \
        --unixctl="$dir/$name.ctl" --remote="punix:$dir/$name.sock" --remote=ptcp:0:127.0.0.1
    until_true "the start of $name" listens "$name"
    ovsdb_port[$name]=$(sed -n '/listening on port/{s/.*port \([0-9]*\).*/\1/p;q}' "$dir/$name.log")
    # What a real switch says of itself.
    ctl "$name" add-ps "$name" -- set Physical_Switch "$name" "tunnel_ips=${tunnel_ip[$name]}" \
        management_ips=127.0.0.1 -- add-port "$name" Ethernet40 -- add-port "$name" Ethernet41
    row "$name" "ports Ethernet40 Ethernet41, VTEP ${tunnel_ip[$name]}, OVSDB tcp:127.0.0.1:${ovsdb_port[$name]}"
}

# ===== the daemon =====

write_ini() {
    {
        printf '[database]\nconnection = sqlite://%s/vtepd.db\n\n' "$dir"
        printf '[api]\nlisten = 127.0.0.1:0\ntoken_file = %s/token\n\n' "$dir"
        printf '[admin]\nsocket = %s/admin.sock\n' "$dir"
        for name in "${switches[@]}"; do
            printf '\n[switch:%s]\nmanagement_ip = 127.0.0.1\nport = %s\n' "$name" "${ovsdb_port[$name]}"
        done
    } >"$dir/plumgrid.ini"
}

find_api() {
    kill -0 "$vtepd_pid" 2>/dev/null || fail "the daemon ended"
    api=$(sed -n '/listening.*address/{s/.*address="\{0,1\}\([0-9.]*:[0-9]*\).*/\1/p;q}' "$dir/vtepd.log")
    [[ -n $api ]] && curl -sf "http://$api/readyz" >/dev/null
}

# A REST call, shown in one line; the answer in $answer.
call() {
    local method=$1 path=$2 body=${3:-} status
    answer=$(curl -s -X "$method" -H "X-Auth-Token: $token" -H 'Content-Type: application/json' \
        ${body:+-d "$body"} -w '\n%{http_code}' "http://$api$path")
    status=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    [[ $status == 2* ]] || fail "$method $path $body: $status $answer"
    printf '  %s%s%s %-4s %s\n' "$green" "$status" "$plain" "$method" "$path"
    [[ -z $body ]] || printf '           %s%s%s\n' "$dim" "$body" "$plain"
}

# A value in $answer, by jq's path.
member() { jq -re "$1" <<<"$answer"; }

is_active() {
    curl -s -H "X-Auth-Token: $token" "http://$api/v2/l2-gateway-connections/$connection/status" |
        jq -e '.status == "active"' >/dev/null
}

# ===== what a switch's database holds =====

columns() { ctl "$1" --format=csv --no-headings --columns="$3" list "$2"; }

show_switch() {
    local name=$1 ls
    printf '  %s%s%s\n' "$bold" "$name" "$plain"
    for ls in $(ctl "$name" list-ls); do
        local key mode
        key=$(ctl "$name" get Logical_Switch "$ls" tunnel_key)
        mode=$(ctl "$name" get Logical_Switch "$ls" replication_mode)
        printf '    %-16s %s, VNI %s, %s\n' Logical_Switch "$ls" "$key" "${mode//\"/}"
    done
    for port in Ethernet40 Ethernet41; do
        ctl "$name" list-bindings "$name" "$port" | while read -r vlan ls; do
            printf '    %-16s %s, VLAN %d -> %s\n' binding "$port" "$((10#$vlan))" "$ls"
        done
    done
    declare -A vtep=()
    local uuid ip mac
    while IFS=, read -r uuid ip; do vtep[$uuid]=${ip//\"/}; done < <(columns "$name" Physical_Locator _uuid,dst_ip)
    while IFS=, read -r mac ip uuid; do
        [[ -n $mac ]] || continue
        printf '    %-16s %s %s behind VTEP %s\n' MAC "${mac//\"/}" "${ip//\"/}" "${vtep[$uuid]:-?}"
    done < <(columns "$name" Ucast_Macs_Remote MAC,ipaddr,locator | sort)
    for ls in $(ctl "$name" list-ls); do
        local flood
        flood=$(ctl "$name" list-remote-macs "$ls" | sed -n 's/.*unknown-dst -> vxlan_over_ipv4.//p' | sort | xargs)
        [[ -z $flood ]] || printf '    %-16s unknown-dst -> VTEPs %s\n' 'flood list' "$flood"
    done
}

# ===== the story =====

[[ -x $vtepd ]] || fail "$vtepd isn't there: cargo build makes it"
for tool in ovsdb-server ovsdb-tool vtep-ctl curl jq; do
    command -v "$tool" >/dev/null || fail "$tool isn't installed: apt-get install openvswitch-vtep curl jq"
done

headline 'Two emulated switches: ovsdb-server with the hardware_vtep schema'
for name in "${switches[@]}"; do start_switch "$name"; done

headline 'The daemon'
write_ini
start "$dir/vtepd.log" "$vtepd" --config "$dir/plumgrid.ini"
vtepd_pid=${children[-1]}
until_true "the daemon's start" find_api
token=$(<"$dir/token")
row API "http://$api"
row configuration "$dir/plumgrid.ini"
row token "$dir/token"
row log "$dir/vtepd.log"

headline 'Two compute nodes, a network, and three virtual machines'
call POST /v2.0/tunnel-endpoints '{"tunnel_endpoint": {"host": "compute-1", "ip_address": "198.51.100.11"}}'
call POST /v2.0/tunnel-endpoints '{"tunnel_endpoint": {"host": "compute-2", "ip_address": "198.51.100.12"}}'
call POST /v2.0/networks '{"network": {"name": "network1"}}'
network=$(member .network.id)
machine() {
    call POST /v2.0/ports "{\"port\": {\"network_id\": \"$network\", \"mac_address\": \"$1\", \"fixed_ips\": [{\"ip_address\": \"$2\"}], \"binding:host_id\": \"$3\"}}"
}
machine fa:16:3e:00:00:01 10.0.0.11 compute-1
machine fa:16:3e:00:00:02 10.0.0.12 compute-1
machine fa:16:3e:00:00:03 10.0.0.13 compute-2

headline "The specification's example: a gateway of both switches, connected with network1, VLAN 50"
call POST /v2/l2-gateways '{"l2_gateway": {"name": "vtep-gateway-1", "devices": [{"device_name": "tor-switch-1", "interfaces": [{"name": "Ethernet40"}]}, {"device_name": "tor-switch-2", "interfaces": [{"name": "Ethernet40"}]}]}}'
call POST /v2/l2-gateway-connections '{"gateway_id": "vtep-gateway-1", "network_id": "network1", "default_segmentation_id": 50}'
connection=$(member .connection_id)
until_true 'the connection is active' is_active

headline "What the switches' databases hold now"
for name in "${switches[@]}"; do show_switch "$name"; done

first=${switches[0]}
db="--db=tcp:127.0.0.1:${ovsdb_port[$first]}"
headline 'Try'
cat <<END
  A=http://$api; T="X-Auth-Token: \$(cat $dir/token)"

  ${dim}# how is it?${plain}
  curl -s -H "\$T" \$A/v2/l2-gateway-connections/$connection/status
  curl -s -H "\$T" \$A/v2/switches/$first

  ${dim}# the specification's calls${plain}
  curl -s -H "\$T" \$A/v2/l2-gateways/vtep-gateway-1
  curl -s -H "\$T" \$A/v2/l2-gateway-connections

  ${dim}# break something behind its back, and look again${plain}
  vtep-ctl $db unbind-ls $first Ethernet40 50
  vtep-ctl $db list-bindings $first Ethernet40

  ${dim}# another machine${plain}
  curl -s -H "\$T" -d '{"port": {"network_id": "$network", "binding:host_id": "compute-2", "fixed_ips": [{"ip_address": "10.0.0.14"}]}}' \$A/v2.0/ports
  vtep-ctl $db list-remote-macs vtepd-$network

  ${dim}# steps 10 and 11: the switches are as they were${plain}
  curl -s -H "\$T" -X DELETE \$A/v2/l2-gateway-connections/$connection
  curl -s -H "\$T" -X DELETE \$A/v2/l2-gateways/vtep-gateway-1
  vtep-ctl $db show

${bold}It runs until Ctrl-C.${plain}
END

# A trap ends this wait; so does the daemon's end, which is none of the story.
wait "$vtepd_pid" || true
fail 'the daemon ended'
