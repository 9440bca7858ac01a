#!/usr/bin/env bash
# Prints user data for a cloud host that becomes a bootstrap node at its first start: cloud-init.sh OPTION…
#
# The options are those of setup.sh, which the user data contain, so the host needs nothing but the package's address:
#
#   Deploy/bootstrap-node/cloud-init.sh --package https://example.org/kachery_0.9.0-1+deb12_amd64.deb --sha256 HEX \
#     --channel our-lab-x7k2 >user-data
set -euo pipefail
setup=$(dirname "$0")/setup.sh

cat <<'END'
#cloud-config
# A kachery bootstrap node on a fresh Debian 12 or 13. Its first start logs to /var/log/cloud-init-output.log.
write_files:
  - path: /usr/local/sbin/kachery-bootstrap-setup
    permissions: "0755"
    content: |
END
sed -e 's/^/      /' -e 's/ *$//' "$setup"
echo 'runcmd:'
printf '  - [/usr/local/sbin/kachery-bootstrap-setup'
for word in "$@"; do
  [[ ! "$word" =~ [\"\\] ]] || { echo "cloud-init: '$word' contains a quote or a backslash." >&2; exit 2; }
  printf ', "%s"' "$word"
done
echo ']'
