#!/bin/bash
# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
# Make a root file system with Debian's newest Blender and a virtual screen: make_root.sh FOLDER
# Needs root and mmdebstrap; takes about three minutes and 1.2 GB. The mirror may be a snapshot, whose Release file has expired.
set -eu
mirror=$(sed -n "s/^URIs: //p" /etc/apt/sources.list.d/debian.sources | head -1)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
packages=blender,python3-numpy,python3-requests,python3-cattr  # the last two: Blender's own extension system needs them
packages+=,xvfb,xauth,xdotool,imagemagick,x11-utils,libgl1-mesa-dri,libegl1,libgl1,libglx-mesa0,libegl-mesa0,fonts-dejavu-core
exec mmdebstrap --mode=root --variant=minbase --keyring=$keyring --include=ca-certificates,$packages \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  sid "$1" "deb [signed-by=$keyring] $mirror sid main"
