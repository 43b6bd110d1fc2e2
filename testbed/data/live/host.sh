# The first process of a host: a disk over the machine's own root that nobody else sees, a network, cron, a web server of its
# own, a security agent, and sshd.
#
#   HOST_NAME=… HOST_ADDRESS=… HOST_LINK=… host.sh DIRECTORY
set -eu
directory=$1
disk=$directory/disks/$HOST_NAME
hostname "$HOST_NAME"
mount --make-rprivate /
mkdir -p "$disk/upper" "$disk/work" "$disk/root"
mount -t overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" fleet "$disk/root"
root=$disk/root

# What is not part of an installed system, and what is private, is not shown.
for place in "$root"/*/; do
  case ${place#"$root"} in
    /bin/ | /boot/ | /etc/ | /lib/ | /lib32/ | /lib64/ | /libx32/ | /opt/ | /sbin/ | /srv/ | /usr/ | /var/) ;;
    /lost+found/) ;;
    *) mount -t tmpfs -o mode=755 none "${place%/}" ;;
  esac
done
for place in var/lib/docker var/lib/containerd var/tmp var/log var/www var/mail var/cache usr/local; do
  if [ -d "$root/$place" ]; then mount -t tmpfs -o mode=755 none "$root/$place"; fi
done
mkdir -p "$root/usr/local/bin" "$root/usr/local/sbin"
chmod 1777 "$root/tmp" "$root/var/tmp"
for node in null zero full random urandom tty; do
  touch "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/root/.ssh" "$root/run/sshd" "$root/opt/agent/bin"
mount -t devpts -o newinstance,ptmxmode=0666 none "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 none "$root/dev/shm"
mount -t proc none "$root/proc"
mount -t sysfs -o ro none "$root/sys" 2>/dev/null || true
chmod 700 "$root/root" "$root/root/.ssh"

# A host of this fleet, not a copy of the machine: its own people, jobs and keys.
cp "$directory/key.pub" "$root/root/.ssh/authorized_keys"
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/cron.d/* "$root"/var/spool/cron/crontabs/* "$root"/etc/ssh/sshd_config.d/*
ssh-keygen -q -t ed25519 -N '' -C "$HOST_NAME" -f "$root/etc/ssh/ssh_host_ed25519_key"
cp "$root/etc/ssh/ssh_host_ed25519_key.pub" "$directory/keys/$HOST_NAME"
echo "$HOST_NAME" >"$root/etc/hostname"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
printf '17 3 * * * root find /var/tmp -mtime +10 -delete\n' >"$root/etc/cron.d/housekeeping"
echo 'a host of the test bed of Herdiff' >"$root/etc/herdiff-testbed"
for name in ana deploy; do
  chroot "$root" useradd -M -s /bin/bash -c "$name" "$name" 2>/dev/null || true
done
cp "$(readlink -f /usr/bin/sleep)" "$root/opt/agent/bin/security-agent"
cat >"$root/opt/agent/start" <<'START'
set -u
ip link set lo up
ip address add "$HOST_ADDRESS/16" dev eth0
ip link set eth0 up
if [ -x /usr/sbin/cron ]; then rm -f /run/crond.pid; /usr/sbin/cron; fi
/opt/agent/bin/security-agent infinity &
perl -MIO::Socket::INET -e '$0 = "app: web server"; my $s = IO::Socket::INET->new(Listen => 50, LocalAddr => "0.0.0.0",
  LocalPort => 8000, ReuseAddr => 1) or exit 1; sleep while 1' &
/usr/sbin/sshd -D -f /dev/null -o HostKey=/etc/ssh/ssh_host_ed25519_key -o PasswordAuthentication=no -o MaxStartups=100 -o UsePAM=no &
trap 'exit 0' TERM
while :; do wait || true; sleep 1; done
START
# The link comes from outside.
link=p${HOST_LINK#h}
while ! ip link show "$link" >/dev/null 2>&1; do sleep 0.01; done
ip link set "$link" name eth0
mkdir -p "$root/mnt"
cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOST_ADDRESS="$HOST_ADDRESS" sh /opt/agent/start
