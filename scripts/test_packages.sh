#!/bin/sh
# Installs the Debian packages that the tests need: a real IMAP server and a real PostgreSQL.
set -eu

PATH="$PATH:/usr/sbin:/sbin"
packages=""
if ! command -v dovecot >/dev/null 2>&1 || ! [ -e /usr/lib/dovecot/imap ]; then
    packages="dovecot-imapd"
fi
if ! command -v initdb >/dev/null 2>&1 && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    packages="$packages postgresql"
fi
[ -n "$packages" ] || exit 0

missing() {
    echo "The tests need Dovecot with IMAP and PostgreSQL: install what is missing" \
        "(on Debian: apt install $packages)." >&2
    exit 1
}
command -v apt-get >/dev/null 2>&1 || missing
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    missing
fi

echo "Installing for the tests: $packages …" >&2
# An empty $as_root has to vanish, and $packages to be several words.
# shellcheck disable=SC2086
{
    $as_root apt-get -qq update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
            --no-install-recommends $packages
} </dev/null >&2 || missing
# The tests start servers of their own; those that the packages start serve nobody.
if [ -d /run/systemd/system ]; then
    # shellcheck disable=SC2086
    $as_root systemctl disable --now dovecot.service dovecot.socket postgresql.service \
        >/dev/null 2>&1 || true
fi
