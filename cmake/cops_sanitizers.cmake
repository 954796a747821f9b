# SPDX-License-Identifier: Apache-2.0
# Applies COPS_SANITIZE and COPS_FUZZ to everything of the host side that is compiled after this point.
if(COPS_SANITIZE)
    list(JOIN COPS_SANITIZE "," cops_sanitizers)
    add_compile_options(-fsanitize=${cops_sanitizers} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${cops_sanitizers})
    # Checks of dynamic types need the type information that our libraries are compiled without.
    add_compile_options(-fno-sanitize=vptr)
endif()
if(COPS_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
