# SPDX-License-Identifier: GPL-2.0-or-later
# The embedded lab, and what reads the sources for faults, are part of the distribution as it stands.
EXTRA_DIST += tests/lab tests/lint tests/README.md
