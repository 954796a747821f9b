/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYSTEM_H
#define SYSTEM_H

#include "../workloads/workload.h"

/* Of class memory and of class system; they exist in the guest only. */
extern const struct workload page_workloads[];
extern const struct workload system_workloads[];

#endif
