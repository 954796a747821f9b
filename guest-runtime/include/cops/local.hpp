// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/sync/detail/waiter.hpp>

#include <utility>

namespace cops {

namespace detail {

/// A value of a coroutine-local variable, in the list of its task.
struct LocalBinding {
    const void* key = nullptr;
    LocalBinding* next = nullptr;
    LocalBinding* prev = nullptr;
};

void bind_local(LocalBinding& binding) noexcept;
void unbind_local(LocalBinding& binding) noexcept;
LocalBinding* find_local(const void* key) noexcept;

}  // namespace detail

/// A variable of which every coroutine has its own value. The variable itself is a key, usually
/// global; values lie where they are bound, in a coroutine's frame:
///
///     constinit cops::Local<int> request;            // somewhere global
///     const cops::Local<int>::Value bound(request, 7);  // in a coroutine
///     request.get();                                 // there, and in what it awaits: points to 7
///
/// Coroutines that are spawned start without values. Nothing is allocated.
template <typename T>
class Local {
public:
    constexpr Local() noexcept = default;
    Local(const Local&) = delete;
    Local& operator=(const Local&) = delete;

    /// The value bound last in the running coroutine, or in one that awaits it; null without one.
    [[nodiscard]] T* get() const noexcept {
        detail::LocalBinding* binding = detail::find_local(this);
        return binding == nullptr ? nullptr : &static_cast<Value*>(binding)->value_;
    }

    /// Gives the running coroutine a value for as long as this object lives, over an earlier one.
    class Value : private detail::LocalBinding {
    public:
        template <typename... Arguments>
        explicit Value(const Local& local, Arguments&&... arguments)
            : value_(std::forward<Arguments>(arguments)...) {
            this->key = &local;
            detail::bind_local(*this);
        }
        Value(const Value&) = delete;
        Value& operator=(const Value&) = delete;
        ~Value() { detail::unbind_local(*this); }

    private:
        friend class Local;
        T value_;
    };
};

}  // namespace cops
