#!/usr/bin/env bash
# A throw-away Ceph Object Gateway (S3 and its token service) for tests, on loopback, in memory.
#
#   tests/services/ceph.sh run COMMAND...   run COMMAND with GOVDATA_TEST_S3 set
#   tests/services/ceph.sh start DIR        print the path of the settings (JSON); DIR must not exist
#   tests/services/ceph.sh stop DIR
#   tests/services/ceph.sh admin DIR ...    radosgw-admin of that cluster
#
# Needs root and the programs of Ceph (Debian: apt-get install --no-install-recommends radosgw
# ceph-mon ceph-osd ceph-base ceph-common). One monitor, one store in memory, one gateway: enough for
# a server that enforces session policies, signatures and the end of credentials.
set -euo pipefail

usage() {
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

need_programs() {
    local program
    for program in radosgw radosgw-admin ceph ceph-mon ceph-osd ceph-authtool monmaptool; do
        command -v "$program" >/dev/null || { echo "$program was not found: install Ceph" >&2; exit 1; }
    done
}

# Listens a moment later; a collision makes the start fail loudly.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

alive() { [ -s "$1/$2.pid" ] && kill -0 "$(cat "$1/$2.pid")" 2>/dev/null; }

spawn() {
    local dir=$1 name=$2
    shift 2
    setsid "$@" >"$dir/$name.out" 2>&1 </dev/null &
    echo $! >"$dir/$name.pid"
}

# An authority of this cluster's own, and a certificate for its address and the names of its buckets.
certify() {
    local dir=$1
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tests \
        -addext basicConstraints=critical,CA:TRUE -keyout "$dir/ca.key" -out "$dir/ca.pem"
    openssl req -newkey rsa:2048 -nodes -subj /CN=s3.test -keyout "$dir/rgw.key" -out "$dir/rgw.csr"
    printf 'subjectAltName=IP:127.0.0.1,DNS:s3.test,DNS:*.s3.test\n' >"$dir/rgw.ext"
    openssl x509 -req -in "$dir/rgw.csr" -days 2 -CA "$dir/ca.pem" -CAkey "$dir/ca.key" \
        -CAcreateserial -extfile "$dir/rgw.ext" -out "$dir/rgw.pem"
}

write_conf() {
    local dir=$1 port=$2 monitor=$3 secure=$4
    # Essential, each found by failing without: a gateway insists on a secure monitor connection
    # unless `ms_mon_client_mode` says otherwise; without `tcp_nodelay` a request costs 40 ms; with the
    # usual `paxos` intervals the pools take 12 s to make.
    cat >"$dir/ceph.conf" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon_initial_members = a
mon_host = [v2:127.0.0.1:$monitor/0]
public_network = 127.0.0.0/8
ms_bind_ipv6 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
paxos_propose_interval = 0.05
paxos_min_wait = 0.02
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 2
osd_pool_default_pgp_num = 2
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 2000
admin_socket = $dir/\$name.asok
run_dir = $dir
crash_dir = $dir/crash
log_file = $dir/\$name.log
mon_cluster_log_file = $dir/cluster.log
[mon]
mon_data = $dir/mon
mon_data_avail_warn = 1
mon_data_avail_crit = 1
[osd]
osd_data = $dir/osd
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_memory_target = 939524096
[client]
rgw_s3_auth_use_sts = true
rgw_sts_key = 0123456789abcdef
rgw_sts_min_session_duration = 2
rgw_thread_pool_size = 64
rgw_run_sync_thread = false
[client.rgw.a]
rgw_data = $dir/rgw
rgw_dns_name = s3.test
rgw_frontends = beast tcp_nodelay=1 endpoint=127.0.0.1:$port ssl_endpoint=127.0.0.1:$secure ssl_certificate=$dir/rgw.pem ssl_private_key=$dir/rgw.key
CONF
}

admin() {
    local dir=$1
    shift
    radosgw-admin -c "$dir/ceph.conf" "$@" 2>>"$dir/admin.err"
}

# `owner` owns the buckets, `broker` may do nothing but assume the roles. A session of `vend` may not
# assume its role again; one of `loose` may: the gateway under test has to notice.
seed() {
    local dir=$1 trust deny role all
    admin "$dir" user create --uid=owner --display-name=owner \
        --access-key=OWNERKEY00000000 --secret-key=ownersecret0000000000000000000000 >/dev/null
    admin "$dir" user create --uid=broker --display-name=broker \
        --access-key=BROKERKEY0000000 --secret-key=brokersecret000000000000000000000 >/dev/null
    admin "$dir" caps add --uid=owner --caps='roles=*' >/dev/null
    trust='{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/broker"]},"Action":["sts:AssumeRole"]}'
    deny=',{"Effect":"Deny","Principal":{"AWS":["arn:aws:iam:::role/vend"]},"Action":["sts:AssumeRole"]}'
    all='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}'
    for role in vend loose; do
        [ "$role" = vend ] || deny=
        admin "$dir" role create --role-name="$role" --path=/ \
            --assume-role-policy-doc='{"Version":"2012-10-17","Statement":['"$trust$deny"']}' >/dev/null
        admin "$dir" role-policy put --role-name="$role" --policy-name=all --policy-doc="$all" >/dev/null
    done
}

start() {
    local dir=$1 port monitor secure osd fsid try
    need_programs
    mkdir -m 700 "$dir"
    dir=$(cd "$dir" && pwd)
    mkdir "$dir"/{mon,osd,rgw,crash}
    port=$(free_port) monitor=$(free_port) secure=$(free_port)
    certify "$dir" 2>"$dir/certify.err"
    write_conf "$dir" "$port" "$monitor" "$secure"
    fsid=$(sed -n 's/^fsid = //p' "$dir/ceph.conf") osd=$(cat /proc/sys/kernel/random/uuid)
    ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
    monmaptool --create --addv a "[v2:127.0.0.1:$monitor]" --fsid "$fsid" "$dir/monmap" >/dev/null
    ceph-mon -c "$dir/ceph.conf" --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring" \
        >"$dir/mon.mkfs" 2>&1
    spawn "$dir" mon ceph-mon -c "$dir/ceph.conf" -i a -f
    ceph -c "$dir/ceph.conf" --connect-timeout 20 osd new "$osd" >/dev/null
    ceph-osd -c "$dir/ceph.conf" -i 0 --mkfs --osd-uuid "$osd" >"$dir/osd.mkfs" 2>&1
    spawn "$dir" osd ceph-osd -c "$dir/ceph.conf" -i 0 -f
    spawn "$dir" rgw radosgw -c "$dir/ceph.conf" -n client.rgw.a -f
    for try in $(seq 300); do
        python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break
        alive "$dir" rgw && [ "$try" -lt 300 ] || { tail -n 20 "$dir"/*.out "$dir"/rgw*.log >&2; exit 1; }
        sleep 0.2
    done
    seed "$dir"
    cat >"$dir/settings.json" <<JSON
{"endpoint": "http://127.0.0.1:$port", "region": "us-east-1", "folder": "$dir",
 "secure": "https://127.0.0.1:$secure", "ca": "$dir/ca.pem",
 "role": "arn:aws:iam:::role/vend", "loose_role": "arn:aws:iam:::role/loose",
 "owner": ["OWNERKEY00000000", "ownersecret0000000000000000000000"],
 "broker": ["BROKERKEY0000000", "brokersecret000000000000000000000"]}
JSON
    echo "$dir/settings.json"
}

stop() {
    local dir=$1 name pid
    for name in rgw osd mon; do
        [ -s "$dir/$name.pid" ] || continue
        pid=$(cat "$dir/$name.pid")
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -9 "$pid" 2>/dev/null || true
    done
    rm -rf "$dir"
}

case "${1:-}" in
start) [ $# -eq 2 ] || usage; start "$2" ;;
stop) [ $# -eq 2 ] || usage; stop "$2" ;;
admin) [ $# -ge 3 ] || usage; shift; admin "$@" ;;
run)
    [ $# -ge 2 ] || usage
    shift
    dir=$(mktemp -du "${TMPDIR:-/tmp}/govdata-ceph.XXXXXX")
    trap 'stop "$dir"' EXIT
    trap 'exit 130' INT TERM
    GOVDATA_TEST_S3=$(start "$dir")
    export GOVDATA_TEST_S3
    "$@"
    ;;
*) usage ;;
esac
