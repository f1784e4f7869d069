#!/bin/sh
# Logs in to the VM that deploy.sh has made at the stand-in: PORT [COMMAND…]. Its host key is new each time.
set -eu
port=$1
shift
exec ssh -i "$(dirname "$0")/../../build/linode/login" -p "$port" -o LogLevel=ERROR -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null root@127.0.0.1 "$@"
