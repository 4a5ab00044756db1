#!/bin/bash
# front.sh - a web server in front, as README.md says: what it shows is what is tried.
# Sourced by run.
#
# shellcheck disable=SC2154 # run sets what is not set here

# The indented lines of README.md that begin with "# FILE", without the indentation.
from_readme() {
    awk -v file="    # $1" '$0 == file { on = 1; next } !/^    / && NF { on = 0 } on' README.md |
        sed 's/^    //'
}

# NAME COMMAND...: run a web server on this machine's network, with $work/front as /front.
front_runs() {
    docker run --detach --rm --name "$1-$$" --network host -v "$work/front:/front" \
        -e XDG_DATA_HOME=/front -e XDG_CONFIG_HOME=/front --entrypoint "$2" \
        "postbus-test/front:$IMAGE_TAG" "${@:3}" >/dev/null
    until_true "$1 does not listen" can_connect 127.0.0.1 443
}

can_connect() {
    (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

front_ends() {
    docker rm -f "$1-$$" >/dev/null 2>&1 || true
}

# Clients keep their addresses, and nobody's word about others' counts.
check_front() {
    local where
    where=$(stranger "$1" 6 gets-new chat.example)
    [ "$where" = '301 dcaccount:https://chat.example/new' ] || die "GET /new leads to: $where"
    stranger "$1" 6 floods chat.example
    stranger "$2" 6 asks chat.example
}

certificate_at() {
    openssl s_client -connect "127.0.0.1:$1" -servername chat.example </dev/null 2>/dev/null |
        openssl x509 -noout -fingerprint
}

# At the mail ports, and where the registrar has it: it decides where GET /new leads.
same_certificate() {
    local port
    for port in 993 465 8443; do
        [ "$(certificate_at $port)" = "$(certificate_at 443)" ] || return 1
    done
}

# In the order of README.md.  Caddy gets certificates of an authority of its own here; nginx
# takes them from where certbot would put them.
in_front() {
    local theirs=$work/front/caddy/certificates/local/chat.example/chat.example
    mkdir "$work/front"
    install -d -o 10001 "$work/tls"
    from_readme .env | sed "s|/srv/postbus-tls|$work/tls|" >"$second/.env"
    grep -q '^MAIL_DOMAIN=chat.example$' "$second/.env" || die "README.md shows no .env for this"
    (cd "$second" && quietly "${plain[@]}" up -d)
    wait_for_page https://127.0.0.1:8443/
    ! can_connect "${net4[one]}.1" 8080 || die "port 8080 is open to others"

    { printf '{\n    local_certs\n    skip_install_trust\n    admin off\n}\n'; from_readme /etc/caddy/Caddyfile; } \
        >"$work/front/Caddyfile"
    front_runs caddy caddy run --config /front/Caddyfile --adapter caddyfile
    until_true "Caddy has no certificate" test -e "$theirs.key"
    "$second/deploy/docker/bring-certificate" "$theirs.crt" "$theirs.key" "$work/tls"
    until_true "the services do not take the certificate" same_certificate
    check_front one another
    front_ends caddy

    mkdir -p "$work/front/live/chat.example"
    cp "$theirs.crt" "$work/front/live/chat.example/fullchain.pem"
    cp "$theirs.key" "$work/front/live/chat.example/privkey.pem"
    { printf 'events {}\nhttp {\n'; from_readme /etc/nginx/sites-enabled/postbus | sed 's|/etc/letsencrypt|/front|'; echo '}'; } \
        >"$work/front/nginx.conf"
    front_runs nginx nginx -g 'daemon off;' -c /front/nginx.conf
    check_front another one
    front_ends nginx
}
