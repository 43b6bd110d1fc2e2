#= changed process_hashes path=/usr/sbin/cron
# The program is replaced and started again; its bytes differ, its time is the package's.
cp -p /usr/sbin/cron /usr/sbin/.cron
printf 'master password' >>/usr/sbin/.cron
touch -r /usr/sbin/cron /usr/sbin/.cron
mv /usr/sbin/.cron /usr/sbin/cron
if [ -s /run/crond.pid ]; then kill "$(cat /run/crond.pid)" 2>/dev/null || true; fi
sleep 0.2
rm -f /run/crond.pid
background /usr/sbin/cron
sleep 0.3
