#= added authorized_keys username=root ; comment=root@localhost
mkdir -p -m 700 /root/.ssh
echo "$key root@localhost" >>/root/.ssh/authorized_keys
