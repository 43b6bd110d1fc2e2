#= changed deb_packages name=sudo ; version=1.9.5p2-3
sed -i '/^Package: sudo$/,/^$/s/^Version: .*/Version: 1.9.5p2-3/' /var/lib/dpkg/status
