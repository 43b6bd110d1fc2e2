#!/bin/sh
# Starts what a container of the fleet runs, as its role says, and stays in front as its first process.
set -eu

# A key of its own for every container, as machines get it at their first boot.
[ -f /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -C "$ROLE" -f /etc/ssh/ssh_host_ed25519_key
mkdir -p /run/sshd /root/.ssh
chmod 700 /root/.ssh
printf '%s\n' "$AUTHORIZED_KEY" >/root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys

cron
/opt/agent/bin/security-agent infinity &
case $ROLE in
  web) nginx ;;
  db) redis-server --bind 0.0.0.0 --protected-mode no --daemonize yes --save '' >/dev/null ;;
esac

/usr/sbin/sshd -D -e -o HostKey=/etc/ssh/ssh_host_ed25519_key -o PasswordAuthentication=no -o MaxStartups=100 &

# A host does not end with its sshd.
trap 'exit 0' TERM INT
while :; do
  sleep 3600 &
  wait $! || true
done
