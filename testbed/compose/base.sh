#!/usr/bin/env bash
# Makes a base image without a container registry: debootstrap, then `docker import`, with every package that the fleet
# needs. Building the fleet's image on it needs no network. Takes two to four minutes, once: what is there stays.
#
#   base.sh [IMAGE]          (herdiff-testbed-base)
#   MIRROR=http://… base.sh  (the mirror of Debian's packages)
set -euo pipefail

image=${1:-herdiff-testbed-base}
mirror=${MIRROR:-http://deb.debian.org/debian}
packages=openssh-server,cron,procps,iproute2,nginx-light,redis-server,sudo,python3-minimal

# The packages are part of the name, so that another list makes another image.
tag=$(printf '%s' "bookworm $packages" | sha256sum | cut -c1-12)
if docker image inspect "$image:$tag" >/dev/null 2>&1; then
  docker tag "$image:$tag" "$image:latest"
  echo "$image is there"
  exit
fi
[ "$(id -u)" -eq 0 ] || { echo "base.sh: debootstrap needs root" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "base.sh: install debootstrap first" >&2; exit 2; }

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include="$packages" bookworm "$root" "$mirror" >"$root.log" 2>&1 || {
  tail -n 20 "$root.log" >&2
  rm -f "$root.log"
  exit 1
}
rm -f "$root.log"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar -C "$root" --numeric-owner -c . | docker import --change 'CMD ["/bin/bash"]' - "$image:$tag" >/dev/null
docker tag "$image:$tag" "$image:latest"
echo "$image is made"
