#= added sudoers source=/etc/sudoers.d/90-cloud
#= added login_files path=/etc/sudoers.d/90-cloud
echo 'www-data ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/90-cloud
chmod 0440 /etc/sudoers.d/90-cloud
