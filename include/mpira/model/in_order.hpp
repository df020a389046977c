#pragma once

#include <optional>

namespace mpira::model {

/// While one that is `wanted` lives, LibTorch's kernels on a GPU add up in a fixed order, and an operator
/// that has none for it throws. Without it, a fused attention's backward, for one, adds parts in the order in
/// which they are done. One that isn't wanted changes nothing.
///
/// The setting is the process's: of two that live together the later one ends first.
class InOrder {
public:
    explicit InOrder(bool wanted);
    ~InOrder();
    InOrder(InOrder const&) = delete;
    InOrder& operator=(InOrder const&) = delete;

private:
    struct Setting {
        bool deterministic;
        bool warns;
        bool fills_memory;
        bool takes_cudnn_attention;
    };
    std::optional<Setting> before_;
};

}  // namespace mpira::model
