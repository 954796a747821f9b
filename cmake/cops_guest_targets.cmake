# SPDX-License-Identifier: Apache-2.0
# Helpers of the guest-side build.

# cops_install_image(TARGET [NAME path]): ships an executable target as share/cops/NAME
# (default: the target's name; a path such as apps/hello is welcome).
function(cops_install_image target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "NAME" "")
    if(NOT arg_NAME)
        set(arg_NAME ${target})
    endif()
    cmake_path(GET arg_NAME PARENT_PATH folder)
    cmake_path(GET arg_NAME FILENAME file)
    cmake_path(APPEND destination share/cops ${folder})
    install(PROGRAMS $<TARGET_FILE:${target}> DESTINATION ${destination} RENAME ${file})
endfunction()
