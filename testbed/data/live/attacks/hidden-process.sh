#= missing processes path=/usr/local/sbin/.kdump
# Something is mounted over what /proc says of it.
wait_asleep /usr/local/sbin/.kdump
for exe in /proc/[0-9]*/exe; do
  if [ "$(readlink "$exe")" = /usr/local/sbin/.kdump ]; then
    pid=${exe#/proc/}
    mount --bind /var/empty "/proc/${pid%/exe}" 2>/dev/null || mount -t tmpfs none "/proc/${pid%/exe}" 2>/dev/null || true
  fi
done
