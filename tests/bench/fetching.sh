# Runs in the VM of fetching.rs, as `sh fetching.sh ADDRESS ROUNDS`. What it says on standard output:
#   from BEGIN to END: WHAT     in seconds since the VM's start
#   sum: SHA-256                of what curl got
#   child: TEXT                 a line of /proc/PID/status or limits of the fetching child
set -eu -o pipefail
address=$1
rounds=$2
disk=/run/vm/bootmnt
ca=$disk/dock0/trust/ca.pem

ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0

now() { read -r now _ </proc/uptime; }

# Nothing of a file that was fetched is in memory, and every program that is going to run is.
settle() {
    sync
    echo 3 >/proc/sys/vm/drop_caches
    curl --version >/dev/null
    sha256sum </dev/null >/dev/null
    menagerie list >/dev/null
}

measure() {
    settle
    now
    local begin=$now
    "$@"
    now
    echo "from $begin to $now: $1"
}

# With the cipher that the fetching child prefers: curl's own choice has the longer key.
get() { curl --silent --show-error --fail --cacert "$ca" --tls13-ciphers TLS_AES_128_GCM_SHA256 "$@" "$address/blob"; }

curl_and_sum() { echo "sum: $(get | sha256sum)"; }

curl_to_disk_then_sum() {
    get --output "$disk/blob"
    sync
    echo "sum: $(sha256sum <"$disk/blob")"
}

# Within it, how long the child takes: from the step to the line with the whole of it.
install() {
    menagerie install --retain 1 "$address/release-$round.json" 2>&1 | while read -r line; do
        now
        echo "$line" >&2
        case $line in
        "menagerie: write blob "*) begin=$now ;;
        "menagerie: blob "*" MB in "*) echo "from $begin to $now: child" ;;
        esac
    done
}

# The child may be gone at any moment.
watch() {
    while :; do
        for child in $(pidof dock0-fetch); do
            grep -h -e VmHWM -e 'Max address space' "/proc/$child/status" "/proc/$child/limits" 2>/dev/null | sed 's/^/child: /' || :
        done
        usleep 300000
    done
}

round=1
while [ "$round" -le "$rounds" ]; do
    measure curl_and_sum
    measure install
    measure curl_to_disk_then_sum
    rm "$disk/blob"
    round=$((round + 1))
done

# Looking takes time too, so this one does not count.
watch &
watcher=$!
install >/dev/null
kill "$watcher"
