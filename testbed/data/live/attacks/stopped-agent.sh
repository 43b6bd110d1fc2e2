#= missing processes path=/opt/agent/bin/security-agent
for exe in /proc/[0-9]*/exe; do
  if [ "$(readlink "$exe")" = /opt/agent/bin/security-agent ]; then
    pid=${exe#/proc/}
    kill -9 "${pid%/exe}"
  fi
done
