# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of prepare.sh and volumes.sh
# What the node vouches for itself: tokens of service accounts, JWTs signed with a key of its own, and that key's certificate,
# which is in the ConfigMap kube-root-ca.crt unless the pod's program has declared another. Sourced by prepare.sh.
#
# /var/lib/barepod/issuer/key.pem      the node's RSA key, for root only; made when first asked for, gone with the Node
# /var/lib/barepod/issuer/jwks.json    its public half as a JSON Web Key Set, by which anybody verifies the tokens
# /var/lib/barepod/issuer/ca.crt       the certificate that the key has signed for itself; renewed a month before its end
# /var/lib/barepod/issuer/configmaps/NAMESPACE/kube-root-ca.crt/data/    that, as an object's folder
# DIR/volume.V.N.token                 the N-th token of the volume V: RENEW<TAB>SECONDS<TAB>ACCOUNT<TAB>AUDIENCE, then the token
# DIR/token.timer                      PID<TAB>START of the process that renews them: at 80 % of their lives, at least daily
issuer=/var/lib/barepod/issuer
tokens=0 renew_at=''

base64url() {
  base64 | tr -d '=\n' | tr '+/' '-_'
}

make_key() { # sets id
  command -v openssl > /dev/null || say "openssl, which signs the tokens of service accounts, is not on the node: install it"
  (umask 022; mkdir -p -- "$issuer") || return
  (flock 8 && make_key_once) 8>> "$issuer/lock" || return
  read -r id < "$issuer/id" || [ -n "$id" ]
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

provide() { # FILE: if it is one of the node's own ConfigMap, makes that
  case $1 in "$issuer"/configmaps/*) ;; *) return 0 ;; esac
  make_key && (flock 8 && certify && umask 022 && publish "${1%%/data*}/data") 8>> "$issuer/lock"
}

certify() {
  ! openssl x509 -in "$issuer/ca.crt" -noout -checkend 2592000 > /dev/null 2>&1 || return 0
  openssl req -x509 -new -key "$issuer/key.pem" -sha256 -days 3650 -config /dev/stdin > "$issuer/ca.new" << END || return
[req]
prompt = no
distinguished_name = name
x509_extensions = usage
[name]
CN = urn:barepod:issuer:$id
[usage]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign
subjectKeyIdentifier = hash
END
  chmod 644 "$issuer/ca.new" && mv -f "$issuer/ca.new" "$issuer/ca.crt"
}

publish() { # FOLDER: laid out as a FileSet is
  [ "$(cat "$1/ca.crt" 2> /dev/null)" != "$(cat "$issuer/ca.crt")" ] || return 0
  mkdir -p -- "$1" && ln -sfn . "$1/..data" && cp "$issuer/ca.crt" "$1/ca.new" && mv -f "$1/ca.new" "$1/ca.crt"
}

uid_of() { # TEXT: sets uid: of what has no object anywhere, the same for the same text, in the form of a UUID
  uid=$(printf %s "$1" | sha256sum | sed 's/^\(.\{8\}\)\(.\{4\}\)\(.\{4\}\)\(.\{4\}\)\(.\{12\}\).*/\1-\2-\3-\4-\5/')
}

sign() { # SECONDS AUDIENCE NAMESPACE POD NODE ACCOUNT: sets token
  make_key || return
  read -r pod_uid < "$dir/pod.uid" || [ -n "$pod_uid" ] || return
  read -r jti < /proc/sys/kernel/random/uuid
  name=urn:barepod:issuer:$id
  uid_of "$name/nodes/$5" && node_uid=$uid
  uid_of "$name/serviceaccounts/$3/$6"
  head=$(printf '{"alg":"RS256","kid":"%s","typ":"JWT"}' "$id" | base64url)
  claims=$(printf '"kubernetes.io":{"namespace":"%s","node":{"name":"%s","uid":"%s"},"pod":{"name":"%s","uid":"%s"},"serviceaccount":{"name":"%s","uid":"%s"}}' \
    "$3" "$5" "$node_uid" "$4" "$pod_uid" "$6" "$uid")
  body=$(printf '{"aud":["%s"],"exp":%d,"iat":%d,"iss":"%s","jti":"%s",%s,"nbf":%d,"sub":"system:serviceaccount:%s:%s"}' \
    "${2:-$name}" "$((now + $1))" "$now" "$name" "$jti" "$claims" "$now" "$3" "$6" | base64url)
  token=$head.$body.$(printf %s "$head.$body" | openssl dgst -sha256 -sign "$issuer/key.pem" | base64url)
}

project_token() { # PATH MODE SECONDS NAMESPACE POD NODE ACCOUNT AUDIENCE
  tokens=$((tokens + 1))
  kept=$dir/volume.${specification##*/}.$tokens.token
  now=$(date +%s)
  at=0 seconds='' account='' audience='' token=''
  [ ! -e "$kept" ] || { IFS=$tab read -r at seconds account audience; read -r token; } < "$kept"
  if [ "$seconds" != "$3" ] || [ "$account" != "$7" ] || [ "$audience" != "$8" ] || [ "$now" -ge "$at" ]; then
    sign "$3" "$8" "$4" "$5" "$6" "$7" || return
    at=$(($3 * 4 / 5))
    # As a kubelet does, none is kept longer than a day.
    [ "$at" -le 86400 ] || at=86400
    at=$((now + at))
    printf '%s\t%s\t%s\t%s\n%s\n' "$at" "$3" "$7" "$8" "$token" > "$kept.new" && mv -f "$kept.new" "$kept" || return
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
    # What cannot be renewed keeps its token as long as that is valid, as a kubelet leaves it.
    while is_running "$dir/keeper.pid"; do
      (flock 9 && exec "$bin/prepare.sh" "$dir" +) 9>> "$dir/keeper.prepare.lock" && exit
      "$bin/launcher" sleep 60 || exit
    done
  ) > /dev/null 2>&1 < /dev/null 9>&- &
  read -r stat < "/proc/$!/stat"
  # shellcheck disable=SC2086 # fields
  set -- $! ${stat##*) }
  printf '%s\t%s\n' "$1" "${21}" > "$dir/token.timer"
}
