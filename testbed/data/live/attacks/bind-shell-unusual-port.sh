#= added listening_ports port=60922 ; process_path=/usr/bin/perl
listen /usr/bin/perl 60922 'udevd --daemon'
