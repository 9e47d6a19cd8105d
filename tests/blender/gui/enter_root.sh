#!/bin/bash
# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
# Become a program inside a root file system, which sees FOLDER at the same path: enter_root.sh ROOT FOLDER COMMAND...
# Needs root. The mounts live in a namespace of their own and are gone when its last program ends.
set -eu
export ROOT=$1 FOLDER=$2; shift 2
exec unshare --mount --propagation private bash -eu -c '
mount -t proc proc "$ROOT/proc"; mount --bind /dev "$ROOT/dev"; mount -t tmpfs tmpfs "$ROOT/dev/shm"
mount -t tmpfs tmpfs "$ROOT/run"; mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
mkdir -p -m 1777 "$ROOT/tmp/.X11-unix"
mkdir -p "$ROOT$FOLDER"; mount --bind "$FOLDER" "$ROOT$FOLDER"
exec chroot "$ROOT" "$@"' enter_root "$@"
