#!/usr/bin/env bash
# Sees to the system libraries that a napari window needs on Linux, and the virtual screen of the tests.
# Installs what is missing with apt where this user may, else prints the one command to run and fails.
# `make demo` does without all of this: it opens no window.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

[ "$(uname -s)" = Linux ] || exit 0 # Windows and macOS bring these

# Debian package, and the library or command that shows that it is there under whatever package name.
needs="
xvfb                 Xvfb
xauth                xauth
libgl1               libGL.so.1
libegl1              libEGL.so.1
libfontconfig1       libfontconfig.so.1
libglib2.0-0         libglib-2.0.so.0
libdbus-1-3          libdbus-1.so.3
libxkbcommon-x11-0   libxkbcommon-x11.so.0
libxcb-cursor0       libxcb-cursor.so.0
libxcb-icccm4        libxcb-icccm.so.4
libxcb-keysyms1      libxcb-keysyms.so.1
libxcb-randr0        libxcb-randr.so.0
libxcb-shape0        libxcb-shape.so.0
"

missing() { # names of the packages whose library or command is not there
    local libraries package file
    libraries="$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p)"
    while read -r package file; do
        [ -n "$package" ] || continue
        case "$file" in
        *.so.*) [[ "$libraries" == *"$file "* ]] || printf '%s ' "$package" ;;
        *) command -v "$file" >/dev/null 2>&1 || printf '%s ' "$package" ;;
        esac
    done <<<"$needs"
}

read -r -a packages <<<"$(missing)"
[ "${#packages[@]}" -gt 0 ] || exit 0
install_packages "${packages[@]}" || stop \
    "The napari window needs system libraries that are missing here. Run this, then try again:" \
    "  sudo apt-get install ${packages[*]}" \
    "(On other systems than Debian and Ubuntu: the packages that hold the same libraries.)"
read -r -a packages <<<"$(missing)"
[ "${#packages[@]}" = 0 ] || stop "Still missing after the installation: ${packages[*]}"
