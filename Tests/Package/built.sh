#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Looks at the packages that `make deb` has built: lintian, size, what they depend on and link, the unit, the manual pages,
# the completion, the shipped configuration. Installs nothing.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
built=$top/.build/deb
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() {
    echo "built: $*" >&2
    exit 1
}

# shellcheck source=../../packaging/silent.sh
. "$top/packaging/silent.sh"

# deb NAME: its one package.
deb() {
    local files=("$built/$1"_*.deb)
    [ ${#files[@]} = 1 ] && [ -e "${files[0]}" ] || die "$built has not one package $1: make deb"
    echo "${files[0]}"
}

agent=$(deb slurm-grid-agent) plugins=$(deb slurm-grid-agent-plugins)

# lintian says so when it runs as root.
lintian --no-cfg --fail-on error,warning "$built"/*.changes 2> >(grep -v 'root privileges' >&2) || die "lintian is not content"

size=$(stat -c %s "$agent")
[ "$size" -le $((30 << 20)) ] || die "$(basename "$agent") has $((size >> 20)) MiB; 30 are the most"

root=$work/root
dpkg-deb -x "$agent" "$root"
dpkg-deb -x "$plugins" "$root"
program=$root/usr/bin/slurm-grid-agent

# Debian's libraries alone: Swift's own are inside.
for library in $(objdump -p "$program" | awk '$1 == "NEEDED" { print $2 }'); do
    case $library in
        libslurm.so.* | libmunge.so.* | libsecp256k1.so.* | libcrypto.so.* | libssl.so.* | libsqlite3.so.* | libstdc++.so.* | libgcc_s.so.* | libz.so.* | libc.so.* | libm.so.* | libresolv.so.* | ld-linux*) ;;
        *) die "the daemon needs $library" ;;
    esac
done

# The Slurm series, and never one exact release.
for package in "$agent" "$plugins"; do
    depends=$(dpkg-deb -f "$package" Depends)
    grep -Eq 'slurm-wlm-basic-plugins \(>= [0-9:]*[0-9]{2}\.[0-9]{2}\), slurm-wlm-basic-plugins \(<< [0-9:]*[0-9]{2}\.[0-9]{2}\)' <<<"$depends" || die "$depends"
    ! grep -Eq 'slurm[^,]*\(= ' <<<"$depends" || die "an exact release: $depends"
done

# Both plugins beside Slurm's own; the records of the Slurm that is here can be read.
for plugin in jobcomp spank; do
    file=$(find "$root" -name "${plugin}_grid_agent.so")
    dpkg-query -S "${file#"$root"}" >/dev/null 2>&1 || dpkg-query -S "$(dirname "${file#"$root"}")/auth_munge.so" >/dev/null || die "$file is not where Slurm's plugins are"
done
! grep -q "built without Slurm's private headers" "$root"/usr/lib/*/slurm-wlm/jobcomp_grid_agent.so || die "the jobcomp plugin cannot read records"

# Whose licences are in it: also where what is in PATH is a version manager's, elsewhere than the toolchain.
mkdir "$work/bin"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$(command -v swift)" >"$work/bin/swift"
chmod 755 "$work/bin/swift"
(PATH=$work/bin:$PATH && [ -s "$("$top/packaging/toolchain.sh")/share/swift/LICENSE.txt" ]) || die "the toolchain is not found behind another program of the name"
zgrep -q "^Swift's libraries$" "$root/usr/share/doc/slurm-grid-agent/third-party.gz" || die "third-party lacks Swift's libraries"

# What the administrator changes is kept, what is secret is shut.
[ "$(dpkg-deb --fsys-tarfile "$agent" | tar -tv ./etc/slurm-grid-agent/credentials/ | awk '{ print $1, $2 }')" = "drwx------ root/root" ] || die "others can enter the folder of credentials"
diff <(dpkg-deb -I "$agent" conffiles | sort) <(printf '/etc/%s\n' default/slurm-grid-agent slurm-grid-agent/config.yaml) || die "other configuration files"

# A daemon of Slurm is none of ours to restart.
for package in "$agent" "$plugins"; do
    for script in preinst postinst prerm postrm; do
        ! dpkg-deb -I "$package" "$script" 2>/dev/null | grep -E '(systemctl|invoke-rc\.d|deb-systemd-invoke|service).*(slurmctld|slurmd|slurmdbd|munge)' || die "$script of $package touches Slurm's daemons"
    done
done

unit=$(find "$root" -name slurm-grid-agent.service)
sed "s,/usr/bin/slurm-grid-agent,$program," "$unit" >"$work/slurm-grid-agent.service"
silent "the unit" systemd-analyze verify --man=no "$work/slurm-grid-agent.service"
silent "the unit's sandbox" systemd-analyze security --offline=true --threshold=16 "$work/slurm-grid-agent.service"

pages=0
while read -r page; do
    silent "$page" env LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$page"
    # A page that is only another name for one is a link.
    [ -L "$page" ] || [ "$(wc -l <"$work/out")" -gt 50 ] || die "$page is short"
    pages=$((pages + 1))
done < <(find "$root/usr/share/man" -name '*.gz')
[ "$pages" = 5 ] || die "$pages manual pages"
zgrep -q '^\.SS ledger list$' "$root"/usr/share/man/man1/slurm-grid-agent.1.gz || die "slurm-grid-agent(1) lacks commands"
zgrep -q 'bridge.listen' "$root"/usr/share/man/man5/slurm-grid-agent.yaml.5.gz || die "slurm-grid-agent.yaml(5) lacks keys"

completion=$root/usr/share/bash-completion/completions/slurm-grid-agent
bash -n "$completion"
# completed WORD...: what bash offers for the last one
completed() {
    # shellcheck disable=SC2016  # for the other shell
    bash -c '. "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        $(complete -p slurm-grid-agent | sed "s/.*-F \([^ ]*\).*/\1/") slurm-grid-agent "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}" && echo "${COMPREPLY[*]}"' \
        "$completion" slurm-grid-agent "$@" || die "the completion of \"$*\" does not work"
}
[ "$(completed led)" = ledger ] || die "the completion knows no ledger: $(completed led)"
[ "$(completed check --admin.tok)" = --admin.token-file ] || die "the completion knows no keys: $(completed check --admin.tok)"
[ "$(completed submit --mem)" = "--mem --mem-per-cpu" ] || die "the completion stops at an option: $(completed submit --mem)"

# The shipped configuration is in order, and does nothing.
"$program" config show --config "$root/etc/slurm-grid-agent/config.yaml" >"$work/shown" || die "the shipped configuration is not in order"
! grep -qv '^ *\(#.*\)\?$' "$root/etc/slurm-grid-agent/config.yaml" || die "the shipped configuration sets something"
for file in third-party.gz copyright changelog.gz README.md CHANGELOG.md metrics.md examples/config.yaml; do
    [ -s "$root/usr/share/doc/slurm-grid-agent/$file" ] || die "no $file"
done
! grep -rn '<!--' "$root"/usr/share/doc/*/*.md || die "pages with what is for the tests only"
# Each link of a page leads to a page beside it, or out of the machine.
while IFS=: read -r page link; do
    target=${link#"]("}
    target=${target%%[#)]*}
    [ -z "$target" ] || [ -e "$(dirname "$page")/$target" ] || die "$page links to $target, which is not installed"
done < <(grep -roE '\]\([^():]+\)' "$root"/usr/share/doc/*/*.md)
# The newest version's lines are the changelog's, those of its last change too.
last=$(grep -E '^- ' "$top/CHANGELOG.md" | tail -n 1 | cut -d ' ' -f 2-6 | tr -d '`')
for package in slurm-grid-agent slurm-grid-agent-plugins; do
    zcat "$root/usr/share/doc/$package/changelog.gz" | tr -s ' \n' ' ' | grep -qF "* $last" || die "the changelog of $package lacks: $last"
done
echo "built: $(basename "$agent"), $((size >> 20)) MiB, and $(basename "$plugins") are as they must be"
