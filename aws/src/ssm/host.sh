# Runs on the host through Systems Manager, as POSIX sh: see docs/AWS.md. Lines like this one and indentation are not
# sent. Set before it: token limit most chunk keep choice engines.
#
# It fetches the engine where the host has none, checks it, and runs the very script that runs over SSH (remote.sh), with a
# file in place of the channel. What that prints is compressed into a private directory, and the first piece of it is
# printed; the others are fetched by further commands, the last of which removes the directory. Whatever becomes of
# those, a janitor in a session of its own removes it when nobody comes. The exit status is 0 or 1: others mean things to
# the agent.
LC_ALL=C
export LC_ALL
umask 077
ulimit -c 0 2>/dev/null
uid=$(id -u)
dir=
runner=

say() {
  printf '#herdiff %s\n' "$1"
}

clear_all() {
  if [ -n "$dir" ]; then
    cd /
    if [ -n "$runner" ] && read -r pid < "$dir/pid" 2>/dev/null; then
      kill -TERM "$pid" 2>/dev/null && wait "$runner"
    fi
    rm -rf -- "$dir" 2>/dev/null
    if [ -e "$dir" ]; then say '{"removed":false}'; else say '{"removed":true}'; fi
  fi
}

fault() {
  trap - EXIT
  trap '' HUP INT TERM PIPE
  say "{\"fault\":\"$1\",\"detail\":\"$2\"}"
  clear_all
  exit 1
}

trap 'fault signal "the script was told to end"' HUP INT TERM PIPE
trap 'fault script "the script ended early"' EXIT

for tool in base64 gzip head tail mkfifo tr wc; do
  command -v "$tool" >/dev/null 2>&1 || fault tools "there is no $tool on the host"
done

digest() {
  if command -v sha256sum >/dev/null 2>&1; then
    set -- $(sha256sum < "$1")
  elif command -v openssl >/dev/null 2>&1; then
    set -- $(openssl dgst -sha256 -r < "$1")
  elif command -v shasum >/dev/null 2>&1; then
    set -- $(shasum -a 256 < "$1")
  else
    set --
  fi
  case $1 in
    *[!0-9a-f]*) ;;
    *) printf %s "$1" ;;
  esac
}

# Where the agent runs for several machines at once, each has its own directory.
case $AWS_SSM_INSTANCE_ID in
  *[!A-Za-z0-9-]*) name=$token ;;
  *) name=$token.$AWS_SSM_INSTANCE_ID ;;
esac
for base in /dev/shm "/run/user/$uid" /tmp /var/tmp "$HOME"; do
  case $base in
    ''|[!/]*|*[!A-Za-z0-9/._+-]*) continue ;;
  esac
  [ -d "$base" ] && [ -w "$base" ] || continue
  # What a killed command left, and its janitor too.
  find "$base" -maxdepth 1 -type d -name '.herdiff.ssm.*' -user "$uid" -mmin +1440 -exec rm -rf {} + 2>/dev/null
  dir=$base/.herdiff.ssm.$name
  break
done
[ -n "$dir" ] || fault directory 'no directory is writable: tried /dev/shm, /run/user, /tmp, /var/tmp, HOME'

# The agent ends a command by killing its process group, which no trap survives; so the janitor is in a session of its own.
# It makes the directory, so that there is none without it. It goes when the directory does, and ends it when the command
# is gone without a result, or when nobody fetched that in time.
own=
command -v setsid >/dev/null 2>&1 && own=setsid
made=$($own /bin/sh -c '
mkdir -m 700 "$1" 2>/dev/null || exit
echo yes
exec >/dev/null
left=$3
while [ -d "$1" ]; do
  sleep 2
  left=$((left - 2))
  if [ "$left" -gt 0 ]; then
    [ -e "$1/ready" ] && continue
    kill -0 "$2" 2>/dev/null && continue
  fi
  read -r pid < "$1/pid" 2>/dev/null
  rm -rf -- "$1"
  case $pid in
    ""|*[!0-9]*) exit ;;
  esac
  kill -TERM "$pid" 2>/dev/null && sleep 2
  kill -0 "$pid" 2>/dev/null && exit
  for base in /dev/shm "/run/user/$4" /tmp /var/tmp "$HOME"; do
    for old in "$base/.herdiff.$pid".*; do
      [ -d "$old" ] && [ ! -L "$old" ] && [ -O "$old" ] && rm -rf -- "$old"
    done
  done
done
' herdiff-janitor "$dir" "$$" "$((limit + keep))" "$uid" </dev/null 2>/dev/null &)
if [ "$made" != yes ]; then
  dir=
  fault directory "the private directory cannot be made in $base"
fi
cd "$dir" || fault directory 'the private directory cannot be entered'

unpack() {
  base64 -d > packed 2>/dev/null && gzip -dc < packed > "$1" 2>/dev/null || fault tools "the host cannot unpack with base64 and gzip"
  rm -f packed
}

#{files}

# The same rule by which the collector will read the answer.
osqueryi=
for p in "$(command -v osqueryi 2>/dev/null)" /usr/bin/osqueryi /usr/local/bin/osqueryi /opt/osquery/bin/osqueryi; do
  case $p in
    /*[!A-Za-z0-9/._+-]*) ;;
    /*) [ -x "$p" ] && osqueryi=$p && break ;;
  esac
done
arch=$(uname -m)
case $arch in
  amd64|x64) arch=x86_64 ;;
  arm64) arch=aarch64 ;;
  i386|i486|i586) arch=i686 ;;
esac

fetch() {
  if command -v curl >/dev/null 2>&1; then
    curl -fsS --max-time 120 --max-filesize "$2" -o engine "$1" 2>why
  elif command -v wget >/dev/null 2>&1; then
    wget -q -T 120 -O engine "$1" 2>why
  else
    fault fetch 'there is neither curl nor wget on the host'
  fi
}

engine=
if [ -n "$osqueryi" ] && [ "$choice" != probe ]; then
  engine=osqueryi
elif [ "$choice" != osqueryi ]; then
  while read -r name hash bytes url; do
    [ "$name" = "$arch" ] || continue
    fetch "$url" "$bytes" || fault fetch 'the engine could not be fetched: has the host a way to S3?'
    got=$(wc -c < engine)
    [ "$((got))" = "$bytes" ] || fault fetch "$((got)) of $bytes bytes of the engine arrived"
    sum=$(digest engine)
    [ -n "$sum" ] || fault tools 'the host has nothing to make a SHA-256 with'
    [ "$sum" = "$hash" ] || fault hash "SHA-256 of the engine is $sum"
    engine=probe
    break
  done <<END
$engines
END
fi

give() {
  case $engine in
    probe)
      printf 'probe %s %s\n' "$hash" "$bytes"
      cat request engine
      ;;
    osqueryi)
      printf 'osqueryi %s\n' "$osqueryi"
      cat statements
      ;;
    *)
      echo quit
      ;;
  esac
}

# Both streams are cut where the collector would stop to listen. What writes on into a closed pipe ends.
mkfifo err.pipe || fault directory 'there is no room for a pipe'
{ head -c 65536; cat > /dev/null; } < err.pipe | gzip -9c > err.gz &
errors=$!
give | /bin/sh -c 'echo $$ > pid; exec /bin/sh ./remote.sh "$1" 2> err.pipe' sh "$limit" | head -c "$most" | gzip -9c > out.gz &
runner=$!
wait "$runner"
runner=
wait "$errors"
rm -f engine request statements remote.sh err.pipe
out=$(wc -c < out.gz)
err=$(wc -c < err.gz)
cat out.gz err.gz > all || fault directory 'the answer could not be written: is the file system full?'
rm -f out.gz err.gz
size=$((out + err))
[ "$(($(wc -c < all)))" = "$size" ] || fault directory 'the answer could not be written: is the file system full?'
sum=$(digest all)
[ -n "$sum" ] || fault tools 'the host has nothing to make a SHA-256 with'
n=$(((size + chunk - 1) / chunk))
echo "$n" > n
: > ready
trap - EXIT
say "{\"herdiff\":1,\"out\":$((out)),\"err\":$((err)),\"sha256\":\"$sum\",\"chunks\":$n,\"dir\":\"$dir\"}"
head -c "$chunk" all | base64 | tr -d '\n'
echo
[ "$n" -gt 1 ] || clear_all
exit 0
