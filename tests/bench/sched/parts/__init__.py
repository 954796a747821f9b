# SPDX-License-Identifier: Apache-2.0
"""Parts of ./dev bench sched. Each has measure(options), which gives samples, and report(samples, floors)."""
