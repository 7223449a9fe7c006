#!/bin/sh
# Installs Debian's Chromium for the browser tests, where that can be done.
set -u
sentence="The tests need Chromium, and it can't be installed from here; install the package chromium, then run this again."

if ! command -v apt-get >/dev/null; then
    echo "$sentence" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo"
else
    echo "$sentence" >&2
    exit 1
fi
echo "Installing Chromium ..."
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -qq update
$as_root apt-get -qq install -y --no-install-recommends chromium >/dev/null || {
    echo "$sentence" >&2
    exit 1
}
