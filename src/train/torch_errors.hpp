#pragma once

#include <c10/util/Exception.h>

#include "mpira/base/error.hpp"

namespace mpira::train {

/// Calls fn; what LibTorch throws becomes an Error of ours, without its backtrace.
template <typename Fn>
decltype(auto) with_plain_errors(Fn&& fn) {
    try {
        return fn();
    } catch (c10::Error const& error) {
        throw Error(Origin::torch, error.what_without_backtrace());
    }
}

}  // namespace mpira::train
