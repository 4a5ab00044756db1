#!/bin/bash
# checks.sh - what must be true of a running project.  Sourced by run.
#
# shellcheck disable=SC2154 # run sets what is not set here

replicas() {
    "${compose[@]}" ps -q "$1"
}

# A line for each container of the project, with those that have ended.
inspect() {
    local ids
    mapfile -t ids < <("${compose[@]}" ps -aq)
    [ ${#ids[@]} -ge 9 ] || die "only ${#ids[@]} containers"
    docker inspect -f "$1" "${ids[@]}"
}

metric() {
    docker exec "$1" postbusctl health --metrics | awk -v name="$2" \
        '$1 ~ "^" name "({|$)" { sum += $2 } END { print sum + 0 }'
}

# Each gateway hears four workers, two gateways, the registrar and the janitor.
check_peers() {
    local id
    for id in $(replicas imap-gateway); do
        [ "$(metric "$id" postbus_bus_peers)" = 8 ] ||
            die "a gateway has $(metric "$id" postbus_bus_peers) peers on the bus, not 8"
    done
}

check_spread() {
    local id before=() after i=0
    for id in $(replicas imap-gateway); do
        before+=("$(metric "$id" postbus_logins_total)")
    done
    python3 "$here/spread.py" 127.0.0.1 993 _chat.test
    for id in $(replicas imap-gateway); do
        after=$(metric "$id" postbus_logins_total)
        [ "$after" -gt "${before[i]}" ] || die "gateway $((i + 1)) of 2 saw no login"
        i=$((i + 1))
    done
}

# The door is root until its ports are open, and has no right left then.
check_confined() {
    local name state door
    door=$(replicas door)
    while read -r name state; do
        [ "$state" = '10001 true [ALL]' ] || [[ $name == *door* && $state == 'root true [ALL]' ]] ||
            die "$name runs as: $state"
    done < <(inspect '{{.Name}} {{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}')
    state=$(awk '/^(Uid|Gid|CapPrm|CapEff):/ { print $2 }' \
        "/proc/$(docker inspect "$door" -f '{{.State.Pid}}')/status" | xargs)
    [ "$state" = "10001 10001 0000000000000000 0000000000000000" ] || die "the door runs as: $state"
}

check_bounded() {
    local name limits
    while read -r name limits; do
        [[ $limits =~ ^[1-9][0-9]*\ [1-9][0-9]*$ ]] || die "$name may take (bytes, processes): $limits"
    done < <(inspect '{{.Name}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}')
}

# Each service reads the file and the environment, and the environment comes first.
check_options() {
    local service found
    for service in smtp-ingress imap-gateway queue-worker remote-sender registrar janitor; do
        found=$(docker exec "$(replicas $service | head -n 1)" "/usr/bin/$service" --check-config |
            grep -E '^(drain_seconds|database_statement_seconds|mail_domain) = ' | sort | xargs)
        [ "$found" = 'database_statement_seconds = 29 drain_seconds = 24 mail_domain = _chat.test' ] ||
            die "$service has: $found"
    done
}

# WORDS COMMAND...: the command fails, and says these words.
refused() {
    ! "${@:2}" >"$work/said" 2>&1 || die "not refused: ${*:2}"
    grep -qF -- "$1" "$work/said" || { tail -n 20 "$work/said" >&2; die "it does not say: $1"; }
}

run_init() {
    "${compose[@]}" run --rm -T "$@" init
}

# SETTING...: with these variables, which come before those of .env.
init_with() {
    env "$@" "${compose[@]}" run --rm -T init
}

check_refusals() {
    local bad=$work/bad
    mkdir -m 755 "$bad" "$bad/none" "$bad/key" "$bad/half" "$bad/config"
    mkdir -m 700 "$bad/folder"
    chown 10001 "$bad/half"
    printf '[params]\nmail_doman = chat.example\n' >"$bad/config/postbus.ini"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=x \
        -keyout "$bad/key/tls.key" -out "$bad/key/tls.crt" 2>/dev/null
    cp "$bad/key/tls.crt" "$bad/half/tls.crt"
    chmod 644 "$bad"/*/tls.crt
    chmod 600 "$bad/key/tls.key"

    refused 'POSTBUS_SMPT_PORT: there is no such option' run_init -e POSTBUS_SMPT_PORT=25
    refused 'postbus.ini:2: mail_doman: there is no such option' init_with CONFIG_FOLDER="$bad/config"
    # shellcheck disable=SC2016 # the word is in quotes of its own
    refused 'without the word `local`' run_init -e POSTBUS_TRUSTED_PROXIES=127.0.0.1
    refused 'MAIL_DOMAIN is _chat.test, but' run_init -e POSTBUS_MAIL_DOMAIN=chat.example
    refused 'TLS_FOLDER: there is no tls.crt, and user 10001' init_with TLS_FOLDER="$bad/none"
    refused 'TLS_FOLDER: tls.key cannot be read by user 10001' init_with TLS_FOLDER="$bad/key"
    refused 'TLS_FOLDER: the folder cannot be read by user 10001' init_with TLS_FOLDER="$bad/folder"
    refused 'TLS_FOLDER: that folder is /run/tls' init_with TLS_FOLDER="$bad/half"
    # Nothing is started then.
    refused '' env CONFIG_FOLDER="$bad/config" "${compose[@]}" up -d
    [ -z "$(replicas postgres)" ] || die "PostgreSQL was started with a configuration that is refused"
}

# A slip of the pen costs nobody the certificate.
check_certificate() {
    local before
    before=$(certificate_at 993)
    refused 'mail_domain: not a domain' init_with MAIL_DOMAIN='chat_,example'
    [ "$(certificate_at 993)" = "$before" ] || die "the certificate was made anew"
}

# Who breaks into PostgreSQL's container finds one password, not those of the services.
check_secrets() {
    local found
    found=$("${compose[@]}" exec -T postgres find / \( -path /proc -o -path /sys \) -prune -o -type f \
        \( -name '*_password' -o -name '*_secret' -o -name 'postbus_*' \) -print 2>/dev/null | tr -d '\r') || true
    [ "$found" = /run/secrets-postbus/database_password ] || die "PostgreSQL's container holds: $found"
}

# The network of the containers reaches the admin ports, as Prometheus there would.
check_admin() {
    # shellcheck disable=SC2016 # for the shell in the container
    "${compose[@]}" exec -T janitor bash -euc '
        for service in smtp-ingress imap-gateway queue-worker remote-sender registrar; do
            exec 3<>"/dev/tcp/$service/9090"
            printf "GET /livez HTTP/1.0\r\n\r\n" >&3
            read -r _ status _ <&3
            [ "$status" = 200 ]
        done' || die "an admin port cannot be reached by another container"
}

# The registrar's container has a token that admits, and the owner's makes others.  Status 3:
# there is no such account, which only the database can say.
check_api() {
    local status=0 token
    "${compose[@]}" exec -T registrar postbusctl account show nobody@_chat.test >"$work/said" 2>&1 ||
        status=$?
    [ $status = 3 ] || { cat "$work/said" >&2; die "account show: status $status, not 3"; }
    token=$("${compose[@]}" run --rm -T migrate token create compose 2>"$work/said") ||
        { cat "$work/said" >&2; die "no token was made"; }
    [[ $token == postbus_* ]] || die "this was made as a token: ${#token} characters"
    quietly "${compose[@]}" run --rm -T migrate token revoke compose
}

# Whichever of the workers made the key, there is one, and the owner can make another.
check_dkim() {
    "${compose[@]}" run --rm -T migrate dkim show >"$work/said" 2>&1 ||
        { cat "$work/said" >&2; die "no key is shown"; }
    [ "$(grep -c '^opendkim._domainkey._chat.test. 3600 IN TXT "v=DKIM1;k=rsa;p=' "$work/said")" = 1 ] ||
        { cat "$work/said" >&2; die "this is no record of one key"; }
    quietly "${compose[@]}" run --rm -T migrate dkim rotate
}

# What comes over HTTPS goes from a registrar to an ingress, whose answer is the sender's.
check_mxdeliv() {
    local said
    said=$(printf 'From: <a@_elsewhere.test>\r\n\r\nhello\r\n' | curl -sk --max-time 60 --data-binary @- \
        -H 'X-MAIL-FROM: a@_elsewhere.test' -H 'X-MAIL-TO: nobody@_chat.test' https://127.0.0.1/mxdeliv)
    [[ $said == '550 5.1.1 '* ]] || die "/mxdeliv says: $said"
}

# Out of the project's own network come those alone that ask others, or send to them.
check_ways_out() {
    local name networks wanted
    while read -r name networks; do
        wanted=${project}_back
        case $name in
        *smtp-ingress* | *remote-sender*) wanted+=" ${project}_front" ;;
        *door*) wanted=host ;;
        esac
        [ "$networks" = "$wanted" ] || die "$name is in: $networks"
    done < <(inspect '{{.Name}} {{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}')
}

# All at once, and none had to be killed.
check_stop() {
    local name code
    quietly "${compose[@]}" stop
    while read -r name code; do
        [ "$code" = 0 ] || die "$name ended with exit code $code"
    done < <(inspect '{{.Name}} {{.State.ExitCode}}')
}
