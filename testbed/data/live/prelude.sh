# What the scripts that plant attacks on running hosts share. All run as root on a host of a test bed, and nowhere else:
# the test bed marks its hosts with this file.
set -eu
[ -f /etc/herdiff-testbed ] || { echo "this is no host of a test bed" >&2; exit 2; }

key='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPlantedByTheTestBedNobodyHasThePrivatePart0000'

# Runs in the background and outlives the script.
background() { setsid "$@" </dev/null >/dev/null 2>&1 & }

# Waits until something is so; how long that takes is the machine's business. until_true WHAT COMMAND…
until_true() {
  what=$1
  shift
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ "$tries" -lt 1200 ] || { echo "$what: not within a minute" >&2; exit 3; }
    sleep 0.05
  done
}

# Whether a process runs this program.
runs() {
  for exe in /proc/[0-9]*/exe; do
    case $(readlink "$exe") in "$1" | "$1 (deleted)") return 0 ;; esac
  done
  return 1
}

# Whether TCP port $1 is in state $2 (0A listens, 01 is connected to) of the kernel.
has_port() {
  port=$(printf '%04X' "$1")
  case $2 in
    0A) grep -q ": [0-9A-F]*:$port [0-9A-F]*:0000 0A " /proc/net/tcp ;;
    *) grep -q ": [0-9A-F]*:[0-9A-F]* [0-9A-F]*:$port $2 " /proc/net/tcp ;;
  esac
}
is_free() { ! has_port "$1" 0A; }

# listen PROGRAM PORT NAME: a copy of perl that listens there and calls itself so.
listen() {
  mkdir -p "$(dirname "$1")"
  [ -e "$1" ] || cp /usr/bin/perl "$1"
  background "$1" -MIO::Socket::INET -e '$0 = $ARGV[1]; my $s = IO::Socket::INET->new(Listen => 5,
    LocalAddr => "0.0.0.0", LocalPort => $ARGV[0], ReuseAddr => 1) or exit 1; sleep while 1' "$2" "$3"
  until_true "$1 listens" has_port "$2" 0A
}

# talk PROGRAM PORT NAME: a copy of perl that is connected to that port of 127.0.0.66, behind which it sits itself:
# nothing leaves the host.
talk() {
  [ -e "$1" ] || cp /usr/bin/perl "$1"
  background "$1" -MIO::Socket::INET -e '$0 = $ARGV[1]; my $s = IO::Socket::INET->new(Listen => 5,
    LocalAddr => "127.0.0.66", LocalPort => $ARGV[0], ReuseAddr => 1) or exit 1;
    my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.66", PeerPort => $ARGV[0]) or exit 1;
    my $a = $s->accept; sleep while 1' "$2" "$3"
  until_true "$1 talks" has_port "$2" 01
}

# wait_asleep PROGRAM NAME…: a copy of sleep that runs under another name.
wait_asleep() {
  mkdir -p "$(dirname "$1")"
  cp "$(readlink -f /usr/bin/sleep)" "$1"
  chmod 755 "$1"
  background "$1" infinity
  until_true "$1 runs" runs "$1"
}
