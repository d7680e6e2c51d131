# SPDX-License-Identifier: GPL-3.0-or-later
# Loads the functions that the lab's scripts share, one topic to a file. Source it, do not run it.
# shellcheck shell=bash disable=SC1091
LAB_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LC_ALL=C PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"
for _topic in base process registry network conf daemons cluster control; do
  . "$LAB_HERE/lib/$_topic.sh"
done
unset _topic
