#!/bin/sh
# PostgreSQL, Redis and nginx for the tests that run docker-compose.yml without containers, from Debian's or Ubuntu's own
# packages, once. Who may not install packages is told the one command; those tests are then left out, and say so.
set -eu

packages="postgresql redis-server nginx-light curl openssl"
[ -n "$(ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null)" ] && command -v redis-server >/dev/null &&
    [ -x /usr/sbin/nginx ] && command -v curl >/dev/null && command -v openssl >/dev/null && exit 0
if [ "$(id -u)" = 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo -n"; else run="none"; fi
if [ "$run" = none ] || ! command -v apt-get >/dev/null; then
    echo "Tests of the production shape are left out. To run them:  sudo apt-get install $packages"
    exit 0
fi
echo "installing $packages for the tests of the production shape"
# None of it is to start by itself, now or at the next start of the machine: the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $run tee $policy >/dev/null
    $run chmod 755 $policy
    trap '$run rm -f $policy' EXIT
fi
asked="env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages"
$run $asked >/dev/null 2>&1 || { $run apt-get update -q >/dev/null && $run $asked >/dev/null; }
$run systemctl disable --quiet postgresql redis-server nginx 2>/dev/null || true
