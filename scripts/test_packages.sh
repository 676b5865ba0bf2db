#!/bin/sh
# Installs the Debian packages that the tests need: a real IMAP server.
set -eu

PATH="$PATH:/usr/sbin:/sbin"
if command -v dovecot >/dev/null 2>&1 && [ -e /usr/lib/dovecot/imap ]; then
    exit 0
fi

missing() {
    echo "The tests need Dovecot with IMAP: install it (on Debian: apt install dovecot-imapd)." >&2
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

echo "Installing dovecot-imapd for the tests …" >&2
# An empty $as_root has to vanish.
# shellcheck disable=SC2086
{
    $as_root apt-get -qq update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
            --no-install-recommends dovecot-imapd
} </dev/null >&2 || missing
# The tests start servers of their own; the one that the package starts listens to the world.
if [ -d /run/systemd/system ]; then
    # shellcheck disable=SC2086
    $as_root systemctl disable --now dovecot.service dovecot.socket >/dev/null 2>&1 || true
fi
