# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of prepare.sh and volumes.sh
# Tokens of service accounts: JWTs that the node signs with a key of its own. Sourced by prepare.sh.
#
# /var/lib/barepod/issuer/key.pem      the node's RSA key, for root only; made with the first token, gone with the Node
# /var/lib/barepod/issuer/jwks.json    its public half as a JSON Web Key Set, by which anybody verifies the tokens
# DIR/volume.V.N.token                 the N-th token of the volume V: RENEW<TAB>SECONDS<TAB>AUDIENCE, then the token
# DIR/token.timer                      PID<TAB>START of the process that renews them, at 80 % of their lives
issuer=/var/lib/barepod/issuer
tokens=0 renew_at=''

base64url() {
  base64 | tr -d '=\n' | tr '+/' '-_'
}

make_key() {
  command -v openssl > /dev/null || say "openssl, which signs the tokens of service accounts, is not on the node: install it"
  (umask 022; mkdir -p -- "$issuer") || return
  (flock 8 && make_key_once) 8>> "$issuer/lock"
}

make_key_once() {
  [ ! -e "$issuer/jwks.json" ] || return 0
  openssl genrsa 2048 > "$issuer/key.pem" 2> /dev/null || return
  id=$(openssl rsa -in "$issuer/key.pem" -pubout -outform DER 2> /dev/null | openssl dgst -sha256 -binary | base64url)
  # Of the key in PKCS#1 the modulus has 256 bytes, from the tenth on.
  modulus=$(openssl rsa -in "$issuer/key.pem" -RSAPublicKey_out -outform DER 2> /dev/null | tail -c +10 | head -c 256 | base64url)
  printf '%s' "$id" > "$issuer/id" || return
  printf '{"keys":[{"use":"sig","kty":"RSA","kid":"%s","alg":"RS256","n":"%s","e":"AQAB"}]}\n' "$id" "$modulus" > "$issuer/jwks.new" &&
    chmod 644 "$issuer/jwks.new" && mv -f "$issuer/jwks.new" "$issuer/jwks.json"
}

sign() { # SECONDS AUDIENCE NAMESPACE POD NODE: sets token
  make_key || return
  read -r id < "$issuer/id" || [ -n "$id" ] || return
  read -r uid < "$dir/pod.uid" || [ -n "$uid" ] || return
  read -r jti < /proc/sys/kernel/random/uuid
  name=urn:barepod:issuer:$id
  head=$(printf '{"alg":"RS256","kid":"%s","typ":"JWT"}' "$id" | base64url)
  body=$(printf '{"aud":["%s"],"exp":%d,"iat":%d,"iss":"%s","jti":"%s","kubernetes.io":{"namespace":"%s","node":{"name":"%s"},"pod":{"name":"%s","uid":"%s"},"serviceaccount":{"name":"default"}},"nbf":%d,"sub":"system:serviceaccount:%s:default"}' \
    "${2:-$name}" "$((now + $1))" "$now" "$name" "$jti" "$3" "$5" "$4" "$uid" "$now" "$3" | base64url)
  token=$head.$body.$(printf %s "$head.$body" | openssl dgst -sha256 -sign "$issuer/key.pem" | base64url)
}

project_token() { # PATH MODE SECONDS NAMESPACE POD NODE AUDIENCE
  tokens=$((tokens + 1))
  kept=$dir/volume.${specification##*/}.$tokens.token
  now=$(date +%s)
  at=0 seconds='' audience='' token=''
  [ ! -e "$kept" ] || { IFS=$tab read -r at seconds audience; read -r token; } < "$kept"
  if [ "$seconds" != "$3" ] || [ "$audience" != "$7" ] || [ "$now" -ge "$at" ]; then
    sign "$3" "$7" "$4" "$5" "$6" || return
    at=$((now + $3 * 4 / 5))
    printf '%s\t%s\t%s\n%s\n' "$at" "$3" "$7" "$token" > "$kept.new" && mv -f "$kept.new" "$kept" || return
  fi
  if [ -z "$renew_at" ] || [ "$at" -lt "$renew_at" ]; then renew_at=$at; fi
  place "$1" "$2" && printf %s "$token" > "$new/$1"
}

is_running() { # FILE: with PID<TAB>START
  { IFS=$tab read -r pid start < "$1" && read -r stat < "/proc/$pid/stat"; } 2> /dev/null || return 1
  # shellcheck disable=SC2086 # fields
  set -- ${stat##*) }
  [ "$1" != Z ] && [ "${20}" = "$start" ]
}

await_renewal() { # one process waits for the first token that has to be renewed; it is the keeper's, and ends with it
  [ -n "$renew_at" ] || return 0
  [ "$container" = + ] || ! is_running "$dir/token.timer" || return 0
  wait_for=$((renew_at - $(date +%s)))
  [ "$wait_for" -gt 0 ] || wait_for=1
  (
    trap '' HUP
    "$bin/launcher" sleep "$wait_for" || exit
    is_running "$dir/keeper.pid" || exit
    exec 9>> "$dir/keeper.prepare.lock"
    flock 9 && exec "$bin/prepare.sh" "$dir" +
  ) > /dev/null 2>&1 < /dev/null 9>&- &
  read -r stat < "/proc/$!/stat"
  # shellcheck disable=SC2086 # fields
  set -- $! ${stat##*) }
  printf '%s\t%s\n' "$1" "${21}" > "$dir/token.timer"
}
