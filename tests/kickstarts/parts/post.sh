systemctl enable qa.service
echo "a\nb"