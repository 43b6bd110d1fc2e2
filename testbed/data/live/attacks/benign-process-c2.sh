#= added connections remote_address=127.0.0.66 ; remote_port=8444
# A program that is everywhere talks to where nobody else talks.
talk /usr/bin/perl 8444 '/usr/bin/python3 /usr/bin/networkd-dispatcher'
