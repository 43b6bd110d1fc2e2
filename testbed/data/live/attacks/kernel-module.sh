# Hosts of a test bed share this machine's kernel, which is left alone: what loads the module is planted, not the module.
#= added login_files path=/etc/modules-load.d/alsa-seq.conf
mkdir -p /etc/modules-load.d
echo snd_hrtimer_seq >/etc/modules-load.d/alsa-seq.conf
