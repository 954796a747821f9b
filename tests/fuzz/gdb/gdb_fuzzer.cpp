// SPDX-License-Identifier: Apache-2.0
// What a debugger sends may be anything. The first byte of the input says how; 0xff in it lets the
// guest stop.
#include "../../unit/debug/fake_target.hpp"
#include "debug/stub.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace {

constexpr std::uint8_t kStop = 0xff;

void send(vmm::debug::Stub& stub, const std::string& text, bool framed) {
    stub.feed(framed ? vmm::debug::frame(text) : text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const bool framed = (data[0] & 1) != 0;
    debug_test::FakeTarget target(1U + (data[0] >> 1 & 3));
    vmm::debug::Stub stub(target, vmm::debug::Stop{});
    std::string part;
    for (std::size_t n = 1; n < size; ++n) {
        if (data[n] == kStop || data[n] == '\n') {
            send(stub, part, framed);
            part.clear();
            if (data[n] == kStop) {
                stub.stopped({.hart = target.harts() - 1});
            }
        } else {
            part += static_cast<char>(data[n]);
        }
    }
    send(stub, part, framed);
    return 0;
}
