#= added listening_ports port=8080 ; process_path=/usr/lib/.apache2
listen /usr/lib/.apache2 8080 '/usr/sbin/apache2 -k start'
