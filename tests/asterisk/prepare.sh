#!/usr/bin/env bash
# Put what the tests need in place: Debian's packages, and two real Asterisks, each in a chroot.
#
# Usage: prepare.sh          run by `make test`; does nothing when all is there
# Where: ${DIALDIP_TEST_CACHE:-/var/cache/dialdip-tests}/asterisk-{sid,bullseye}, about 400 MB each
# Needs: root. Without root it says so and ends with 0: the tests then say what they skipped.
set -euo pipefail

cache=${DIALDIP_TEST_CACHE:-/var/cache/dialdip-tests}
complete=.dialdip-complete

if [ "$(id -u)" != 0 ]; then
  echo "prepare: not root: the tests with a real Asterisk will be skipped" >&2
  exit 0
fi

mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9

install_missing() {
  local missing=()
  command -v debootstrap >/dev/null || missing+=(debootstrap)
  command -v sipp >/dev/null || missing+=(sip-tester)
  command -v gcc >/dev/null || missing+=(gcc libc6-dev)
  command -v systemd-analyze >/dev/null || missing+=(systemd)
  command -v redis-server >/dev/null || missing+=(redis-server)
  command -v openssl >/dev/null || missing+=(openssl)
  command -v promtool >/dev/null || missing+=(prometheus)
  command -v soffice >/dev/null || missing+=(libreoffice-calc-nogui python3-uno)
  [ "${#missing[@]}" = 0 ] && return
  echo "prepare: installing ${missing[*]}" >&2
  apt-get update -qq
  # The packages' own daemons must not run: invoke-rc.d(8) and deb-systemd-invoke(1p) ask this.
  local policy=/usr/sbin/policy-rc.d ours=
  [ -e "$policy" ] || ours=$policy
  if [ -n "$ours" ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"
  if [ -n "$ours" ]; then
    rm -f "$ours"
    trap - EXIT
  fi
}

# The mirror that this machine already uses, whatever it is; empty: debootstrap's own default.
mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    grep -E '/debian/?$' | head -n 1 || true
}

# asterisk, and python3 for the classic AGI script. debootstrap does not mind a mirror that has not been
# refreshed for a while; apt does, unless told.
chroot_of() {
  local suite=$1 root=$cache/asterisk-$1 log=$cache/asterisk-$1.log
  if [ ! -e "$root/$complete" ] || [ ! -x "$root/usr/sbin/asterisk" ]; then
    echo "prepare: making $root (about a minute)" >&2
    rm -rf "${root:?}"
    # shellcheck disable=SC2046  # no argument at all when there is no mirror
    debootstrap --variant=minbase --include=asterisk,python3 "$suite" "$root" \
      $(mirror) >"$log" 2>&1 || { tail -n 5 "$log" >&2; rm -rf "${root:?}"; return 1; }
    touch "$root/$complete"
  elif ! chroot "$root" python3 -c 'import pprint' 2>/dev/null; then
    echo "prepare: adding python3 to $root" >&2
    { chroot "$root" apt-get -o Acquire::Check-Valid-Until=false update -qq &&
      chroot "$root" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends python3; } >"$log" 2>&1 ||
      echo "prepare: no python3 in $root: the script's test is skipped there (see $log)" >&2
  fi
  chroot "$root" asterisk -V
}

install_missing
sipp -v 2>/dev/null | grep -i 'sipp v' || true
chroot_of sid
chroot_of bullseye ||
  echo "prepare: no Asterisk 16 (the mirror may not have bullseye any more): not required" >&2
