// SPDX-License-Identifier: Apache-2.0
#include "device/tables.hpp"

#include <bit>
#include <utility>

namespace virtio_cops {

void Request::renew(std::uint16_t at_head) {
    Request fresh;
    fresh.head = at_head;
    fresh.data = std::move(data);
    fresh.data.clear();
    fresh.segments = std::move(segments);
    fresh.segments.clear();
    *this = std::move(fresh);
}

void PendingLists::clear() {
    levels_ = 0;
    lists_.fill({});
}

void PendingLists::push(std::vector<Request>& requests, std::uint16_t head) {
    Request& request = requests[head];
    List& list = lists_[request.level];
    request.next = kNoIndex;
    request.previous = list.last;
    if (list.last == kNoIndex) {
        list.first = head;
    } else {
        requests[list.last].next = head;
    }
    list.last = head;
    levels_ |= std::uint64_t{1} << request.level;
}

void PendingLists::remove(std::vector<Request>& requests, std::uint16_t head) {
    Request& request = requests[head];
    List& list = lists_[request.level];
    if (request.previous == kNoIndex) {
        list.first = request.next;
    } else {
        requests[request.previous].next = request.next;
    }
    if (request.next == kNoIndex) {
        list.last = request.previous;
    } else {
        requests[request.next].previous = request.previous;
    }
    if (list.first == kNoIndex) {
        levels_ &= ~(std::uint64_t{1} << request.level);
    }
}

std::uint16_t PendingLists::front() const noexcept {
    return lists_[static_cast<unsigned>(std::countr_zero(levels_))].first;
}

}  // namespace virtio_cops
