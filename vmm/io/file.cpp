// SPDX-License-Identifier: Apache-2.0
#include "io/file.hpp"

#include <unistd.h>

namespace vmm::io {

File::~File() {
    ::close(fd_);
}

std::shared_ptr<File> File::adopt(int fd) {
    return std::make_shared<File>(fd, ::lseek(fd, 0, SEEK_CUR) >= 0);
}

}  // namespace vmm::io
