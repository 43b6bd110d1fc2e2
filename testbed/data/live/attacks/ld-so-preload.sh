#= added persistence_files path=/etc/ld.so.preload
# A library that is there and does nothing: every program goes on working.
ls /usr/lib/*-linux-gnu/libdl.so.2 >/etc/ld.so.preload
