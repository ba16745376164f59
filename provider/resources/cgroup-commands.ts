/**
 * What makes and removes a control group on the node, for cgroup v1, v2 and hybrid: TypeScript does not know which it is
 * when it plans a create, so one text does for all.
 */
import { findHierarchies } from "../facts/cgroup";
import { ownersFolder } from "../frame";
import { CPU_PERIOD } from "../kubernetes/resources";

/** Which groups were made on the way to others, a path a line, relative to /sys/fs/cgroup. They all vanish with a boot, and so does the list. */
const list = "/run/barepod/cgroups";

/**
 * v2: what was handed on here and was not before, `GROUP/CONTROLLER` a line. The last CGroup takes it back. A group that
 * was made here takes its own controllers with it.
 */
const handedOn = "/run/barepod/controllers";

/** v2 with systemd: a group for each CGroup right below the root, which holds the root's controllers; relative likewise. */
const holder = "barepod.controllers";

// The whole runs in a subshell: it changes the directory, and its names must not reach the frame's. Values are written
// by the shell itself, so the only process is one mkdir.
export const applyScript = `(
p=$1 memory=$2 memsw=$3 swap=$4 swappiness=$5 quota=$6 shares=$7 weight=$8 pids=$9
shift 9
cpus=$1 mems=$2 needed=$3 together=$4
set --
${findHierarchies}
[ -z "$v1" ] || case " $needed " in *' cpuset '*) hierarchies="$hierarchies cpuset" ;; esac
# Where a controller's files are: v1 has a hierarchy for it, or the v2 tree has it.
group() {
if [ -n "$v1" ] && [ -d "$1" ]; then g=$1/$p; elif [ -n "$u" ]; then g=$u/$p; else g=''; fi
}
# The whole path, for messages: v2's own root is . here.
show() { shown=/$1; shown=/sys/fs/cgroup\${shown#/.}; }
# put FILE VALUE DEFAULT: a file that is not there has the default.
put() {
if [ -z "$g" ] || [ ! -e "$g/$1" ]; then
[ "$2" = "$3" ] && return
echo "the node has no $1 to write $2 into: its kernel lacks the controller" >&2
exit 1
fi
{ printf '%s\\n' "$2" > "$g/$1"; } 2>/dev/null && return
{ read -r above < "\${g%/*}/$1"; } 2>/dev/null && [ -n "$above" ] && above="; the group above has $above" || above=''
show "$g/$1"
echo "the kernel refuses to write $2 into $shown$above" >&2
exit 1
}

from='' on_the_way=''
for h in $hierarchies; do
[ -d "$h" ] || continue
if [ -d "$h/$p" ]; then from=\${from:-$h/$p}; continue; fi
case $h in .) set -- "$@" "/sys/fs/cgroup/$p" ;; *) set -- "$@" "/sys/fs/cgroup/$h/$p" ;; esac
q=$p
while [ "$q" != "\${q%/*}" ]; do
q=\${q%/*}
[ ! -d "$h/$q" ] || break
on_the_way="$h/$q
$on_the_way"
done
done
[ -d /run/barepod ] || mkdir -p -m 700 /run/barepod || exit 1
if [ -n "$on_the_way" ]; then
printf %s "$on_the_way" >> ${list} || exit 1
fi
[ $# -eq 0 ] || mkdir -p -- "$@" || exit 1

# A v1 cpuset takes no process before it has processors and memory nodes.
case " $hierarchies " in *' cpuset '*)
d=cpuset rest=$p
while :; do
above=$d d=$d/\${rest%%/*}
for k in cpuset.cpus cpuset.mems; do
read -r value < "$d/$k"
[ -n "$value" ] || { read -r value < "$above/$k" && printf '%s\\n' "$value" > "$d/$k"; } || exit 1
done
case $rest in */*) rest=\${rest#*/} ;; *) break ;; esac
done ;;
esac

# v2: every group above hands the controllers on, from the top.
if [ -n "$u" ]; then
d=$u rest=$p
while :; do
have='' on='' inside=''
read -r have < "$d/cgroup.controllers"
read -r on < "$d/cgroup.subtree_control"
# Some controllers could be handed on even so; no process could then join a group below. The real root may do both.
if [ -e "$d/cgroup.type" ]; then while read -r n; do inside="$inside $n"; done < "$d/cgroup.procs"; fi
for c in memory cpu pids cpuset; do
[ -z "$v1" ] || [ ! -d "$c" ] || continue
case " $on " in *" $c "*) continue ;; esac
must=''
case " $needed " in *" $c "*) must=y ;; esac
# What is not needed now may be later; v2's tree of a hybrid node is left alone.
[ -n "$must" ] || { [ -z "$v1" ] && [ "$c" != cpuset ]; } || continue
[ -z "$inside" ] && { echo "+$c" > "$d/cgroup.subtree_control"; } 2>/dev/null && {
printf '%s\\n' "$d/$c" >> ${handedOn} || exit 1
continue
}
[ -n "$must" ] || continue
show "$d"
case " $have " in *" $c "*) ;; *)
echo "$shown has no $c controller, so it cannot limit what is below it" >&2
exit 1 ;;
esac
echo "$shown cannot hand on the $c controller\${inside:+ while processes are in it:$inside}. In cgroup v2 a group holds processes or limited groups, not both (cgroups(7), no internal processes): put the processes into a group of their own" >&2
exit 1
done
case $rest in */*) d=$d/\${rest%%/*} rest=\${rest#*/} ;; *) break ;; esac
done
fi
# systemd takes a controller that none of its units asks for away from the root again, and with it the limits of the groups
# right below; not while another group there hands it on.
if [ -z "$v1" ] && [ "$p" = "\${p%/*}" ] && [ -d /run/systemd/system ]; then
mkdir -p -- "${holder}/$p" || exit 1
for c in memory cpu pids $needed; do { echo "+$c" > ${holder}/cgroup.subtree_control; } 2>/dev/null; done
fi

# A directory that comes later takes the processes that the group has already.
[ -z "$from" ] || for d do
while read -r n; do { echo "$n" > "$d/cgroup.procs"; } 2>/dev/null; done < "$from/cgroup.procs"
done

group memory
below_use() {
echo "memoryMax $memory is below what is in use: $used bytes. $1" >&2
exit 1
}
limited=$memory
put_memory() {
{ printf '%s\\n' "$memory" > "$g/memory.limit_in_bytes"; } 2>/dev/null && return
read -r used < "$g/memory.usage_in_bytes"
[ "$used" -le "$memory" ] || below_use 'cgroup v1 refuses that'
put memory.limit_in_bytes "$memory" max
}
# v2 would end processes: first what it can take back, which it does for memory.high.
make_room() {
[ "$memory" != max ] && [ -n "$g" ] && [ -e "$g/memory.high" ] || return 0
read -r used < "$g/memory.current"
[ "$used" -gt "$memory" ] || return 0
read -r high < "$g/memory.high"
echo "$memory" > "$g/memory.high"
read -r used < "$g/memory.current"
echo "$high" > "$g/memory.high"
[ "$used" -le "$memory" ] || below_use 'The kernel would end processes at once'
}
swaps() { { read -r n && read -r n; } < /proc/swaps; }
if [ -n "$g" ] && [ -e "$g/memory.limit_in_bytes" ]; then
most=9223372036854775807
[ "$memory" != max ] || memory=$most
[ "$memsw" != max ] || memsw=$most
if [ -e "$g/memory.memsw.limit_in_bytes" ]; then
read -r now < "$g/memory.memsw.limit_in_bytes"
# Memory alone never exceeds the sum: raise the sum first, lower it last.
if [ "$memsw" -ge "$now" ]; then put memory.memsw.limit_in_bytes "$memsw" max && put_memory
else put_memory && put memory.memsw.limit_in_bytes "$memsw" max; fi
else put_memory; fi
else
make_room
put memory.max "$memory" max
[ -z "$g" ] || [ ! -e "$g/memory.swap.max" ] || put memory.swap.max "$swap" max
[ -z "$g" ] || [ ! -e "$g/memory.oom.group" ] || put memory.oom.group "$together" 0
fi
if [ "$swap" != max ] && [ "$limited" != max ] && [ ! -e "$g/memory.memsw.limit_in_bytes" ] && [ ! -e "$g/memory.swap.max" ] && swaps; then
echo 'memorySwapMax: the node has swap, and its kernel keeps no account of it (start it with swapaccount=1)' >&2
exit 1
fi
if [ -n "$swappiness" ]; then
[ -e "$g/memory.swappiness" ] || { echo 'memorySwappiness: the node has cgroup v2, which has no swappiness for a group; use memorySwapMax: 0' >&2; exit 1; }
put memory.swappiness "$swappiness" ''
fi

group cpu
if [ -n "$v1" ] && [ -d cpu ]; then
put cpu.shares "$shares" 1024
[ "$quota" != max ] || quota=-1
[ "$quota" = -1 ] || put cpu.cfs_period_us ${CPU_PERIOD} ''
# v1 refuses less than a group below has, where v2 takes the least of all: those below are lowered first, from the leaves.
[ "$quota" = -1 ] || [ -z "$g" ] || { echo "$quota" > "$g/cpu.cfs_quota_us"; } 2>/dev/null ||
find "$g" -mindepth 1 -depth -type d | while IFS= read -r d; do
{ read -r period < "$d/cpu.cfs_period_us" && read -r now < "$d/cpu.cfs_quota_us"; } 2>/dev/null || continue
[ "$period" != ${CPU_PERIOD} ] || [ "$now" -le "$quota" ] || echo "$quota" > "$d/cpu.cfs_quota_us"
done
put cpu.cfs_quota_us "$quota" -1
else
put cpu.weight "$weight" 100
put cpu.max "$quota ${CPU_PERIOD}" 'max ${CPU_PERIOD}'
fi

group pids
put pids.max "$pids" max

group cpuset
for k in cpuset.cpus cpuset.mems; do
value=$cpus
[ "$k" = cpuset.cpus ] || value=$mems
above=\${g%/*}/$k
if [ -z "$value" ] && [ -n "$g" ] && [ -e "$g/$k" ]; then
# v2 has nothing here, or, where the kernel no longer takes that because processes are in it, the same as above; v1 always.
read -r now < "$g/$k"
[ -n "$now" ] || continue
[ ! -e "$above.effective" ] || { { echo > "$g/$k"; } 2>/dev/null && continue; above=$above.effective; }
read -r value < "$above"
fi
put "$k" "$value" ''
done
)`;

export const removeScript = `(
p=$1
set --
${findHierarchies}
[ "$u" = . ] || hierarchies="$hierarchies cpuset"
for h in $hierarchies; do
d=/sys/fs/cgroup/$h/$p
[ "$h" != . ] || d=/sys/fs/cgroup/$p
[ ! -d "$d" ] || set -- "$@" "$d"
done
below=''
for d do for c in "$d"/*/ "$d"/.[!.]*/; do [ ! -d "$c" ] || below="$below \${c%/}"; done; done
[ -z "$below" ] || { echo "other groups are below it, which are not removed with it:$below" >&2; exit 1; }
# What was killed just now may take a moment to leave.
tries=0
while [ $# -gt 0 ]; do
inside=''
for d do
while read -r n; do
name=''
{ read -r name < "/proc/$n/comm"; } 2>/dev/null
case "$inside " in *" $n "*) ;; *) inside="$inside $n \${name:+($name)}" ;; esac
done < "$d/cgroup.procs"
done 2>/dev/null
if [ -z "$inside" ]; then
rmdir -- "$@" 2>/dev/null
n=$#
for d do [ ! -d "$d" ] || set -- "$@" "$d"; done
shift "$n"
[ $# -gt 0 ] || break
fi
tries=$((tries + 1))
[ "$tries" -lt 25 ] || {
if [ -n "$inside" ]; then echo "processes are in it still, which are not ended with it:$inside" >&2; else rmdir -- "$@" >&2; fi
exit 1
}
sleep 0.02
done
)`;

/** Shell text: takes back from the groups that were there before what was handed on here, the lowest first. */
const takeBack = `if [ -e ${handedOn} ]; then
sort -ru ${handedOn} | while IFS= read -r line; do
d=\${line%/*} c=\${line##*/}
[ -d "$d" ] || continue
# What is handed on further the kernel keeps; but limits that somebody set right below would be lost without a word.
for f in "$d"/*/"$c".*; do
case $f in
*/memory.min|*/memory.low|*/memory.oom.group) default=0 ;;
*/memory.high|*/memory.max|*/memory.swap.max|*/pids.max) default=max ;;
*/cpu.weight) default=100 ;;
*/cpu.max) default='max ${CPU_PERIOD}' ;;
*/cpuset.cpus|*/cpuset.mems) default='' ;;
*) continue ;;
esac
value=''
{ read -r value < "$f"; } 2>/dev/null
[ "$value" = "$default" ] || continue 2
done
{ echo "-$c" > "$d/cgroup.subtree_control"; } 2>/dev/null
done
rm -f ${handedOn}
fi`;

/** Also where the group itself was gone already. Its words: the group's path, and the file of its owners. */
export const removeParentsScript = `(
q=$1 own=$2 last=yes
cd /sys/fs/cgroup || exit 0
[ ! -d "${holder}/$q" ] || { rmdir -- "${holder}/$q" && rmdir ${holder}; } 2>/dev/null
if [ -e ${list} ]; then
while [ "$q" != "\${q%/*}" ]; do
q=\${q%/*}
set --
while IFS= read -r d; do case $d in */*) [ "\${d#*/}" != "$q" ] || [ ! -d "$d" ] || set -- "$@" "$d" ;; esac; done < ${list}
[ $# -gt 0 ] || break
rmdir -- "$@" 2>/dev/null || break
done
left=''
while IFS= read -r d; do [ ! -d "$d" ] || left="$left$d
"; done < ${list}
if [ -n "$left" ]; then printf %s "$left" > ${list}.new && mv -f ${list}.new ${list}; else rm -f ${list}; fi
fi
for o in ${ownersFolder}/CGroup.*; do [ ! -e "$o" ] || [ "$o" = "$own" ] || last=no; done
if [ "$last" = yes ]; then
${takeBack}
elif [ -e ${handedOn} ]; then
left=''
while IFS= read -r line; do [ ! -d "\${line%/*}" ] || left="$left$line
"; done < ${handedOn}
printf %s "$left" > ${handedOn}.new && mv -f ${handedOn}.new ${handedOn}
fi
)`;

/** Removes all groups that were made on the way to others and are empty, and takes back what was handed on for them. */
export const removeAllParentsScript = `(
cd /sys/fs/cgroup || exit 0
for d in ${holder}/*/; do [ ! -d "$d" ] || rmdir -- "$d" 2>/dev/null; done
[ ! -d ${holder} ] || rmdir ${holder} 2>/dev/null
[ ! -e ${list} ] || sort -r ${list} | while IFS= read -r d; do rmdir -- "$d" 2>/dev/null; done
rm -f ${list}
${takeBack}
)`;
