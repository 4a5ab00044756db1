#!/bin/bash
# clients.sh - clients with addresses of their own: each lives in a network namespace that a
# cable joins to this machine.  Sourced by run.
#
# shellcheck disable=SC2154 # run sets what is not set here

# Addresses that nobody has, and that are none of a private network.
clients=(one another)
declare -A net6=([one]=2001:db8:a [another]=2001:db8:b) net4=([one]=198.18.1 [another]=198.18.2)

space() {
    echo "postbus-$1-$$"
}

plug_in() {
    local name cable=0
    for name in "${clients[@]}"; do
        cable=$((cable + 1))
        ip netns add "$(space "$name")"
        ip link add "pbh$cable-$$" type veth peer name client netns "$(space "$name")"
        ip address add "${net6[$name]}::1/64" dev "pbh$cable-$$" nodad
        ip address add "${net4[$name]}.1/24" dev "pbh$cable-$$"
        ip link set "pbh$cable-$$" up
        ip -n "$(space "$name")" address add "${net6[$name]}::2/64" dev client nodad
        ip -n "$(space "$name")" address add "${net4[$name]}.2/24" dev client
        ip -n "$(space "$name")" link set client up
    done
}

unplug() {
    local name
    for name in "${clients[@]}"; do
        ip netns delete "$(space "$name")" 2>/dev/null || true # takes the cable along
    done
}

# CLIENT FAMILY VERB NAME: stranger.py there, which reaches the server at this end of its cable.
stranger() {
    local host=${net6[$1]}::1
    [ "$2" = 6 ] || host=${net4[$1]}.1
    ip netns exec "$(space "$1")" python3 tests/compose/stranger.py "$3" "$host" "$4" ||
        die "$1 (IPv$2) $3: see above"
}

# Whoever guesses, crowds or floods shuts out themselves: the services know who is who.
check_clients() {
    local family crowd
    python3 tests/compose/stranger.py joins 127.0.0.1 "$1"
    mkfifo "$work/stay"
    for family in 6 4; do
        stranger one $family is-limited "$1"
        stranger another $family is-not-limited "$1"
    done
    stranger one 6 crowds "$1" <"$work/stay" >"$work/crowd" &
    crowd=$!
    exec 7>"$work/stay"
    until_true "no crowd came together" grep -q crowded "$work/crowd"
    stranger another 6 gets-in "$1"
    exec 7>&-
    wait $crowd
    stranger one 6 floods "$1"
    stranger another 6 asks "$1"
}
