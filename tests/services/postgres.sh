#!/bin/sh
# A throw-away PostgreSQL for tests: a fresh cluster in a temporary folder, on loopback.
#
#   tests/services/postgres.sh run COMMAND...   run COMMAND with GOVDATA_TEST_POSTGRES set
#   tests/services/postgres.sh start DIR        print the URL; DIR must not exist
#   tests/services/postgres.sh restart DIR      at once, as after a crash
#   tests/services/postgres.sh stop DIR
#
# Needs the server's programs (Debian: apt-get install postgresql). PostgreSQL refuses to run as
# root, so for root the server runs as `postgres` or, without that user, as `nobody`.
set -eu

usage() {
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

find_programs() {
    for candidate in "$(command -v initdb || true)" /usr/lib/postgresql/*/bin/initdb; do
        if [ -x "$candidate" ]; then
            dirname "$(readlink -f "$candidate")"
            return
        fi
    done
    echo "initdb was not found: install the PostgreSQL server" >&2
    exit 1
}

as_server() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid="$server_user" --regid="$(id -g "$server_user")" --clear-groups -- "$@"
    else
        "$@"
    fi
}

server_user=$(id -un)
if [ "$(id -u)" -eq 0 ]; then
    server_user=nobody
    if id postgres >/dev/null 2>&1; then server_user=postgres; fi
fi

start() {
    dir=$1
    bin=$(find_programs)
    mkdir -m 700 "$dir"
    # The server listens on this port a moment later; a collision makes the start fail loudly.
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    password=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
    printf '%s\n' "$password" >"$dir/password"
    chmod 600 "$dir/password"
    if [ "$(id -u)" -eq 0 ]; then chown -R "$server_user" "$dir"; fi
    cd "$dir"
    as_server "$bin/initdb" --pgdata="$dir/data" --username=govdata --pwfile="$dir/password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log"
    as_server "$bin/pg_ctl" --pgdata="$dir/data" --log="$dir/server.log" --wait start \
        -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories='' -c fsync=off" \
        >"$dir/start.log" || { cat "$dir/server.log" >&2; exit 1; }
    echo "postgresql://govdata:$password@127.0.0.1:$port/postgres"
}

stop() {
    dir=$1
    cd /
    if [ -d "$dir/data" ]; then
        as_server "$(find_programs)/pg_ctl" --pgdata="$dir/data" --mode=immediate --wait stop >/dev/null
    fi
    rm -rf "$dir"
}

restart() {
    cd "$1"
    as_server "$(find_programs)/pg_ctl" --pgdata="$1/data" --log="$1/server.log" --mode=immediate \
        --wait restart >/dev/null
}

case "${1:-}" in
start)
    [ $# -eq 2 ] || usage
    start "$2"
    ;;
restart)
    [ $# -eq 2 ] || usage
    restart "$2"
    ;;
stop)
    [ $# -eq 2 ] || usage
    stop "$2"
    ;;
run)
    [ $# -ge 2 ] || usage
    shift
    dir=$(mktemp -du "${TMPDIR:-/tmp}/govdata-postgres.XXXXXX")
    trap 'stop "$dir"' EXIT
    trap 'exit 130' INT TERM
    GOVDATA_TEST_POSTGRES=$(start "$dir")
    export GOVDATA_TEST_POSTGRES
    "$@"
    ;;
*)
    usage
    ;;
esac
