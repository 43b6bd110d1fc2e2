# Runs on the host, as POSIX sh without anything else (dash, busybox, bash): see docs/PROTOCOL.md.
# $1 is the number of seconds after which the engine is killed. Lines like this one and indentation are not sent.
#
# Standard output belongs to the collector and the engine: what this script says starts with byte 036, on a line of its
# own. Whatever happens, the private directory goes: on success, on failure, when a signal comes, when the collector or
# its connection dies. Without a terminal sshd sends no signal then. So a heartbeat writes to standard error, where
# nobody is left to read it, and that ends the script.
LC_ALL=C
export LC_ALL
umask 077
ulimit -c 0 2>/dev/null
limit=$1
dir=
stay=
engine=
minder=
killed=false
leftovers=0
uid=$(id -u)

say() {
  printf '\n\036%s\n' "$1"
}

# With all that it started, where it has a group of its own.
end_engine() {
  kill -KILL "-$engine" 2>/dev/null || kill -KILL "$engine" 2>/dev/null
}

finish() {
  trap '' HUP INT TERM PIPE
  trap - EXIT
  [ -n "$minder" ] && kill -KILL "$minder" 2>/dev/null
  [ -n "$engine" ] && end_engine && wait "$engine" 2>/dev/null
  removed=true
  if [ -n "$dir" ]; then
    cd /
    rm -rf -- "$dir" 2>/dev/null
    [ -e "$dir" ] && removed=false
  fi
  if [ "$stay" = go ] && is_ours "$keep"; then
    rm -rf -- "$keep" 2>/dev/null
    [ -e "$keep" ] && removed=false
  fi
  say "{\"receipt\":1,\"status\":$1,\"killed\":$killed,\"removed\":$removed,\"leftovers\":$leftovers}" 2>/dev/null
  exit 0
}

fault() {
  say "{\"fault\":\"$1\",\"detail\":\"$2\"}"
  finish 1
}

trap 'finish 129' HUP
trap 'finish 130' INT
trap 'finish 143' TERM
trap 'finish 141' PIPE
trap 'finish 1' EXIT

# A directory of an earlier visit whose script was killed. Its name holds the id of that script.
clear_leftovers() {
  for old in "$1"/.herdiff.*; do
    [ -d "$old" ] && [ ! -L "$old" ] && [ -O "$old" ] || continue
    pid=${old##*/.herdiff.}
    pid=${pid%%.*}
    case $pid in
      ''|*[!0-9]*) continue ;;
    esac
    kill -0 "$pid" 2>/dev/null && continue
    rm -rf -- "$old" 2>/dev/null && leftovers=$((leftovers + 1))
  done
}

# The first place where a file can be written and run.
for base in /dev/shm "/run/user/$uid" /tmp /var/tmp "$HOME"; do
  case $base in
    ''|[!/]*|*[!A-Za-z0-9/._+-]*) continue ;;
  esac
  [ -d "$base" ] && [ -w "$base" ] || continue
  clear_leftovers "$base"
  dir=$(mktemp -d "$base/.herdiff.$$.XXXXXXXXXX" 2>/dev/null) || {
    dir=$base/.herdiff.$$.$(date +%s)
    mkdir -m 700 "$dir" 2>/dev/null || { dir=; continue; }
  }
  if printf '#!/bin/sh\nexit 0\n' > "$dir/try" 2>/dev/null && chmod 700 "$dir/try" && "$dir/try" 2>/dev/null; then
    rm -f "$dir/try"
    break
  fi
  rm -rf -- "$dir"
  dir=
done
[ -n "$dir" ] || fault directory 'no directory is both writable and executable: tried /dev/shm, /run/user, /tmp, /var/tmp, HOME'
cd "$dir" || fault directory 'the private directory cannot be entered'

osqueryi=
for p in "$(command -v osqueryi 2>/dev/null)" /usr/bin/osqueryi /usr/local/bin/osqueryi /opt/osquery/bin/osqueryi; do
  case $p in
    /*[!A-Za-z0-9/._+-]*) ;;
    /*) [ -x "$p" ] && osqueryi=$p && break ;;
  esac
done
digest() {
  if command -v sha256sum >/dev/null 2>&1; then
    set -- $(sha256sum "$1")
  elif command -v openssl >/dev/null 2>&1; then
    set -- $(openssl dgst -sha256 -r "$1")
  elif command -v shasum >/dev/null 2>&1; then
    set -- $(shasum -a 256 "$1")
  elif command -v busybox >/dev/null 2>&1; then
    set -- $(busybox sha256sum "$1" 2>/dev/null)
  else
    set --
  fi
  printf %s "$1"
}

# A directory that nobody but this user can have made or can write to.
is_ours() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] || return 1
  case $(ls -ld "$1") in
    drwx------*) ;;
    *) return 1 ;;
  esac
}

# Engines that an earlier visit was asked to leave, by their hashes.
keep=$base/.herdiff-engine.$uid
kept=
if is_ours "$keep"; then
  for name in herdiff-probe osqueryi; do
    [ -f "$keep/$name" ] && kept="$kept $(digest "$keep/$name")"
  done
fi

arch=$(uname -m)
case $arch in
  *[!A-Za-z0-9_.-]*) arch=unknown ;;
esac
say "{\"hello\":1,\"arch\":\"$arch\",\"uid\":$uid,\"dir\":\"$dir\",\"osqueryi\":\"$osqueryi\",\"kept\":\"$kept\"}"

IFS=' ' read -r choice hash bytes stay || finish 141

# An asynchronous command has /dev/null for its input, so the channel is kept as 3.
exec 3<&0 </dev/null
gently=
command -v setsid >/dev/null 2>&1 && gently=setsid
command -v nice >/dev/null 2>&1 && gently="$gently nice -n 10"
command -v ionice >/dev/null 2>&1 && gently="$gently ionice -c 2 -n 7"
HOME=$dir
export HOME
unset TMPDIR OSQUERY_WORKER LD_PRELOAD LD_LIBRARY_PATH

shell='--json --flagfile=/dev/null --config_path=/dev/null --disable_database --disable_extensions --disable_events'

# Once it was checked it is left where that is wanted, and runs from there.
place() {
  checked=true
  at=$dir
  if [ "$bytes" = kept ]; then
    is_ours "$keep" && sum=$(digest "$keep/$name") && [ "$sum" = "$hash" ] || fault hash 'the engine that was left there has changed'
    got=0
    at=$keep
  else
    cat <&3 > "$name" || fault upload 'the engine could not be written: is the file system full?'
    got=$(wc -c < "$name")
    [ "$((got))" = "$bytes" ] || fault upload "$((got)) of $bytes bytes arrived"
    sum=$(digest "$name")
    [ -z "$sum" ] || [ "$sum" = "$hash" ] || fault hash "SHA-256 is $sum"
    chmod 700 "$name"
    [ -n "$sum" ] || checked=false
    if [ "$stay$checked" = staytrue ]; then
      mkdir -m 700 "$keep" 2>/dev/null
      is_ours "$keep" && mv -f "$name" "$keep/$name" 2>/dev/null && at=$keep
    fi
  fi
  left=false
  [ "$stay$at" = "stay$keep" ] && left=true
  say "{\"placed\":\"$at/$name\",\"bytes\":$((got)),\"checked\":$checked,\"left\":$left}"
}

case $choice in
  probe)
    name=herdiff-probe
    IFS= read -r request <&3 || finish 141
    printf '%s\n' "$request" > request || fault upload 'the request could not be written'
    place
    ( ulimit -t "$limit" 2>/dev/null; exec $gently "$at/$name" --sweep < request 3<&- ) &
    ;;
  pushed)
    name=osqueryi
    while IFS= read -r request <&3 && [ "$request" != . ]; do
      printf '%s\n' "$request"
    done > request || fault upload 'the request could not be written'
    place
    ( ulimit -t "$limit" 2>/dev/null; exec $gently "$at/$name" $shell < request 3<&- ) &
    ;;
  osqueryi)
    [ -n "$osqueryi" ] || fault engine 'there is no osqueryi'
    ( ulimit -t "$limit" 2>/dev/null; exec $gently "$osqueryi" $shell <&3 3<&- ) &
    ;;
  *)
    finish 0
    ;;
esac
engine=$!
exec 3<&-
trap 'killed=true; end_engine' USR1

# Its sleep outlives it for a moment, and must not keep the channel open meanwhile.
(
  trap - HUP INT TERM EXIT
  trap 'kill -PIPE $$; exit' PIPE
  while sleep 2 >/dev/null 2>&1; do
    limit=$((limit - 2))
    [ "$limit" -gt 0 ] || { kill -USR1 $$; exit; }
    printf '\036\n' >&2 || kill -PIPE $$
  done
) >/dev/null 3<&- &
minder=$!

# A signal ends `wait` before the engine has ended.
status=200
while kill -0 "$engine" 2>/dev/null; do
  wait "$engine"
  status=$?
done
# The signal may have come last, and the engine have ended meanwhile: a shell that has told its end before says 127.
wait "$engine" 2>/dev/null
told=$?
[ "$told" = 127 ] || status=$told
engine=
finish "$status"
