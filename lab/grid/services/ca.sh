#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# ca.sh FOLDER [NAME...]: an authority, FOLDER/ca.pem, and a server's certificate and key for each NAME (sbatch and logger),
# FOLDER/NAME.pem and FOLDER/NAME.key, good for 127.0.0.1, localhost and NAME.lab.test. What is there already stays.
# CA_ADDRESS: an IP address that they are good for as well. What openssl says is in FOLDER/openssl.log, and told when it fails.
set -euo pipefail
folder=${1:?ca.sh FOLDER [NAME...]}
shift
[ $# -gt 0 ] || set -- sbatch logger
mkdir -p "$folder"
cd "$folder"
trap 'cat openssl.log >&2' ERR

# KEY-FILE. Not in the pipe that the key is needed at the end of: that end reads it first.
key() {
    (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$1")
}

# A request to sign: KEY-FILE COMMON-NAME
request() {
    openssl req -new -key "$1" -subj "/O=slurm-grid-agent lab/CN=$2" -config <(printf '[req]\ndistinguished_name=name\n[name]\n')
}

if [ ! -s ca.pem ]; then
    key ca.key
    # Each authority has a name of its own, so that two of them are never taken for one.
    request ca.key "lab authority $(openssl rand -hex 4)" | openssl x509 -req -days 30 -signkey ca.key -out ca.pem.new -extfile <(
        printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n'
    ) 2>>openssl.log
    mv ca.pem.new ca.pem
fi
for name; do
    [ ! -s "$name.pem" ] || continue
    key "$name.key"
    request "$name.key" "$name.lab.test" |
        openssl x509 -req -days 30 -CA ca.pem -CAkey ca.key -set_serial "0x$(openssl rand -hex 15)" \
            -out "$name.pem.new" -extfile <(
            printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n'
            printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n'
            printf 'subjectAltName=IP:127.0.0.1,%sDNS:localhost,DNS:%s.lab.test\n' "${CA_ADDRESS:+IP:$CA_ADDRESS,}" "$name"
        ) 2>>openssl.log
    mv "$name.pem.new" "$name.pem"
done
