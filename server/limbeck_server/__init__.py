# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The job server: sockets, jobs, files and worker processes. Only the worker process imports torch."""
