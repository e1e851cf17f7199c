# Functions that the scripts share; to be sourced.

say() { printf '%s\n' "$*" >&2; }

stop() { # one line per argument, then the end
    printf '%s\n' "$@" >&2
    exit 1
}

# Prints the command that may install packages ("" for root), or fails where there is none.
apt_prefix() {
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" = 0 ]; then
        return 0
    fi
    # -n: never ask for a password, this may run without a terminal
    sudo -n true >/dev/null 2>&1 && printf 'sudo -n'
}

# Installs Debian packages where this user may; fails (and has changed nothing) where not.
install_packages() {
    local prefix
    prefix="$(apt_prefix)" || return 1
    say "Installing with apt: $*"
    # shellcheck disable=SC2086  # the prefix is empty or two words
    $prefix env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 || return 1
    # shellcheck disable=SC2086
    $prefix env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}
