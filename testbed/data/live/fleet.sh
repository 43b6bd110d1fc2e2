# The first process of a fleet of real sshd: makes the fleet's own network and starts a host for each name. Runs in process,
# mount and network namespaces of its own: when it ends, the kernel takes all of it away.
#
#   fleet.sh DIRECTORY NAME...
set -eu
directory=$1
shift
mount --make-rprivate /
ip link set lo up
ip link add fleet type bridge
ip address add 10.99.0.1/16 dev fleet
ip link set fleet up
# Places that the hosts' disks are laid over; they are nowhere but in this namespace's memory.
mount -t tmpfs -o mode=700 fleet "$directory/disks"
number=1
for name in "$@"; do
  number=$((number + 1))
  address=10.99.$((number / 250)).$((number % 250 + 2))
  HOST_NAME=$name HOST_ADDRESS=$address HOST_LINK=h$number unshare --mount --net --uts --ipc --pid --fork --kill-child \
    sh "$directory/host.sh" "$directory" >"$directory/logs/$name" 2>&1 </dev/null &
  # From outside, the link is put into the network of the host.
  outer=$!
  while ! [ "$(readlink "/proc/$outer/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
  ip link add "h$number" type veth peer name "p$number"
  ip link set "p$number" netns "$outer"
  ip link set "h$number" master fleet up
  # The process whose namespaces are the host's, for `nsenter`.
  echo "$name $address $outer h$number" >>"$directory/hosts.new"
done
mv "$directory/hosts.new" "$directory/hosts"
# Waits for the ends of its children for ever.
while :; do
  wait || true
  sleep 1
done
