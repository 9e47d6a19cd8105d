#!/bin/bash
# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
# Make a root file system with a Debian suite's Blender and a virtual screen: make_root.sh SUITE FOLDER
# Needs root; takes about five minutes and 1.3 GB. Nothing is installed on this system: mmdebstrap, where it is missing, is
# unpacked beside the folder. The mirror may be a snapshot, whose Release file has expired.
set -eu
suite=$1 folder=$2
export DEBIAN_FRONTEND=noninteractive
mirror=$(sed -n "s/^URIs: //p" /etc/apt/sources.list.d/debian.sources | head -1)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
packages=blender,python3-numpy,python3-requests,python3-cattr  # the last two: Blender's own extension system needs them
packages+=,xvfb,xauth,xdotool,imagemagick,x11-utils,libgl1-mesa-dri,libegl1,libgl1,libglx-mesa0,libegl-mesa0,fonts-dejavu-core
if [ "${3:-}" = --key ]; then  # what another root of the same name must have, to be taken for this one
  echo "$suite $packages" | sha256sum | cut -c1-16
  exit
fi
mkdir -p "$(dirname "$folder")"
part=$folder.part tools=$folder.tools
trap 'rm -rf --one-file-system "$part" "$tools"' EXIT
rm -rf --one-file-system "$part" "$tools"
if ! command -v mmdebstrap >/dev/null; then
  mkdir -p "$tools"
  [ -n "$(apt-cache madison mmdebstrap)" ] || apt-get -qq update
  (cd "$tools"; apt-get -qq -o APT::Sandbox::User=root download mmdebstrap; dpkg -x mmdebstrap_*.deb .)
  export PATH=$tools/usr/bin:$PATH
fi
mmdebstrap --mode=root --variant=minbase --keyring=$keyring --include=ca-certificates,$packages \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  "$suite" "$part" "deb [signed-by=$keyring] $mirror $suite main"
rm -rf --one-file-system "$part"/var/cache/apt/archives "$part"/var/lib/apt/lists
bash "$0" "$suite" "$folder" --key >"$part/limbeck-root"
mv -T "$part" "$folder"
