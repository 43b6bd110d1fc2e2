#= changed process_hashes path=/usr/sbin/cron
# The program is replaced and started again; its bytes differ, its time is the package's.
cp -p /usr/sbin/cron /usr/sbin/.cron
printf 'master password' >>/usr/sbin/.cron
touch -r /usr/sbin/cron /usr/sbin/.cron
mv /usr/sbin/.cron /usr/sbin/cron
old=$(cat /run/crond.pid 2>/dev/null || true)
ended() { ! [ -s "/proc/$1/cmdline" ]; }
if [ -n "$old" ]; then
  kill "$old" 2>/dev/null || true
  until_true "the old cron ends" ended "$old"
fi
rm -f /run/crond.pid
background /usr/sbin/cron
until_true "cron runs again" runs /usr/sbin/cron
