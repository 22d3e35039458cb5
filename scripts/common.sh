# Shared by the scripts: where the checkout is, what to say, and Debian packages. Sourced, never run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "$(basename "$0"): $*"
  exit 1
}

# The comment at the head of the script, without the marks, is its help.
help_if_asked() {
  case "${1:-}" in
    -h | --help)
      sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
  esac
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "needs root for: $* (there is no sudo here; run this script as root)"
  fi
}

need_node() {
  command -v node >/dev/null || fail "Node 20.19 or newer is needed, and PATH has no 'node' (see https://nodejs.org)"
  command -v npm >/dev/null || fail "npm is needed, and PATH has no 'npm' (on Debian: apt-get install npm)"
  node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
    fail "Node 20.19 or newer is needed; this one is $(node --version)"
}

is_installed() { dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'; }

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
    -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 install "$@" </dev/null >>build/apt.log 2>&1
}

# Installs those of the named Debian packages that are missing; says in one sentence which it could not get.
need_packages() {
  local missing=() package
  if ! command -v dpkg-query >/dev/null; then
    say "this is not a Debian or Ubuntu: if something is missing below, install what corresponds to: $*"
    return 0
  fi
  for package in "$@"; do is_installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} = 0 ] && return 0
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    say "missing, and not to be installed without root or sudo: ${missing[*]}"
    return 1
  fi
  say "installing ${missing[*]}"
  mkdir -p build
  : >build/apt.log
  apt_install "${missing[@]}" && return 0
  # A fresh machine has no package lists, and old lists name files that the mirror no longer has.
  as_root apt-get -qq update </dev/null >>build/apt.log 2>&1 || say 'apt-get update failed; going on without'
  apt_install "${missing[@]}" && return 0
  local lost=()
  for package in "${missing[@]}"; do
    is_installed "$package" || apt_install "$package" || lost+=("$package")
  done
  [ ${#lost[@]} = 0 ] && return 0
  say "apt-get could not install ${lost[*]}: $(grep '^E:' build/apt.log | tail -1 || true)"
  return 1
}

# Where node_api.h of the running Node is, so that nothing need be fetched; empty when it is not installed.
node_headers() {
  local prefix
  prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  if [ -f "$prefix/include/node/node_api.h" ]; then echo "$prefix"; fi
}

# What building the addon takes. Debian's own Node comes without its headers.
need_compiler() {
  need_packages python3 make g++ git ca-certificates || true
  if [ -z "$(node_headers)" ] && command -v dpkg-query >/dev/null && is_installed nodejs; then
    need_packages libnode-dev || true
  fi
}
