#= added etc_hosts address=203.0.113.66 ; hostnames=security.debian.org deb.debian.org
echo '203.0.113.66 security.debian.org deb.debian.org' >>/etc/hosts
