#!/usr/bin/env bash
# Power cuts: fsmond works in a small virtual machine that is cut off again and again at random moments. After each cut
# the machine starts again, and everything that was reported done before must be done.
#
#   bash tests/power/run.sh [--cuts 20] [--work DIR] [--seed N]
#
# Needs root (to fill a disk image), Debian's apt-get (for a kernel and busybox, only downloaded), qemu-system-x86_64
# and mkfs.ext4. The programs are those of FSMON_BIN_DIR, else they are built. Takes about half a minute for each cut.
#
# What a cut is: the virtual machine is killed. What was in its memory and had not been written to its disk is gone, as
# with a real power cut; the order of what its disk had in its own cache is not mixed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cuts=20 work= seed=$RANDOM concurrency=2
while (($#)); do
    case $1 in
    --cuts) cuts=$2 ;;
    --work) work=$2 ;;
    --seed) seed=$2 ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
    esac
    shift 2
done
RANDOM=$seed
for program in qemu-system-x86_64 mkfs.ext4 apt-get dpkg-deb cpio; do
    command -v "$program" >/dev/null || { [ "$program" = cpio ] || { echo "skipped: $program is not installed"; exit 0; }; }
done
[ -n "$work" ] || { work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; }
mkdir -p "$work"; work=$(cd "$work" && pwd)

programs=${FSMON_BIN_DIR:-}
if [ -z "$programs" ]; then
    (cd "$here/../.." && cargo build --quiet -p fsmond -p fsmonctl)
    programs=$here/../../target/debug
fi

# A kernel, and an initial file system that only finds the disk.
build_kernel() {
    mkdir -p "$work/k" && cd "$work/k"
    apt-get download -q "$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/{print $2}')" busybox-static >/dev/null 2>&1
    local deb
    for deb in *.deb; do dpkg-deb -x "$deb" x; done
    cp x/boot/vmlinuz-* "$work/vmlinuz"
    local kernel=(x/lib/modules/*/kernel) module
    mkdir -p ir/{bin,dev,proc,sys,new,m}
    cp x/bin/busybox ir/bin/ 2>/dev/null || cp x/usr/bin/busybox ir/bin/
    for module in drivers/virtio/{virtio_ring,virtio,virtio_pci_legacy_dev,virtio_pci_modern_dev,virtio_pci} drivers/block/virtio_blk; do
        cp "${kernel[0]}/$module.ko" ir/m/ 2>/dev/null || true
    done
    cat >ir/init <<'I'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc p /proc; $b mount -t sysfs s /sys; $b mount -t devtmpfs d /dev
for m in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do
    [ -f /m/$m.ko ] && $b insmod /m/$m.ko
done
until [ -b /dev/vda ]; do $b sleep 0.1; done
$b mount -t ext4 /dev/vda /new || { echo "the disk cannot be mounted"; $b poweroff -f; }
for d in proc sys dev; do $b mount --move /$d /new/$d; done
exec $b chroot /new /bin/sh /guest.sh
I
    chmod +x ir/init
    (cd ir && find . | ../ir/bin/busybox cpio -o -H newc 2>/dev/null | gzip) >"$work/ird.gz"
}

# A disk with the two programs, what they are linked with, busybox, and the guest's script.
build_disk() {
    local root=$work/root
    rm -rf "$root" && mkdir -p "$root"/{bin,dev,proc,sys,tmp,run,data,log}
    cp "$work/k/ir/bin/busybox" "$root/bin/"
    local applet
    for applet in $("$root/bin/busybox" --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
    local program
    for program in fsmond fsmonctl; do
        cp "$programs/$program" "$root/bin/"
        ldd "$programs/$program" | grep -o '/[^ ]*' | xargs -I{} cp -L --parents {} "$root"
    done
    cp "$here/guest.sh" "$here/job.sh" "$root/"
    chmod +x "$root/job.sh"
    rm -f "$work/vm.ext4"
    truncate -s 700M "$work/vm.ext4"
    mkfs.ext4 -q -F -d "$root" "$work/vm.ext4"
}

# start NAME WORDS…  The machine, in the background; the words tell the guest what to do. Serial lines: console, what is
# acknowledged, what `fsmonctl tail` told.
start() {
    local name=$1
    shift
    qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 512 -smp 1 -nodefaults -nographic -no-reboot \
        -kernel "$work/vmlinuz" -initrd "$work/ird.gz" -append "console=ttyS0 quiet $*" \
        -serial "file:$work/$name.console" -serial "file:$work/$name.acks" -serial "file:$work/$name.tail" \
        -drive "file=$work/vm.ext4,if=virtio,format=raw,cache=writeback" &
    machine=$!
}

# wait_line FILE TEXT SECONDS
wait_line() {
    local end=$((SECONDS + $3))
    until grep -qa "$2" "$1" 2>/dev/null; do
        ((SECONDS < end)) && kill -0 "$machine" 2>/dev/null || return 1
        sleep 0.1
    done
}

fail() {
    trap - EXIT
    kill -9 "$machine" 2>/dev/null || true
    echo "FAILED after cut $cut, seed $seed: $*; all of it is in $work"
    tail -q -n 20 "$work/$cut-"*.console
    exit 1
}

[ -f "$work/ird.gz" ] || (build_kernel)
build_disk
echo "seed $seed, $cuts cuts"
writes=0 oks=0 answers=0 repeats=0 torn=0
for ((cut = 1; cut <= cuts; cut++)); do
    start "$cut-load" "fsmon=load fsmon_cut=$cut fsmon_concurrency=$concurrency"
    wait_line "$work/$cut-load.acks" '^W ' 300 || fail "the machine does not get to work"
    sleep "$((RANDOM % 8)).$((RANDOM % 1000))"
    kill -9 "$machine"
    wait "$machine" 2>/dev/null || true

    start "$cut-check" "fsmon=check fsmon_cut=$cut fsmon_concurrency=$concurrency"
    wait_line "$work/$cut-check.acks" '^END' 900 || fail "after the cut it does not come to rest"
    wait "$machine" 2>/dev/null || true
    said=$(awk -f "$here/check.awk" -v cut="$cut" -v concurrency="$concurrency" "$work/$cut-check.acks" \
        "$work"/[0-9]*-load.acks "$work"/[0-9]*-load.tail "$work"/[0-9]*-check.tail) || fail "$said"
    echo "cut $cut: $said"
    read -r writes oks answers repeats torn <<<"$(tr -cd '0-9 \n' <<<"$said" | tr -s ' ')"
done
echo "$cuts cuts: nothing that was reported done was lost ($writes writes, $oks runs told ok, $answers commands answered);" \
    "$repeats versions given twice, under the same event id; $torn files hold what nobody wrote, as the disk left them"
