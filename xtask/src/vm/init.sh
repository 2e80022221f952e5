#!/bin/busybox sh
# The first process of the virtual machine: runs the tests of memory limits in each kind of cgroup, then ends the machine.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup /sys/fs/cgroup
echo "vm: Linux $(uname -r), controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
export JACKFIELD_TEST_PLUGIN=/plugin JACKFIELD_TEST_CGROUP=1
cd /sys/fs/cgroup
failed=0

# Runs the tests by the given command, then looks whether they left a cgroup.
tests() {
    echo "vm: $1"
    shift
    "$@" /tests memory:: --test-threads=1 --nocapture </dev/null || failed=1
    # The guard of a test's host may be at work still.
    for round in 1 2 3 4 5; do
        left=$(find . -type d -name 'jackfield-*')
        [ -z "$left" ] && return
        sleep 1
    done
    echo "vm: left behind: $left"
    failed=1
}

tests "in the root cgroup" env

# What is left by a host that was killed along with its guard goes with the next host's first plugin.
mkdir jackfield-999999-00000000
tests "in the root cgroup, where another host has left something" env

# As a container whose first process has moved itself out of the way.
mkdir host
echo $$ >host/cgroup.procs
tests "in a cgroup below the one that is divided" env

# As a service of systemd's with `Delegate=yes`, `DelegateSubgroup=host` and a user of its own.
mkdir -p /run/systemd/system a.service/host
echo +memory >cgroup.subtree_control
chown -R 1000 a.service/cgroup.procs a.service/cgroup.subtree_control a.service/host
chown 1000 a.service
/xtask delegate a.service
echo 'user:x:1000:1000::/:/bin/sh' >/etc/passwd
echo $$ >a.service/host/cgroup.procs
# Its shell passes on what follows as arguments.
tests "in a subgroup of a service that systemd has delegated to a user" su user -c '"$@"' -- sh

[ $failed = 0 ] && echo "vm: all passed"
poweroff -f
