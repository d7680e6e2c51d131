#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What `make deb` says before, after, and when nothing has changed. Builds nothing: others stand in for swift and
# dpkg-buildpackage.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
die() {
    echo "words: $*" >&2
    exit 1
}

mkdir "$work/bin"
cat >"$work/bin/dpkg-buildpackage" <<'END'
#!/bin/bash
[ "${FAILS:-}" != 1 ] || { echo "no compiler"; exit 1; }
touch ../slurm-grid-agent_1_amd64.deb ../slurm-grid-agent-plugins_1_amd64.deb
END
cat >"$work/bin/swift" <<'END'
#!/bin/bash
[ "$1" = build ] || exit 0
echo "$*" >"$WORK/built"
[ "${BREAKS:-}" != 1 ] || { echo "not a Swift"; exit 1; }
END
chmod +x "$work"/bin/*
deb() { env PATH="$work/bin:$PATH" WORK="$work/deb" SCRATCH="$work/scratch" "$@" "$top/packaging/deb/build.sh" >"$work/out" 2>"$work/err"; }
says() { grep -q -- "$1" "$work/err" || die "not said: $1; but: $(cat "$work/err")"; }

! deb FAILS=1 || die "a build that failed is no failure"
says "no compiler"
! deb BREAKS=1 || die "a program that was not built is no failure"
says "not a Swift"
deb
grep -q -- "-c release .*--scratch-path $work/scratch --product slurm-grid-agent" "$work/deb/built" || die "the program was not built where it is taken from"
says "from nothing.*about 10 minutes"
says "tail -f $work/deb/log"
says "done in 0 min [0-9]* s; install: apt install"
[ "$(wc -l <"$work/out")" = 2 ] || die "prints more than its packages: $(cat "$work/out")"
deb
says "nothing has changed"
[ "$(wc -l <"$work/out")" = 2 ] || die "does not name the packages of before"
mkdir "$work/scratch"
deb DBGSYM=1
says "as much as has changed"
rm "$work/deb/built"
deb BINARY=/bin/true
says "packs /bin/true"
[ ! -e "$work/deb/built" ] || die "built a program although one was given"
echo "words: make deb says what it does, how long it takes, and where the packages are"
