#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/model/model_card.hpp"

/// Models of other programs: TorchScript files (torch.jit.save) that declare their tensor contract. No Torch
/// in this header.
///
/// The contract stands in the file's extra file "mpira.json": a model card (model_card.hpp) whose
/// architecture is {"network": "TorchScript", "input": "region_matrix", "features", "outputs", "head"};
/// parents, output_names, training, seen and content_hash may be left out.
///
/// region_matrix: forward(x), x float32 (windows, regions, features) as GET reads it (motifs scaled and
/// clipped to 1, accessibility last), returns float32 (windows, regions, outputs), of any number of windows
/// and regions. It must be the same for the same x, must treat each window alone, and must leave x as it is;
/// for gradients it must be differentiable in x.
///
/// sequence: forward(x), x (N, 4, L). Reserved: refused by name.
namespace mpira::model {

inline constexpr std::string_view kScriptContract = "mpira.json";  ///< name of the extra file

/// Which TorchScript files may run. They are programs, and run with the user's rights.
struct ScriptTrust {
    bool allowed = false;
    std::vector<std::string> sha256{};  ///< 64 hex digits each; empty: any file, else only these
};

/// Whether the file is a ZIP archive, as TorchScript files are. Looks at its first bytes only.
bool is_script(std::filesystem::path const& file);

/// The card of a weights file (Weights: a GET) or, where `trust` lets it run, of a TorchScript file, without
/// running it; the content hash of the latter is "sha256:" and its SHA-256. Throws Origin::usage naming the
/// file: not allowed, another hash, no contract, or one that this version does not read.
ModelCard read_card(std::filesystem::path const& file, ScriptTrust const& trust);

/// Runs a TorchScript file on a small batch of its window, on the CPU, for what else the contract asks: what
/// forward takes and returns, that it is repeatable, treats each window alone and leaves its input as it is,
/// and, with `gradients`, that it is differentiable. Throws Origin::usage naming the file and what it broke.
void try_script(std::filesystem::path const& file, ScriptTrust const& trust, bool gradients);

}  // namespace mpira::model
