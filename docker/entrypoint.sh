#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command with ROS 2 and this package sourced.
set -e
# shellcheck source=/dev/null
source /opt/segrgbx/install/setup.bash
exec "$@"
