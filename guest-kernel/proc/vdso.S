/* SPDX-License-Identifier: Apache-2.0 */
/* The executor's image, in whole pages of the kernel's constants. */
.section .rodata.vdso, "a"
.balign 4096
.global vdso_image_start
vdso_image_start:
.incbin COPS_VDSO_FILE
.balign 4096
.global vdso_image_end
vdso_image_end:
.section .note.GNU-stack, "", @progbits
