/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stddef.h>
#include <stdint.h>

void print(const char* text);
void print_number(uint64_t value);
uint64_t read_time(void);
uint64_t read_instret(void);
_Noreturn void power_off(void);

#endif
