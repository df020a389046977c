#pragma once

#include <filesystem>
#include <memory>

#include <ATen/core/Tensor.h>

#include "mpira/model/script.hpp"

namespace mpira::model {

/// A TorchScript model ready to run. A shared, immutable handle. Threads: one call at a time.
class ScriptModel {
public:
    /// Checks the file as read_card does and loads it; see also try_script. Throws Origin::usage naming the
    /// file.
    ScriptModel(std::filesystem::path const& file, ScriptTrust const& trust, at::Device device);

    [[nodiscard]] ModelCard const& card() const noexcept;
    /// `x` (B, R, features) f32 -> (B, R, outputs) f32; differentiable in x where gradients are recorded.
    /// Throws Error(Origin::torch) with the script's own last line, or when it returns another shape.
    [[nodiscard]] at::Tensor forward(at::Tensor const& x) const;
    void try_out(bool gradients) const;  ///< try_script

private:
    struct Program;
    std::shared_ptr<Program> program_;
};

}  // namespace mpira::model
