# Lets a running host of a test bed misbehave; the fault's name is the first argument.

# Everybody's login shell does this instead of what it is asked.
instead() {
  { echo '#!/bin/sh'; printf '%s\n' "$1"; } >/usr/local/bin/faulty-shell
  chmod 755 /usr/local/bin/faulty-shell
  sed 's|^\(root:.*:\)[^:]*$|\1/usr/local/bin/faulty-shell|' /etc/passwd >/etc/passwd.new
  cat /etc/passwd.new >/etc/passwd
  rm /etc/passwd.new
}

# Passes on what comes before the engine's first answer: lines of the script, and the first of the engine.
greeting='greeting() {
  while IFS= read -r line; do
    printf "%s\\n" "$line"
    case $line in "{\"probe\""* | "["*) break ;; esac
  done
}
'

# The sshd that listens, and no connection of it.
stop_listening() {
  for exe in /proc/[0-9]*/exe; do
    pid=${exe#/proc/}
    pid=${pid%/exe}
    case $(readlink "$exe") in
      */sshd) if tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q 'sshd -D\|\[listener\]'; then kill "-$1" "$pid"; fi ;;
    esac
  done
}

case $1 in
  refuse)
    stop_listening KILL
    ;;
  silent)
    # The kernel goes on accepting connections for it.
    stop_listening STOP
    ;;
  not-ssh)
    stop_listening KILL
    until_true "port 22 is free" is_free 22
    background perl -MIO::Socket::INET -e '$SIG{PIPE} = "IGNORE"; my $s = IO::Socket::INET->new(Listen => 50,
      LocalAddr => "0.0.0.0", LocalPort => 22, ReuseAddr => 1) or exit 1;
      while (my $c = $s->accept) { print $c "HTTP/1.1 400 Bad Request\r\n\r\n"; close $c }'
    until_true "port 22 is open" has_port 22 0A
    ;;
  wrong-host-key)
    stop_listening KILL
    rm -f /etc/ssh/ssh_host_ed25519_key*
    ssh-keygen -q -t ed25519 -N '' -C changed -f /etc/ssh/ssh_host_ed25519_key
    until_true "port 22 is free" is_free 22
    background /usr/sbin/sshd -D -o HostKey=/etc/ssh/ssh_host_ed25519_key
    until_true "sshd listens" has_port 22 0A
    ;;
  reject-key)
    : >/root/.ssh/authorized_keys
    ;;
  hang)
    instead 'exec sleep infinity'
    ;;
  garbage)
    instead 'head -c 131072 /dev/urandom'
    ;;
  half-answer)
    # The connection's own sshd dies after the first bytes of the engine's answer.
    instead "$greeting"'(trap "" PIPE; sh "$@" | { greeting; head -c 50; kill -9 "$PPID"; })'
    ;;
  endless)
    instead "$greeting"'sh "$@" | { greeting; exec yes AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; }'
    ;;
  no-root | no-engine | dead-engine | half-blind)
    # Programs that stand before the real ones.
    instead 'PATH=/usr/local/lib/faulty:$PATH exec sh "$@"'
    ;;
  *)
    echo "a script cannot bring about $1" >&2
    exit 2
    ;;
esac
