#!/bin/sh
# Chromium for the tests that open pages, from Debian's or Ubuntu's own packages, once.
# Who may not install packages is told the one command; those tests are then left out, and say so.
set -eu

command -v chromium >/dev/null || command -v chromium-browser >/dev/null && exit 0
if [ "$(id -u)" = 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo -n"; else run="none"; fi
if [ "$run" = none ] || ! command -v apt-get >/dev/null; then
    echo "Tests that open pages are left out. To run them, install Chromium:  sudo apt-get install chromium"
    exit 0
fi
echo "installing Chromium for the tests that open pages"
export DEBIAN_FRONTEND=noninteractive
# Without recommended packages: no desktop is needed to look at a page.
$run apt-get install -y -q --no-install-recommends chromium >/dev/null 2>&1 ||
    { $run apt-get update -q >/dev/null && $run apt-get install -y -q --no-install-recommends chromium >/dev/null; }
