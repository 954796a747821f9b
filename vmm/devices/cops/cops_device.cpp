// SPDX-License-Identifier: Apache-2.0
#include "devices/cops/cops_device.hpp"

#include "memory/state.hpp"

#include <virtio/virtio_config.h>

#include <utility>

namespace vmm {

static_assert(kDefaultLevel == VIRTIO_COPS_LEVEL_DEFAULT);

CopsDevice::CopsDevice(
    const virtio_cops::DeviceOptions& options,
    std::uint32_t device_id,
    GuestMemory& memory,
    std::span<std::byte> host_page,
    CopsHost& host
)
    : device_id_(device_id)
    , boards_(options.boards)
    , memory_(memory)
    , host_(host)
    , core_(options, *this, *this, options.boards ? host_page : std::span<std::byte>{})
    , mailboxes_(options.num_vcpus) {}

// ---- VirtioDevice ---------------------------------------------------------------------------

bool CopsDevice::accept_features(std::uint64_t features) {
    const std::lock_guard lock(mutex_);
    return core_.accept_features(features);
}

void CopsDevice::activate(std::uint64_t features, std::span<const VirtioQueue> queues) {
    std::array<virtio_cops::QueueState, VIRTIO_COPS_NUM_QUEUES> states{};
    for (std::size_t i = 0; i < states.size() && i < queues.size(); ++i) {
        if (queues[i].ready) {
            states[i] = {
                .size = queues[i].size,
                .desc = queues[i].desc.value,
                .avail = queues[i].driver.value,
                .used = queues[i].device.value,
            };
        }
    }
    {
        const std::lock_guard lock(mutex_);
        core_.activate(features, states);
    }
    host_.submit();
}

void CopsDevice::reset() {
    const std::lock_guard lock(mutex_);
    for (auto& mailbox : mailboxes_) {
        mailbox.store(0, std::memory_order_relaxed);
    }
    if (core_.reset()) {
        reset_done();
    }
}

void CopsDevice::notify(unsigned queue) {
    {
        const std::lock_guard lock(mutex_);
        core_.notify(queue);
    }
    host_.submit();
}

std::uint32_t CopsDevice::config_generation() const {
    const std::lock_guard lock(mutex_);
    return core_.config_generation();
}

void CopsDevice::config_read(std::uint64_t offset, std::span<std::byte> to) {
    const std::lock_guard lock(mutex_);
    core_.read_config(offset, to);
}

std::optional<VirtioSharedMemory> CopsDevice::shared_memory(std::uint8_t id) const {
    if (!boards_) {
        return std::nullopt;
    }
    switch (id) {
    case VIRTIO_COPS_SHM_HOST_PAGE:
        return VirtioSharedMemory{kCopsHostPage, kCopsRegionSize};
    case VIRTIO_COPS_SHM_DOORBELL:
        return VirtioSharedMemory{kCopsDoorbell, kCopsRegionSize};
    default:
        return std::nullopt;
    }
}

void CopsDevice::save(StateWriter& out) const {
    const std::lock_guard lock(mutex_);
    const auto saved = core_.save();
    out.put(saved.has_value());
    if (saved) {
        put_saved_device(out, *saved);
        for (const auto& mailbox : mailboxes_) {
            out.put(mailbox.load(std::memory_order_relaxed));
        }
    }
}

Result<void> CopsDevice::load(
    StateReader& in,
    std::uint32_t status,
    std::uint64_t features,
    std::span<const VirtioQueue> /*queues*/
) {
    if (!in.get_bool()) {
        return fail(ErrorKind::configuration, "the machine was saved with requests in flight");
    }
    const auto saved = get_saved_device(in);
    std::vector<std::uint64_t> posts(mailboxes_.size());
    for (std::uint64_t& post : posts) {
        post = in.get<std::uint64_t>();
    }
    // Else the device would work on queues that its transport holds for unused.
    const bool driver_ok = (status & VIRTIO_CONFIG_S_DRIVER_OK) != 0;
    const bool fits =
        saved && saved->active == driver_ok && (!driver_ok || saved->features == features);
    const std::lock_guard lock(mutex_);
    if (!in.ok() || !fits || !core_.load(*saved)) {
        return fail(ErrorKind::configuration, "saved virtio-cops state is damaged");
    }
    for (std::size_t i = 0; i < posts.size(); ++i) {
        mailboxes_[i].store(posts[i], std::memory_order_relaxed);
    }
    return {};
}

// ---- Doorbells ------------------------------------------------------------------------------

/// Whatever a process does to its doorbells is no fault (SPEC.md VC-10.1).
bool CopsDevice::mmio_read(const MmioAccess& /*access*/, std::uint64_t* value) {
    *value = 0;
    return true;
}

bool CopsDevice::mmio_write(const MmioAccess& access, std::uint64_t value) {
    switch (virtio_cops::Device::doorbell(access.offset, access.size)) {
    case virtio_cops::Doorbell::claim:
        host_.claim_doorbell(access.hart);
        break;
    case virtio_cops::Doorbell::yield:
        host_.yield_doorbell(access.hart);
        break;
    case virtio_cops::Doorbell::spin:
        if (has_siblings()) {
            host_.spin_doorbell(access.hart, static_cast<std::uint32_t>(value));
        }
        break;
    case virtio_cops::Doorbell::none:
        break;
    }
    return true;
}

// ---- Engines and workers --------------------------------------------------------------------

void CopsDevice::complete(std::uint64_t token, std::int64_t result) {
    const std::lock_guard lock(mutex_);
    core_.complete(token, result);
}

void CopsDevice::complete_stat(std::uint64_t token, const virtio_cops_stat& stat) {
    const std::lock_guard lock(mutex_);
    core_.complete_stat(token, stat);
}

virtio_cops::Claim CopsDevice::sample(unsigned vcpu) {
    const std::lock_guard lock(mutex_);
    return core_.sample(vcpu);
}

void CopsDevice::publish(
    unsigned vcpu,
    Level ring_level,
    Level yield_level,
    std::uint64_t waiting,
    std::uint64_t siblings
) {
    const std::lock_guard lock(mutex_);
    core_.publish(vcpu, ring_level, yield_level, waiting, siblings);
}

bool CopsDevice::has_siblings() const {
    const std::lock_guard lock(mutex_);
    return core_.has_siblings();
}

bool CopsDevice::has_post(unsigned vcpu) const noexcept {
    return mailboxes_[vcpu].load(std::memory_order_acquire) != 0;
}

bool CopsDevice::take_post(unsigned vcpu) {
    if (!has_post(vcpu)) {
        return false;
    }
    // Acquire: what the poster wrote before (slot, list, wake_pending) is there for the guest.
    const std::uint64_t process = mailboxes_[vcpu].exchange(0, std::memory_order_acq_rel);
    if (process == 0) {
        return false;
    }
    const std::lock_guard lock(mutex_);
    return core_.take_user_interrupt(vcpu, process);
}

void CopsDevice::cores_changed() {
    const std::lock_guard lock(mutex_);
    core_.cores_changed();
}

bool CopsDevice::ask_power_off() {
    const std::lock_guard lock(mutex_);
    return core_.ask_power_off();
}

void CopsDevice::set_paused(bool paused) {
    {
        const std::lock_guard lock(mutex_);
        core_.set_paused(paused);
    }
    host_.submit();
}

bool CopsDevice::idle() const {
    const std::lock_guard lock(mutex_);
    return core_.idle();
}

std::size_t CopsDevice::in_flight() const {
    const std::lock_guard lock(mutex_);
    return core_.in_flight();
}

std::uint64_t CopsDevice::bad_requests() const {
    const std::lock_guard lock(mutex_);
    const auto& misuse = core_.misuse();
    return misuse.bad_requests + misuse.bad_commands + misuse.broken_rings;
}

CopsLevelReport CopsDevice::level_report(unsigned level) const {
    const std::lock_guard lock(mutex_);
    const LevelStatistics& statistics = statistics_[level];
    return {
        .counters = core_.counters(level),
        .latency_p50 = statistics.latency.quantile(0.50),
        .latency_p99 = statistics.latency.quantile(0.99),
        .last_completion = statistics.last_completion,
    };
}

// ---- Memory ---------------------------------------------------------------------------------

std::byte* CopsDevice::writable(std::uint64_t address, std::uint64_t bytes) noexcept {
    return memory_.writable_range({address}, bytes);
}

const std::byte* CopsDevice::readable(std::uint64_t address, std::uint64_t bytes) noexcept {
    return memory_.readable_range({address}, bytes);
}

void CopsDevice::note_write(std::uint64_t address, std::uint64_t bytes) noexcept {
    memory_.note_write({address}, bytes);
}

// ---- Host -----------------------------------------------------------------------------------

void CopsDevice::post_user_interrupt(unsigned vcpu, std::uint64_t process, Level level) {
    const std::uint64_t before = mailboxes_[vcpu].exchange(process, std::memory_order_acq_rel);
    if (before != 0 && before != process) {
        // Its wake is pending in its line, as for a post that finds another process: the kernel
        // looks.
        raise_used_interrupt(level);
    }
    host_.wake(vcpu, level);
    host_.kick(vcpu);
}

void CopsDevice::raise_used_interrupt(Level level) {
    host_.begin_interrupt(level);
    transport_->raise_used_interrupt();
    host_.end_interrupt();
}

void CopsDevice::raise_config_interrupt() {
    host_.begin_interrupt(kNoLevel);
    transport_->raise_config_interrupt();
    host_.end_interrupt();
}

void CopsDevice::set_needs_reset(const char* why) {
    host_.needs_reset(why);
    host_.begin_interrupt(kNoLevel);
    transport_->set_needs_reset();
    host_.end_interrupt();
}

void CopsDevice::reset_done() {
    transport_->reset_done();
    host_.reset_done();
}

void CopsDevice::completed(const virtio_cops::CompletionEvent& event) {
    LevelStatistics& statistics = statistics_[event.level <= kLevels ? event.level : kLevels];
    statistics.latency.add(event.latency_ns);
    statistics.last_completion = event.time_ns;
}

}  // namespace vmm
