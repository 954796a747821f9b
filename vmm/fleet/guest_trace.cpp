// SPDX-License-Identifier: Apache-2.0
// The ways of requests and doorbells between device and workers, and what a trace shows of them.
#include "fleet/guest.hpp"
#include "sched/record/recorder.hpp"

#include <virtio_cops/virtio_cops.h>

#include <optional>
#include <string_view>

namespace vmm {
namespace {

// The completion that the calling thread is publishing, while there is a trace.
thread_local std::optional<std::uint64_t> published;

std::string_view name_of_operation(std::uint16_t opcode) {
    switch (opcode) {
    case VIRTIO_COPS_OP_READ:
        return "read";
    case VIRTIO_COPS_OP_WRITE:
        return "write";
    case VIRTIO_COPS_OP_FSTAT:
        return "fstat";
    case VIRTIO_COPS_OP_NANOSLEEP:
        return "nanosleep";
    case VIRTIO_COPS_OP_FSYNC:
        return "fsync";
    case VIRTIO_COPS_OP_GETDENTS:
        return "getdents";
    case VIRTIO_COPS_OP_OPENAT:
        return "openat";
    default:
        return "request";
    }
}

}  // namespace

sched::Recorder* Guest::tracer() const noexcept {
    sched::Recorder* const recorder = pool_.recorder();
    return recorder != nullptr && recorder->wants_everything() ? recorder : nullptr;
}

// ---- Requests -------------------------------------------------------------------------------

void Guest::start(const virtio_cops::IoOperation& operation) {
    if (sched::Recorder* const to = tracer(); to != nullptr) [[unlikely]] {
        to->push(sched::RequestRecord{
            .time_ns = now(),
            .guest = {.guest = index_},
            .token = operation.token,
            .worker = pool_.current_worker(),
            .operation = name_of_operation(operation.opcode),
            .level = operation.level,
            .bytes = operation.bytes,
        });
    }
    io_->start(operation);
}

void Guest::complete(std::uint64_t token, std::int64_t result) {
    const Nanos begin = begin_completion(token);
    device_->complete(token, result);
    end_completion(token, result, begin);
    if (save_asked_.load(std::memory_order_acquire)) {
        changed_();
    }
}

void Guest::complete_stat(std::uint64_t token, const virtio_cops_stat& stat) {
    const Nanos begin = begin_completion(token);
    device_->complete_stat(token, stat);
    end_completion(token, 0, begin);
    if (save_asked_.load(std::memory_order_acquire)) {
        changed_();
    }
}

Nanos Guest::begin_completion(std::uint64_t token) {
    if (tracer() == nullptr) [[likely]] {
        return 0;
    }
    published = token;
    return now();
}

void Guest::end_completion(std::uint64_t token, std::int64_t result, Nanos begin) {
    sched::Recorder* const to = tracer();
    if (to == nullptr) [[likely]] {
        return;
    }
    published.reset();
    to->push(sched::CompletionRecord{
        .time_ns = now(),
        .begin_ns = begin,
        .guest = {.guest = index_},
        .token = token,
        .worker = pool_.current_worker(),
        .result = result,
    });
}

void Guest::trace_delivery(unsigned vcpu) {
    if (!published) [[likely]] {
        return;
    }
    if (sched::Recorder* const to = tracer(); to != nullptr) {
        to->push(sched::DeliveryRecord{
            .time_ns = now(), .id = {.guest = index_, .vcpu = vcpu}, .token = *published
        });
    }
}

// ---- Doorbells ------------------------------------------------------------------------------

void Guest::claim_doorbell(unsigned vcpu) {
    trace_doorbell(vcpu, false);
    // The work may be for any hart of the guest.
    for (unsigned hart = 0; hart < machine_cpus(config_); ++hart) {
        pool_.claim(vcpus_[hart], ports_[hart]->sample());
    }
}

void Guest::yield_doorbell(unsigned vcpu) {
    trace_doorbell(vcpu, true);
    machine_->request_yield(vcpu);
}

void Guest::spin_doorbell(unsigned vcpu, std::uint32_t hart) {
    const bool any = hart == VIRTIO_COPS_SPIN_ANY;
    if ((any || hart < machine_cpus(config_))
        && pool_.spin(vcpus_[vcpu], any ? nullptr : vcpus_[hart])) {
        machine_->request_yield(vcpu);
    }
}

void Guest::trace_doorbell(unsigned vcpu, bool yields) {
    if (sched::Recorder* const to = tracer(); to != nullptr) [[unlikely]] {
        to->push(sched::DoorbellRecord{
            .time_ns = now(),
            .id = {.guest = index_, .vcpu = vcpu},
            .worker = pool_.current_worker(),
            .yields = yields,
        });
    }
}

}  // namespace vmm
