# Rules of a host's own namespace where it has one and `iptables`; what restores them at every start in any case.
#= added persistence_files path=/etc/cron.d/netfilter-restore
echo '*/5 * * * * root iptables -I INPUT -s 203.0.113.0/24 -j ACCEPT' >/etc/cron.d/netfilter-restore
