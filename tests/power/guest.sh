# What the machine does: `load` writes, changes, renames and adds watches, and acknowledges each on the second serial
# line once it is durable; `check` lets fsmond come to rest and tells what is there.
export PATH=/bin HOME=/ FSMON_STATE_DIR=/state FSMON_SOCKET=/run/fsmond.sock
mount -t tmpfs -o mode=755 t /run
set -- $(cat /proc/cmdline)
for word; do case $word in fsmon*=*) eval "$word" ;; esac; done
# On disk before it is acknowledged. busybox has no fsync everywhere; a new name is on disk with its file.
fsync() { dd if=/dev/null of="$1" conv=notrunc,fsync 2>/dev/null; }
ack() { echo "$*" >/dev/ttyS1; }
sum() { md5sum <$1 | tr -d ' -'; }
durable() { fsync $1 && ack "W $1 $(sum $1) ."; }
stty raw </dev/ttyS1; stty raw </dev/ttyS2

mkdir -p -m 700 /state
fsmond --foreground >/dev/console 2>&1 &
until fsmonctl status >/dev/null 2>&1; do sleep 0.1; done
fsmonctl show data >/dev/null 2>&1 ||
    fsmonctl add /data --name data --existing run --concurrency $fsmon_concurrency --settle 20ms --rescan off --every off -- /job.sh {path} >/dev/console 2>&1

load() {
    fsmonctl tail data --json --since 0 >/dev/ttyS2 &
    n=0
    while :; do
        n=$((n + 1))
        folder=/data/c$fsmon_cut/d$((n % 7))
        file=$folder/f$n
        mkdir -p $folder
        echo "cut $fsmon_cut file $n" >$file
        durable $file
        if [ $((n % 3)) = 0 ]; then
            file=/data/c$fsmon_cut/d$(((n - 2) % 7))/f$((n - 2))
            echo "changed with $n" >>$file
            durable $file
        fi
        if [ $((n % 10)) = 0 ]; then
            name=w$fsmon_cut-$n
            mkdir -p /other/$name
            fsmonctl add /other/$name --name $name >/dev/null && ack "A $name ."
        fi
    done
}

rest() {
    until fsmonctl show data --json | grep -q '"state":"watching".*' &&
        fsmonctl show data --json | grep -q '"pending":0' && fsmonctl show data --json | grep -q '"running":0' &&
        ! fsmonctl show data --json | grep -q '"scan":{' && fsmonctl show data --json | grep -q '"open_gaps":0'; do
        sleep 0.3
    done
}

case $fsmon in
load) load ;;
check)
    rest
    find /data -type f | while read -r file; do ack "F $file $(sum $file)"; done
    while read -r id path sum; do ack "J $id $path $sum"; done </log/job
    fsmonctl list | while read -r name rest; do ack "L $name"; done
    fsmonctl tail data --json --since 0 --no-follow >/dev/ttyS2
    fsmonctl stop >/dev/console
    ack END
    sync
    poweroff -f
    ;;
esac
