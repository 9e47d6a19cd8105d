#!/bin/bash
# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
# Runs inside the root file system: a virtual screen, a Blender with the extension, a real mouse click, screenshots.
set -u
F=$LIMBECK_GUI_FOLDER
export HOME=$F/home XDG_RUNTIME_DIR=$F/xdg LIBGL_ALWAYS_SOFTWARE=1 DISPLAY=:77
mkdir -p -m 700 "$HOME" "$XDG_RUNTIME_DIR" /tmp/.X11-unix
Xvfb $DISPLAY -screen 0 1280x720x24 -nolisten tcp >"$F/xvfb.log" 2>&1 & X=$!
trap 'kill $X 2>/dev/null; wait $X 2>/dev/null' EXIT
for _ in $(seq 50); do xdpyinfo >/dev/null 2>&1 && break; sleep 0.1; done
blender --command extension install-file -r user_default --enable "$F"/limbeck.zip || exit 3
timeout "${LIMBECK_GUI_TIMEOUT_S:-120}" blender --window-geometry 0 0 1280 720 --python-exit-code 3 --python "$F/drive.py" >"$F/blender.log" 2>&1 & B=$!

stage() {  # wait for a stage's file, take its picture, let Blender go on
  for _ in $(seq 3000); do [ -f "$F/$1.json" ] && break; kill -0 $B 2>/dev/null || return 1; sleep 0.1; done
  import -window root "$F/$1.png"; echo "$1 $(cat "$F/$1.json")"
}
next() { rm -f "$F/$1.json"; }

stage ready || exit 4
read -r x y < <(python3 -c "
import json, os
panel = json.load(open(os.environ['LIMBECK_GUI_FOLDER'] + '/ready.json'))
print(panel['x'] + panel['width'] // 2 - 10, 720 - panel['y'] - panel['height'] + int(os.environ['LIMBECK_GUI_CLICK_Y']))")
next ready
sleep 0.5
xdotool mousemove "$x" "$y"; sleep 0.6; xdotool mousemove_relative 2 1; sleep 0.6
xdotool mousedown 1; sleep 0.2; xdotool mouseup 1; sleep 0.3; xdotool mousemove 300 400
stage forming && next forming
stage done && next done
stage undone && next undone
wait $B; status=$?
echo "blender ended with $status"
exit $status
