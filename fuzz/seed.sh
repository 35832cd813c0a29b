#!/usr/bin/env bash
# Writes what the targets start from, made here: fuzz/corpus/<target>.
set -euo pipefail
cd "$(dirname "$0")"

seed() { # TARGET TEXT…
    local target=$1 i=0 text
    mkdir -p "corpus/$target"
    shift
    for text in "$@"; do
        printf '%b' "$text" >"corpus/$target/seed-$i"
        i=$((i + 1))
    done
}

a=00000000-0000-0000-0000-00000000000a
b=00000000-0000-0000-0000-00000000000b
c=00000000-0000-0000-0000-00000000000c
reply='{"id":0,"result":[{"rows":[{"name":"tor-1"},{"name":"tor-2"}]}],"error":null}'
echo='{"id":"echo","method":"echo","params":[1]}'
switch="{\"Logical_Switch\":{\"$a\":{\"new\":{\"name\":\"vtepd-$a\",\"tunnel_key\":5000,\"replication_mode\":[\"set\",[]]}}}}"
macs="{\"Physical_Locator\":{\"$b\":{\"new\":{\"dst_ip\":\"192.0.2.1\",\"encapsulation_type\":\"vxlan_over_ipv4\"}}},\"Ucast_Macs_Remote\":{\"$c\":{\"new\":{\"MAC\":\"fa:16:3e:00:00:01\",\"logical_switch\":[\"uuid\",\"$a\"],\"locator\":[\"uuid\",\"$b\"],\"ipaddr\":\"10.0.0.1\"}}}}"
gone="{\"Ucast_Macs_Remote\":{\"$c\":{\"old\":{}}}}"
port="{\"Physical_Port\":{\"$b\":{\"new\":{\"name\":\"Ethernet40\",\"vlan_bindings\":[\"map\",[[50,[\"uuid\",\"$a\"]]]]}}},\"Physical_Switch\":{\"$c\":{\"new\":{\"name\":\"tor-1\",\"ports\":[\"uuid\",\"$b\"],\"tunnel_ips\":\"192.0.2.1\"}}}}"

seed framing '\x05{"a":"}\\"{"}[1,[2]]' "\x01$reply$echo"
seed cursor "$reply" '[1,-2.5e3,"\\u00e9\\ud83d\\ude00",null,true]' "[\"map\",[[50,[\"uuid\",\"$a\"]]]]"
seed message "$reply" "$echo" '{"id":null,"method":"update","params":["m",{}]}' '{"id":1,"result":{"name":"hardware_vtep","version":"1.7.0","tables":{"T":{"columns":{"c":{}}}}}}'
seed transact_reply '\x02[{},{"uuid":["uuid","'$a'"]}]' '\x02[{"count":1},{"error":"constraint violation","details":"d"},null]'
seed updates "$switch\n$macs\n$gone" "$switch\n$port" "$macs\n$switch"
seed greeting "\x07$echo$reply$echo" "\xff$reply"
seed known_hosts "192.0.2.1,*.example,!bad.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\n" \
    '@revoked [tor-1.example]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\n' \
    '|1|MDEyMzQ1Njc4OTAxMjM0NTY3ODk=|MDEyMzQ1Njc4OTAxMjM0NTY3ODk= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\n'
mkdir -p corpus/ini corpus/x509
cp ../plumgrid.ini.example corpus/ini/example
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -subj '/CN=tor-1 id:1' -days 30 \
    -addext 'subjectAltName=DNS:tor-1,IP:192.0.2.1' -outform DER -out corpus/x509/seed-0 2>/dev/null
