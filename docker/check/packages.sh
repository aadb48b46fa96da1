# Part of docker/check_compose.sh and deploy/check_cluster.sh: Debian's packages, installed or only unpacked.
install_packages() {
  local missing=()
  for package in "$@"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
  [ ${#missing[@]} = 0 ] && return
  logged apt-get -qq -o DPkg::Lock::Timeout=300 update
  logged apt-get -y -qq -o DPkg::Lock::Timeout=300 --no-install-recommends install "${missing[@]}"
}
mirror() {
  cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk '
    /^URIs:/ {print $2; exit}  /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) {print $i; exit}}' || true
}
# apt_beside DIRECTORY TYPE SUITE: set APT to an apt-get that knows only this suite, and verifies; /etc/apt is not changed
apt_beside() {
  mkdir -p "$1"/{lists,cache/archives}/partial
  echo "$2 [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $3 main" >"$1/sources.list"
  APT=(apt-get -qq -o Dir::Etc::sourcelist="$1/sources.list" -o Dir::Etc::sourceparts=-
    -o Dir::State::lists="$1/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$1/cache"
    -o APT::Sandbox::User=root)
  [ -e "$1/updated" ] || { logged "${APT[@]}" update && touch "$1/updated"; }
}
# unpack DIRECTORY PACKAGE...: packages of $PLUGINS, not installed
unpack() {
  local directory=$1 package file
  shift
  mkdir -p "$directory"
  for package in "$@"; do
    if ! compgen -G "$CACHE/debs/${package}_*.deb" >/dev/null; then
      apt_beside "$WORK/apt" deb "$PLUGINS"
      (cd "$CACHE/debs" && logged "${APT[@]}" download "$package")
    fi
    for file in "$CACHE/debs/${package}"_*.deb; do dpkg-deb -x "$file" "$directory"; done
  done
}
