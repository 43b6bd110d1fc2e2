#= changed dns_resolvers address=203.0.113.53
# In place: a container's file is a mount and cannot be replaced.
sed 's/^nameserver .*/nameserver 203.0.113.53/' /etc/resolv.conf >/tmp/.resolv
cat /tmp/.resolv >/etc/resolv.conf
rm /tmp/.resolv
grep -q '^nameserver' /etc/resolv.conf || echo 'nameserver 203.0.113.53' >>/etc/resolv.conf
