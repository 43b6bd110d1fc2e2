#= added connections remote_address=127.0.0.66 ; remote_port=8443
talk /usr/bin/perl 8443 '[kworker/0:1]'
